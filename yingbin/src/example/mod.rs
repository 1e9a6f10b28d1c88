//! An example: an account with its playbook, its items, its people and the lives they have led.

mod account;
mod person;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use proto::content::Item;
use serde::{Deserialize, de::DeserializeOwned};

pub use account::{Account, Button};
pub use person::{Habit, Person, Said, Visits};

use crate::command::items;

/// Everything below one folder of `examples/`.
#[derive(Clone, Debug)]
pub struct Example {
    /// The folder.
    pub folder: PathBuf,
    /// `account.yaml`.
    pub account: Account,
    /// `people.yaml`, in its order.
    pub people: Vec<Person>,
}

impl Example {
    /// Reads `account.yaml` and `people.yaml`; the other files are read where they are needed.
    ///
    /// # Errors
    /// A file is missing or says what cannot be understood; the error names file, line and column.
    pub fn read(folder: &Path) -> Result<Self> {
        ensure!(folder.is_dir(), "{} is no folder", folder.display());
        let account: Account = yaml(&folder.join("account.yaml"))?;
        let people: Vec<Person> = yaml(&folder.join("people.yaml"))?;
        Ok(Self { folder: folder.to_owned(), account, people })
    }

    /// The folders below a folder that hold an example.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
        let paths = fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(paths.filter(|path| path.join("account.yaml").is_file()).collect())
    }

    /// Every example below a folder, by name.
    ///
    /// # Errors
    /// As [`Example::read`]; or there is none.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let mut folders =
            Self::folders(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        folders.sort_by_key(|path| std::cmp::Reverse(path.clone()));
        ensure!(!folders.is_empty(), "{} holds no example: a folder with an account.yaml", folder.display());
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    /// The playbook's file.
    #[must_use]
    pub fn playbook(&self) -> PathBuf {
        self.folder.join("playbook.yaml")
    }

    /// What the playbook calls its topics, by id.
    ///
    /// # Errors
    /// The playbook is missing or cannot be understood.
    pub fn topics(&self) -> Result<BTreeMap<String, String>> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            topics: BTreeMap<String, String>,
        }
        Ok(yaml::<Named>(&self.playbook())?.topics)
    }

    /// The weather's file: city → weather.
    #[must_use]
    pub fn weather(&self) -> PathBuf {
        self.folder.join("weather.json")
    }

    /// The items, published relative to `now_ms`.
    ///
    /// # Errors
    /// The file is missing, or a line is no item.
    pub fn items(&self, now_ms: i64) -> Result<Vec<Item>> {
        let file = self.folder.join("items.jsonl");
        let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        items::read(&text, now_ms).map_err(|problems| {
            let lines: Vec<String> =
                problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect();
            anyhow::anyhow!(lines.join("\n"))
        })
    }

    /// A person by name or openid.
    #[must_use]
    pub fn person(&self, name: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.name == name || person.openid == name)
    }
}

/// Reads a YAML file; an error names file, line and column.
///
/// # Errors
/// The file cannot be read or understood.
pub fn yaml<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}
