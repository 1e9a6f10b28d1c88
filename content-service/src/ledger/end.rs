//! How events and their parts ended, as Rust and the scripts write it into Redis.

use proto::reply::{Outcome, Part};

/// How an event ended, or will be told to have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The outcome.
    pub outcome: Outcome,
    /// The rule behind it.
    pub reason: String,
    /// Until when the reason holds, Unix milliseconds; 0: not bounded.
    pub until_ms: i64,
    /// When it ended, Unix milliseconds.
    pub at_ms: i64,
}

/// How one part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartEnd {
    /// The outcome.
    pub outcome: Outcome,
    /// errcode of the platform, where one came.
    pub errcode: Option<i32>,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// Times that bytes were or may have been sent.
    pub attempts: u32,
    /// Of these, how many nobody knows the end of.
    pub unknown: u32,
}

/// What is in Redis is not an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's entry is damaged: {0}")]
pub struct Damaged(pub &'static str);

impl End {
    /// `outcome|until|at|reason`; the scripts write the same form.
    pub(super) fn write(&self) -> String {
        format!("{}|{}|{}|{}", self.outcome as i32, self.until_ms, self.at_ms, self.reason)
    }

    pub(super) fn read(text: &[u8]) -> Result<Option<Self>, Damaged> {
        if text.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(text).map_err(|_| Damaged("end is not text"))?;
        let mut fields = text.splitn(4, '|');
        let mut next = || fields.next().ok_or(Damaged("end is cut short"));
        let (outcome, until, at) = (next()?, next()?, next()?);
        Ok(Some(Self {
            outcome: outcome_of(outcome)?,
            until_ms: number(until.as_bytes())?,
            at_ms: number(at.as_bytes())?,
            reason: next()?.to_owned(),
        }))
    }
}

impl PartEnd {
    /// `outcome|errcode|at|attempts|unknown`, the errcode empty where none came.
    pub(super) fn write(&self) -> String {
        let errcode = self.errcode.map_or_else(String::new, |code| code.to_string());
        format!("{}|{errcode}|{}|{}|{}", self.outcome as i32, self.at_ms, self.attempts, self.unknown)
    }

    pub(super) fn read(text: &[u8]) -> Result<Self, Damaged> {
        let text = std::str::from_utf8(text).map_err(|_| Damaged("part is not text"))?;
        let fields: Vec<&str> = text.split('|').collect();
        // An older version wrote no `unknown`.
        let (outcome, errcode, at, attempts, unknown) = match fields[..] {
            [outcome, errcode, at, attempts] => (outcome, errcode, at, attempts, "0"),
            [outcome, errcode, at, attempts, unknown] => (outcome, errcode, at, attempts, unknown),
            _ => return Err(Damaged("part is cut short")),
        };
        Ok(Self {
            outcome: outcome_of(outcome)?,
            errcode: errcode.parse().ok(),
            at_ms: number(at.as_bytes())?,
            attempts: count(attempts.as_bytes())?,
            unknown: count(unknown.as_bytes())?,
        })
    }

    pub(super) fn apply(&self, part: &mut Part) {
        part.set_outcome(self.outcome);
        part.errcode = self.errcode;
        part.ended_at_ms = self.at_ms;
        part.attempts = self.attempts;
        part.unknown_attempts = self.unknown;
    }
}

fn outcome_of(text: &str) -> Result<Outcome, Damaged> {
    let outcome = text.parse::<i32>().ok().and_then(|number| Outcome::try_from(number).ok());
    outcome.ok_or(Damaged("unknown outcome"))
}

pub(super) fn number(text: &[u8]) -> Result<i64, Damaged> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Damaged("not a number"))
}

pub(super) fn count(text: &[u8]) -> Result<u32, Damaged> {
    u32::try_from(number(text)?).map_err(|_| Damaged("a count out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_read_back(outcome in 0i32..7, until_ms in any::<i64>(), at_ms in any::<i64>(), reason in "\\PC{0,40}") {
            let outcome = Outcome::try_from(outcome).unwrap();
            let end = End { outcome, reason, until_ms, at_ms };
            prop_assert_eq!(End::read(end.write().as_bytes()), Ok(Some(end)));
        }

        #[test]
        fn part_ends_read_back(outcome in 0i32..7, errcode in any::<Option<i32>>(), at_ms in any::<i64>(), attempts in any::<u32>(), unknown in any::<u32>()) {
            let outcome = Outcome::try_from(outcome).unwrap();
            let end = PartEnd { outcome, errcode, at_ms, attempts, unknown };
            prop_assert_eq!(PartEnd::read(end.write().as_bytes()), Ok(end));
        }
    }
}
