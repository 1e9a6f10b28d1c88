//! Where settings come from: one flat map of dotted keys, each value with its origin.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use toml_edit::{Document, Item, TableLike, Value};

use super::Problems;

/// Variables that name a setting of every service.
const SHARED_VARIABLES: [(&str, &str); 2] =
    [("KAFKA_BOOTSTRAP", "kafka.bootstrap"), ("REDIS_URL", "redis.url")];

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    File { name: String, line: usize },
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(variable) => write!(f, "${variable}"),
            Self::Flag => f.write_str("--set"),
        }
    }
}

/// A value that was given.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) text: String,
    origin: Origin,
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(super) struct Sources {
    values: BTreeMap<String, Found>,
    taken: BTreeSet<String>,
    shared: BTreeSet<String>,
}

impl Sources {
    pub(super) fn add_file(&mut self, name: &str, text: String, problems: &mut Problems) {
        match Document::parse(text.clone()) {
            Ok(document) => self.add_table("", document.as_table(), &File { name, text: &text }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let (line, column) = (line_of(&text, at), column_of(&text, at));
                problems.add(format!("{name}:{line}:{column}: {}", error.message()));
            }
        }
    }

    fn add_table(&mut self, prefix: &str, table: &dyn TableLike, file: &File<'_>) {
        for (key, item) in table.iter() {
            self.add_item(&format!("{prefix}{key}"), item, file);
        }
    }

    fn add_item(&mut self, key: &str, item: &Item, file: &File<'_>) {
        if let Some(tables) = item.as_array_of_tables() {
            for (n, table) in tables.iter().enumerate() {
                self.add_table(&format!("{key}.{n}."), table, file);
            }
        } else if let Some(table) = item.as_table_like() {
            self.add_table(&format!("{key}."), table, file);
        } else if let Some(value) = item.as_value() {
            let line = item.span().map_or(1, |span| line_of(file.text, span.start));
            let origin = Origin::File { name: file.name.to_owned(), line };
            self.values.insert(key.to_owned(), Found { text: text_of(value), origin });
        }
    }

    pub(super) fn add_environment(
        &mut self,
        service: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) {
        let prefix = format!("{}__", service.to_uppercase().replace('-', "_"));
        for (variable, text) in variables {
            let shared =
                SHARED_VARIABLES.iter().find(|(name, _)| *name == variable).map(|(_, key)| (*key).to_owned());
            let own = variable.strip_prefix(&prefix).map(|key| key.to_lowercase().replace("__", "."));
            if let Some(key) = &shared {
                self.shared.insert(key.clone());
            }
            if let Some(key) = own.or_else(|| shared.filter(|key| !self.is_in_environment(key))) {
                self.values.insert(key, Found { text, origin: Origin::Environment(variable) });
            }
        }
    }

    fn is_in_environment(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|found| matches!(found.origin, Origin::Environment(_)))
    }

    pub(super) fn add_flags(&mut self, flags: &[String], problems: &mut Problems) {
        for flag in flags {
            match flag.split_once('=') {
                Some((key, text)) => {
                    self.values.insert(key.to_owned(), Found { text: text.to_owned(), origin: Origin::Flag });
                }
                None => problems.add(format!("--set {flag}: write it as key=value")),
            }
        }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Found> {
        self.taken.insert(key.to_owned());
        self.values.get(key).cloned()
    }

    /// It was given, and is blank.
    pub(super) fn is_blank(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|found| found.text.trim().is_empty())
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |found| found.origin.clone())
    }

    /// `file:line: ` of a key; of its table where the key itself is not there; empty where nothing is.
    pub(super) fn place(&self, key: &str) -> String {
        let table = key.rsplit_once('.').map_or("", |(table, _)| table);
        let sibling = || {
            self.values.iter().find(|(other, _)| !table.is_empty() && other.starts_with(&format!("{table}.")))
        };
        let found = self.values.get(key).or_else(|| sibling().map(|(_, found)| found));
        found.map_or_else(String::new, |found| format!("{}: ", found.origin))
    }

    pub(super) fn has_table(&self, prefix: &str) -> bool {
        let prefix = format!("{prefix}.");
        self.values.keys().any(|key| key.starts_with(&prefix))
    }

    /// The keys below a table, without the table.
    pub(super) fn below(&self, table: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{table}.");
        self.values.keys().filter_map(move |key| key.strip_prefix(&prefix))
    }

    /// What was given and nobody asked for. A variable that serves all services is no mistake in one.
    pub(super) fn left_over(&self) -> Vec<(String, String)> {
        let unasked =
            self.values.keys().filter(|key| !self.taken.contains(*key) && !self.shared.contains(*key));
        unasked.map(|key| (key.clone(), self.place(key))).collect()
    }
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn column_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.chars().rev().take_while(|c| *c != '\n').count() + 1
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.value().clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(truth) => truth.value().to_string(),
        Value::Datetime(time) => time.value().to_string(),
        Value::InlineTable(_) => String::new(),
    }
}
