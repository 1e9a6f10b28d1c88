//! Settings from defaults < file < environment < flags. Every problem is collected, with file, line and key.

mod address;
mod problems;
mod source;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

pub use problems::Problems;
pub use value::{Secret, Value};

use address::redacted;
use source::{Found, Origin, Sources};

/// A setting as it was asked for: the reference page and `config print` are made of these.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Dotted key; a table of an array has `*` in place of its number.
    pub key: String,
    /// The default as text; empty: none.
    pub default: String,
    /// What it means.
    pub meaning: String,
    /// What is in force; a secret is never here.
    pub in_force: String,
    /// Where that came from.
    pub origin: String,
}

/// The settings of one service while they are being read.
#[derive(Debug)]
pub struct Settings {
    service: String,
    sources: Sources,
    asked: BTreeMap<String, Asked>,
    problems: Problems,
    /// Nobody knows what stands in the file: what seems to be missing may be there.
    unread: bool,
}

impl Settings {
    /// Reads the file (TOML) and takes what concerns `service` from the environment (`GATEWAY__KAFKA__BOOTSTRAP` is `kafka.bootstrap` of
    /// `gateway`) and from the flags (`key=value`). What is wrong with them is told by [`Settings::finish`].
    #[must_use]
    pub fn load(
        service: &str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[String],
    ) -> Self {
        let mut problems = Problems::default();
        let mut sources = Sources::default();
        if let Some(path) = file {
            let name = path.display().to_string();
            match fs::read_to_string(path) {
                Ok(text) => sources.add_file(&name, text, &mut problems),
                Err(error) => problems.add(format!("{name}: cannot be read: {error}")),
            }
        }
        let unread = problems.count() > 0;
        sources.add_environment(service, environment);
        sources.add_flags(flags, &mut problems);
        Self { service: service.to_owned(), sources, asked: BTreeMap::new(), problems, unread }
    }

    /// No file, no environment, no flags: every setting at its default.
    #[must_use]
    pub fn defaults(service: &str) -> Self {
        Self::load(service, None, [], &[])
    }

    /// The service whose settings these are.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// A setting that has a default.
    pub fn get<T: Value>(&mut self, key: &str, default: T, meaning: &str) -> T {
        let shown = default.show();
        self.read(key, &shown, meaning).unwrap_or(default)
    }

    /// A setting that may be left out.
    pub fn optional<T: Value>(&mut self, key: &str, meaning: &str) -> Option<T> {
        self.read(key, "", meaning)
    }

    /// A setting that must be given; where it is not, that is a problem and the placeholder is returned.
    pub fn require<T: Value + Default>(&mut self, key: &str, meaning: &str) -> T {
        let problems_before = self.problems.count();
        let empty = self.sources.is_blank(key);
        self.read(key, "required", meaning).filter(|_| !empty).unwrap_or_else(|| {
            if self.problems.count() == problems_before {
                self.problem(key, &format!("is missing; {}", lower_first(meaning)));
            }
            T::default()
        })
    }

    /// A text that must be given and names a person: read like any other, never shown.
    pub fn personal(&mut self, key: &str, meaning: &str) -> String {
        let text: String = self.require(key, meaning);
        if let Some(asked) = self.asked.get_mut(key) {
            "…".clone_into(&mut asked.in_force);
        }
        text
    }

