//! The pieces of a checked playbook.

use proto::reply::UnknownPolicy;

use super::{Rule, trigger::Trigger};

/// One reply of the playbook.
#[derive(Debug)]
pub(crate) struct Reply {
    pub name: String,
    pub on: Vec<Trigger>,
    pub when: Option<Rule>,
    /// Only for the neutral edition (`true`), never for it (`false`), or both.
    pub neutral: Option<bool>,
    pub slots: Vec<Slot>,
    pub question: Option<String>,
    pub parts: Vec<Part>,
    /// What is done about an attempt whose end nobody can know.
    pub unknown: UnknownPolicy,
    /// Sources that its templates use.
    pub sources: Vec<String>,
}

/// A place for items.
#[derive(Debug)]
pub(crate) struct Slot {
    pub name: String,
    pub section: Option<String>,
    /// Empty: whatever the topic.
    pub topics: Vec<String>,
    pub exclude: Vec<String>,
    /// Only items about the place that this gives; none if it gives an empty text.
    pub place: Option<Rule>,
    /// Items about this place are lifted.
    pub near: Option<Rule>,
    pub count: usize,
    pub per_topic: usize,
    /// Not what was shown within this time, milliseconds.
    pub hide_seen_ms: i64,
}

/// One message; every field is the name of a template.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    News(Card),
    Link(Card),
    MsgMenu { head: String, options: Vec<(String, String)>, tail: Option<String> },
    MiniProgramPage { title: String, appid: Option<String>, page: String, cover: String },
}

/// The templates of a card.
#[derive(Debug)]
pub(crate) struct Card {
    pub title: String,
    pub description: Option<String>,
    pub url: String,
    pub picture: Option<String>,
}

/// What each term of a score is worth (personalisation §3).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub affinity: f64,
    pub freshness: f64,
    pub preference: f64,
    pub context: f64,
    pub seen: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { affinity: 2.0, freshness: 0.5, preference: 1.0, context: 0.5, seen: 1.0 }
    }
}

impl Part {
    /// The `msgtype` of the platform.
    pub(super) fn msgtype(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::News(_) => "news",
            Self::Link(_) => "link",
            Self::MsgMenu { .. } => "msgmenu",
            Self::MiniProgramPage { .. } => "miniprogrampage",
        }
    }
}
