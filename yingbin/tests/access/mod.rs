//! The files that operators use, and their users.

mod house;
mod kafka;
mod redis;

use std::{fs, path::PathBuf};

use crate::support::processes::repository;

/// The users' passwords in `users.acl`; Kafka's are set by the test.
pub(crate) fn password(user: &str) -> String {
    format!("{user}-example")
}

/// A file of `deploy`.
pub(crate) fn deployed(name: &str) -> PathBuf {
    repository().join("deploy").join(name)
}

/// Every line of a service's own code, without its unit tests.
pub(crate) fn sources(service: &str) -> Vec<String> {
    let (mut folders, mut files) = (vec![repository().join(service).join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(path).unwrap();
                files.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
            }
        }
    }
    files
}

/// What stands between an opening and the next quotation mark.
pub(crate) fn named<'a>(text: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(opening).skip(1).filter_map(|rest| rest.split(['"', '\'']).next())
}
