//! Data from elsewhere: what a reply needs to be fetched before it can be decided.

use std::{fmt::Write as _, time::Duration};

use super::{Rule, Scope, facts::clip};

/// A source of the playbook.
#[derive(Debug)]
pub(crate) struct Source {
    pub name: String,
    pub base: String,
    /// `{argument}` stands for the argument.
    pub path: String,
    pub argument: Rule,
    pub deadline: Duration,
    pub cache: Duration,
    pub fallback: Option<serde_json::Value>,
}

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRequest {
    /// Name of the source in the playbook.
    pub source: String,
    /// What is asked for: `波士顿`.
    pub argument: String,
    /// Name of the configured base address.
    pub base: String,
    /// Path and query, percent-encoded, to be put behind the base address.
    pub path: String,
    /// Time for the whole exchange.
    pub deadline: Duration,
    /// How long an answer may be used again.
    pub cache: Duration,
}

/// Longest argument in bytes.
const LONGEST_ARGUMENT: usize = 120;

impl Source {
    /// What to fetch for this user; `None`: the argument is empty or could not be found out.
    pub(super) fn request(&self, scope: &Scope) -> Option<SourceRequest> {
        let argument = self.argument.text(scope).ok()?;
        let argument = clip(argument.trim(), LONGEST_ARGUMENT);
        (!argument.is_empty()).then(|| SourceRequest {
            source: self.name.clone(),
            argument: argument.to_owned(),
            base: self.base.clone(),
            path: self.path.replace("{argument}", &encoded(argument)),
            deadline: self.deadline,
            cache: self.cache,
        })
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").expect("a String takes everything"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_can_not_leave_its_place_in_the_query() {
        assert_eq!(encoded("波士顿"), "%E6%B3%A2%E5%A3%AB%E9%A1%BF");
        assert_eq!(encoded("a&b=/../?#"), "a%26b%3D%2F..%2F%3F%23");
    }
}
