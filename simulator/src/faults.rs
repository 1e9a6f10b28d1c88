//! Scripted faults: what the next calls are answered instead of the truth.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The calls that a fault can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// `custom/send`.
    Send,
    /// Both token endpoints.
    Token,
    /// `/sim/sources/…`.
    Source,
}

/// One fault, good for `count` calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which calls it meets.
    pub path: Path,
    /// Only calls of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only sends to this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openid: Option<String>,
    /// How many calls it meets.
    #[serde(default = "once")]
    pub count: u64,
    /// The call is carried through before it is answered wrongly: a message arrives, a token is issued.
    #[serde(default)]
    pub taken: bool,
    /// Waits this long first.
    #[serde(default)]
    pub delay_ms: u64,
    /// What is answered.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Fields of every fault; `kind` decides which others it has.
const FIELDS: [&str; 7] = ["path", "kind", "account", "openid", "count", "taken", "delay_ms"];

/// Why something is no fault, and what would be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultError {
    #[error("this is no fault: {0}; every fault has path and kind, and may have {others}", others = FIELDS[2..].join(", "))]
    Shape(#[from] serde_json::Error),
    #[error("a fault of kind {kind} has no field {field:?}; it has {known}")]
    Field { kind: &'static str, field: String, known: String },
}

/// What a fault answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// The truth, after the delay.
    Pass,
    /// This errcode, with HTTP 200.
    Errcode {
        /// The code.
        errcode: i32,
        /// Its text; the platform's own when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        errmsg: Option<String>,
    },
    /// This HTTP status with a page of HTML.
    Status {
        /// The status.
        status: u16,
        /// Seconds for a `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// HTTP 200 with this text, whatever it is.
    Body {
        /// The text.
        #[serde(default)]
        text: String,
        /// How many times it is written.
        #[serde(default = "one")]
        repeat: usize,
    },
    /// HTTP 302 to an address.
    Redirect {
        /// The address.
        location: String,
    },
    /// HTTP 200 whose body ends before the stated length, with the connection.
    Cut {
        /// What comes of the body.
        text: String,
    },
    /// HTTP 200 whose body comes byte by byte.
    Drip {
        /// The body.
        text: String,
        /// Milliseconds before each byte.
        every_ms: u64,
    },
    /// Nothing, for ever.
    Hang,
    /// The connection is reset.
    Reset,
}

fn once() -> u64 {
    1
}

fn one() -> usize {
    1
}

impl Answer {
    /// The word for it in requests and records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Errcode { .. } => "errcode",
            Self::Status { .. } => "status",
            Self::Body { .. } => "body",
            Self::Redirect { .. } => "redirect",
            Self::Cut { .. } => "cut",
            Self::Drip { .. } => "drip",
            Self::Hang => "hang",
            Self::Reset => "reset",
        }
    }
}

impl Answer {
    /// What a fault of this kind has besides the fields of every fault.
    fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Pass | Self::Hang | Self::Reset => &[],
            Self::Errcode { .. } => &["errcode", "errmsg"],
            Self::Status { .. } => &["status", "retry_after"],
            Self::Body { .. } => &["text", "repeat"],
            Self::Redirect { .. } => &["location"],
            Self::Cut { .. } => &["text"],
            Self::Drip { .. } => &["text", "every_ms"],
        }
    }

    /// The errcode that is answered, if it is one.
    pub(crate) fn errcode(&self) -> Option<i32> {
        if let Self::Errcode { errcode, .. } = self { Some(*errcode) } else { None }
    }
}

impl Fault {
    /// Reads one fault of a script. A field that its kind does not have is a mistake in the script, never left out silently.
    pub(crate) fn read(value: Value) -> Result<Self, FaultError> {
        let given: Vec<String> =
            value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let fault: Self = serde_json::from_value(value)?;
        let known = [&FIELDS, fault.answer.fields()].concat();
        match given.into_iter().find(|field| !known.contains(&field.as_str())) {
            Some(field) => {
                Err(FaultError::Field { kind: fault.answer.name(), field, known: known.join(", ") })
            }
            None => Ok(fault),
        }
    }

    /// The call happens in spite of the fault.
    pub(crate) fn lets_through(&self) -> bool {
        self.taken || self.answer == Answer::Pass
    }

    fn meets(&self, path: Path, account: Option<&str>, openid: Option<&str>) -> bool {
        let holds =
            |wanted: &Option<String>, given: Option<&str>| wanted.is_none() || wanted.as_deref() == given;
        self.path == path && holds(&self.account, account) && holds(&self.openid, openid)
    }
}

/// The faults that wait, in the order in which they were scripted.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds to the script.
    pub(crate) fn script(&mut self, faults: Vec<Fault>) {
        self.0.extend(faults.into_iter().filter(|fault| fault.count > 0));
    }

    /// Forgets the script.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is left.
    pub(crate) fn left(&self) -> Vec<Fault> {
        self.0.clone()
    }

    /// The first fault that meets this call, counted down.
    pub(crate) fn take(&mut self, path: Path, account: Option<&str>, openid: Option<&str>) -> Option<Fault> {
        let at = self.0.iter().position(|fault| fault.meets(path, account, openid))?;
        self.0[at].count -= 1;
        if self.0[at].count > 0 { Some(self.0[at].clone()) } else { Some(self.0.remove(at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_meet_in_order_as_often_as_they_say() {
        let mut faults = Faults::default();
        let script = r#"[{"path":"send","kind":"errcode","errcode":45009,"openid":"o2"},
                         {"path":"send","kind":"reset","taken":true,"count":2},{"path":"token","kind":"hang"}]"#;
        faults.script(serde_json::from_str(script).unwrap());
        let mut next = |path, openid| faults.take(path, Some("a"), openid).map(|fault| fault.answer.name());
        assert_eq!(next(Path::Send, Some("o1")), Some("reset"));
        assert_eq!(next(Path::Send, Some("o2")), Some("errcode"));
        assert_eq!(next(Path::Send, Some("o2")), Some("reset"));
        assert_eq!(next(Path::Send, Some("o2")), None);
        assert_eq!(next(Path::Token, None), Some("hang"));
        assert!(faults.left().is_empty());
    }
}
