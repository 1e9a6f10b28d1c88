//! `story.yaml`: the scenes of an example and what has to be seen in them.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use serde::Deserialize;
use simulator::Act;

use super::stage::Seen;
use crate::example::{Visits, yaml};

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What the story is about.
    pub title: String,
    /// In order.
    pub scenes: Vec<Scene>,
}

/// One scene. Time passes first, then life goes on, then something happens elsewhere, then guests act.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// What it shows.
    pub title: String,
    /// Hours that pass before it.
    #[serde(default)]
    pub hours_later: u32,
    /// Days that are lived through before it, by guest.
    #[serde(default)]
    pub days_lived: Option<Days>,
    /// What a guest does elsewhere before it.
    #[serde(default)]
    pub elsewhere: Option<Elsewhere>,
    /// Who acts, all in the same second.
    #[serde(default)]
    pub guests: Vec<String>,
    /// What they do.
    #[serde(default)]
    pub does: Option<Act>,
    /// How often the platform delivers each push although it was answered.
    #[serde(default = "once")]
    pub deliveries: usize,
    /// What has to be seen.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// No two guests may see the same.
    #[serde(default)]
    pub all_different: bool,
}

/// Days in which some guests go on visiting, with other habits than before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// How many.
    pub days: u32,
    /// Who visits and how; `from_days_ago` and `until_days_ago` are not used here.
    pub visits: BTreeMap<String, Visits>,
}

/// Something that another system tells of a guest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    /// Who.
    pub guest: String,
    /// Kind of the activity.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Where, as a name.
    #[serde(default)]
    pub place: String,
    /// Choices made, by habit.
    #[serde(default)]
    pub choices: BTreeMap<String, String>,
}

/// What has to be seen by one guest, or by all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expectation {
    /// Who; all if not given.
    pub guest: Option<String>,
    /// Name of the outcome: `sent`, `suppressed` …
    pub outcome: Option<String>,
    /// Part of the outcome's reason.
    pub reason: Option<String>,
    /// Number of messages that arrived since this guest's scene before.
    pub messages: Option<usize>,
    /// Words that must be there.
    pub says: Vec<String>,
    /// Words that must not be there.
    pub lacks: Vec<String>,
    /// Whether a question was asked.
    pub asks: Option<bool>,
    /// No item that the guest had been shown in any scene before.
    pub nothing_again: bool,
}

fn once() -> usize {
    1
}

impl Script {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read or understood; the error names line and column.
    pub fn read(file: &Path) -> Result<Self> {
        yaml(file)
    }
}

impl Expectation {
    /// Whether it is about this guest.
    #[must_use]
    pub fn concerns(&self, name: &str) -> bool {
        self.guest.as_deref().is_none_or(|guest| guest == name)
    }

    /// What is not as expected, in words.
    #[must_use]
    pub fn complaints(&self, seen: &Seen) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, sentence: String| {
            if !holds {
                wrong.push(sentence);
            }
        };
        let outcome = seen.answered.reply.outcome().name();
        let reason = &seen.answered.reply.reason;
        must(
            self.outcome.as_deref().is_none_or(|expected| expected == outcome),
            format!("ended {outcome} ({reason})"),
        );
        must(
            self.reason.as_deref().is_none_or(|part| reason.contains(part)),
            format!("the reason is {reason:?}"),
        );
        must(self.messages.is_none_or(|n| n == seen.arrived), format!("{} messages arrived", seen.arrived));
        for word in &self.says {
            must(seen.text.contains(word.as_str()), format!("{word} is missing"));
        }
        for word in &self.lacks {
            must(!seen.text.contains(word.as_str()), format!("{word} is there"));
        }
        let asked =
            seen.answered.reply.decision.as_ref().is_some_and(|decision| !decision.asked_trait.is_empty());
        must(self.asks.is_none_or(|asks| asks == asked), format!("asked: {asked}"));
        for item in seen.again.iter().filter(|_| self.nothing_again) {
            must(false, format!("{item} was offered again"));
        }
        wrong
    }
}