    /// One of a few words.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &str,
        default: T,
        words: &[(&str, T)],
        meaning: &str,
    ) -> T {
        let names = words.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let shown = words.iter().find(|(_, value)| *value == default).map_or("", |(name, _)| name);
        let Some(word) = self.read::<String>(key, shown, &format!("{meaning} One of {names}.")) else {
            return default;
        };
        let chosen = words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if chosen.is_none() {
            self.problem(key, &format!("{word:?} is not known; choose one of {names}"));
        }
        chosen.unwrap_or(default)
    }

    /// A secret: `key` itself, or the content of the file that `key_file` names (without the line breaks at its end).
    pub fn secret(&mut self, key: &str, meaning: &str) -> Option<Secret> {
        let file_key = format!("{key}_file");
        let inline = self.sources.take(key).map(|found| Secret::new(found.text));
        self.note(
            key,
            "",
            &format!("{meaning} A secret: better named by `{}_file`.", last(key)),
            if inline.is_some() { "…" } else { "" },
            inline.is_some(),
        );
        let file: Option<PathBuf> = self.read(&file_key, "", &format!("File that holds `{}`.", last(key)));
        let Some(path) = file else { return inline };
        match Secret::read(&path) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problem(&file_key, &format!("{} cannot be read: {error}", path.display()));
                inline
            }
        }
    }

    /// The tables of an array: `accounts.0`, `accounts.1` …, to put before their keys.
    #[must_use]
    pub fn tables(&self, key: &str) -> Vec<String> {
        (0..).map(|n| format!("{key}.{n}")).take_while(|prefix| self.sources.has_table(prefix)).collect()
    }

    /// The names directly below a table.
    #[must_use]
    pub fn names(&self, table: &str) -> Vec<String> {
        let names: BTreeSet<&str> =
            self.sources.below(table).filter_map(|key| key.split('.').next()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Every key below a table, dots and all: for tables whose keys are somebody else's.
    #[must_use]
    pub fn keys(&self, table: &str) -> Vec<String> {
        self.sources.below(table).map(str::to_owned).collect()
    }

    /// Says which tables of an array have the same under `name`, where each must have its own; blanks are no twins.
    pub fn distinct<'a>(
        &mut self,
        tables: &'a [String],
        name: &str,
        values: impl IntoIterator<Item = &'a str>,
    ) {
        let mut first = BTreeMap::new();
        for (table, value) in tables.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
            let owner = first.entry(value).or_insert(table);
            if *owner != table {
                self.problem(
                    &format!("{table}.{name}"),
                    &format!("{owner} has the same; each needs its own"),
                );
            }
        }
    }

    /// Says what is wrong with a setting, or between two.
    pub fn problem(&mut self, key: &str, wrong: &str) {
        let place = self.sources.place(key);
        self.problem_elsewhere(&format!("{place}{key}: {wrong}"));
    }

    /// Says what is wrong in a file that a setting names; `problem` itself says where.
    pub fn problem_elsewhere(&mut self, problem: &str) {
        if !self.unread {
            self.problems.add(problem.to_owned());
        }
    }

    /// Every setting that was asked for, by key.
    pub fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.asked.values()
    }

    /// Everything in force, one line a setting, secrets left out.
    #[must_use]
    pub fn print(&self) -> String {
        self.asked.iter().fold(String::new(), |mut text, (key, asked)| {
            writeln!(text, "{key} = {:?}  # {}", asked.in_force, asked.origin).expect("a String takes all");
            text
        })
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Everything that was wrong, settings that nobody asked for included.
    pub fn finish(mut self) -> Result<(), Problems> {
        for (key, place) in self.sources.left_over() {
            self.problem_elsewhere(&format!("{place}{key}: {} has no such setting", self.service));
        }
        if self.problems.count() == 0 { Ok(()) } else { Err(self.problems) }
    }

    fn read<T: Value>(&mut self, key: &str, default: &str, meaning: &str) -> Option<T> {
        let found = self.sources.take(key);
        let (shown, given) = found.as_ref().map_or((default, false), |found| (found.text.as_str(), true));
        let shown = redacted(shown);
        self.note(key, default, meaning, &shown, given);
        let Found { text, .. } = found?;
        match T::parse(&text) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.problem(key, &format!("{shown:?} is not {expected}"));
                None
            }
        }
    }

    fn note(&mut self, key: &str, default: &str, meaning: &str, in_force: &str, given: bool) {
        let origin = if given { self.sources.origin(key) } else { Origin::Default };
        self.asked.insert(
            key.to_owned(),
            Asked {
                key: key
                    .split('.')
                    .map(|part| if part.parse::<usize>().is_ok() { "*" } else { part })
                    .collect::<Vec<_>>()
                    .join("."),
                default: default.to_owned(),
                meaning: meaning.to_owned(),
                in_force: in_force.to_owned(),
                origin: origin.to_string(),
            },
        );
    }
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests;
