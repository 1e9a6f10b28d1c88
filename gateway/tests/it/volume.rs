//! A volume with an account's secrets, which changes as Kubernetes changes one: all files at once, by a link that is led elsewhere.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// Token, key, and those before the last change.
pub(crate) const NAMES: [&str; 4] = ["token", "aes_key", "previous_token", "previous_aes_key"];

pub(crate) struct Volume(PathBuf);

impl Volume {
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The path that a setting names.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// From now on the files hold this, in the order of their names.
    pub(crate) fn holds(&self, secrets: [&str; 4]) {
        fs::create_dir_all(&self.0).unwrap();
        let data = tempfile::Builder::new().prefix("..").tempdir_in(&self.0).unwrap().keep();
        let link = self.0.join("..tmp");
        for (name, text) in NAMES.into_iter().zip(secrets) {
            fs::write(data.join(name), format!("{text}\n")).unwrap();
        }
        symlink(&data, &link).unwrap();
        fs::rename(link, self.0.join("..data")).unwrap();
        for name in NAMES.into_iter().filter(|name| !self.file(name).exists()) {
            symlink(Path::new("..data").join(name), self.file(name)).unwrap();
        }
    }
}
