//! The playbook of an account: what to say on which event, to whom, and with which items.
//!
//! `docs/playbook.md` describes the file. Loading checks everything that can be checked before an event waits, and
//! tries every reply out; a loaded playbook is immutable and does no I/O.

mod build;
mod duration;
pub(crate) mod facts;
mod listen;
mod load;
mod parts;
mod problem;
pub(crate) mod question;
mod rule;
mod sample;
mod shape;
mod source;
pub(crate) mod template;
mod trigger;
mod yaml;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::tz::TimeZone;
use proto::{
    event::Event,
    profile::{Enrichment, Trait},
};
use wechat::account::AccountKind;

pub use listen::Picked;
pub use load::LoadError;
pub use problem::{Problem, Problems};
pub use source::SourceRequest;

pub(crate) use parts::{Part, Reply, Slot, Weights};
pub(crate) use question::Question;
pub(crate) use rule::{Rule, Scope};
pub(crate) use source::Source;

use facts::Facts;
use template::Templates;

/// A playbook that has been checked.
#[derive(Debug)]
pub struct Playbook {
    account: String,
    hash: String,
    kind: AccountKind,
    zone: TimeZone,
    pub(crate) topics: BTreeMap<String, String>,
    pub(crate) weights: Weights,
    /// Half-lives of sections in milliseconds; `default` for the others.
    freshness: BTreeMap<String, f64>,
    pub(crate) sources: BTreeMap<String, Source>,
    questions: BTreeMap<String, Question>,
    replies: Vec<Reply>,
    /// Variables that its rules use.
    variables: BTreeSet<&'static str>,
    pub(crate) templates: Templates,
}

impl Playbook {
    /// Reads and checks a playbook for an account of this kind; `file_name` is named in the problems.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line and column. A file that is no YAML names that alone, and what is wrong with
    /// its form (unknown and missing keys, a list for a text) is told before anything of what it says.
    pub fn parse(file_name: &str, text: &str, kind: AccountKind) -> Result<Self, Problems> {
        build::build(file_name, text, kind)
    }

    /// Name of the account for which it is written.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// SHA-256 of the text in lower-case hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What the user says about himself with this event: the answer to a question.
    #[must_use]
    pub fn told(&self, event: &Event) -> Vec<Trait> {
        let answered =
            self.questions.values().find_map(|question| Some((question, question.answered(event)?)));
        answered.map(|(question, answer)| question.told(answer, event)).into_iter().collect()
    }

    pub(crate) fn kind(&self) -> AccountKind {
        self.kind
    }

    pub(crate) fn question(&self, name: &str) -> Option<&Question> {
        self.questions.get(name)
    }

    /// Half-life of a section's freshness in milliseconds.
    pub(crate) fn half_life(&self, section: &str) -> f64 {
        let of = |name: &str| self.freshness.get(name).copied();
        of(section).or_else(|| of("default")).unwrap_or(facts::DAY_MS as f64)
    }

    fn facts(&self, event: &Event, enrichment: Option<&Enrichment>, at_ms: i64) -> Arc<Facts> {
        let answer = self.questions.values().find(|question| question.answered(event).is_some());
        let answer = answer.map(|question| question.name.clone());
        Arc::new(Facts::new(event, enrichment, at_ms, &self.zone, answer))
    }
}

#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod tests;
