//! One event in the ledger: what it holds, how it is read from Redis, and what outcome it makes.

use std::collections::HashMap;

use prost::Message as _;
use proto::reply::{Budget, Outcome, Reply, ShownRecord, UnknownPolicy};
use tokio::time::Instant;

use super::{
    end::{Damaged, End, PartEnd, count, number},
    watched::Watched,
};

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The next part may be armed.
    Reserved,
    /// We hold it: the part's bytes may leave within moments of this instant.
    Armed(Instant),
    /// Somebody else's bytes may be leaving, until its lease is over.
    Elsewhere,
    /// It has ended; the outcome may or may not be published.
    Settled,
    /// The outcome is published; should anything follow, it is not this handler's.
    Closed,
}

/// An event in the ledger as its handler knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Decision and parts, with the ends of the parts that have one.
    pub reply: Reply,
    /// Where it stands.
    pub state: State,
    /// The part that is next or under way, from 0.
    pub part: usize,
    /// Armed so often for that part.
    pub attempt: u32,
    /// A part of it was sent again, which happens once.
    pub again: bool,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// It had ended before this handler came: its outcome may stand in Kafka already.
    pub found_settled: bool,
    /// Somebody else's attempt, and since when it is seen.
    pub(super) watched: Option<Watched>,
}

impl Entry {
    /// A reply that is about to be reserved.
    pub(super) fn new(reply: Reply) -> Self {
        let (part, attempt, again) = (0, 0, false);
        let state = State::Reserved;
        Self { reply, state, part, attempt, again, end: None, found_settled: false, watched: None }
    }

    /// `reserve` has just made it.
    pub(super) fn set_reserved(
        &mut self,
        state: &[u8],
        end: &[u8],
        budget: &[u8],
        armed: Instant,
    ) -> Result<(), Damaged> {
        set_budget(&mut self.reply, budget)?;
        (self.state, self.attempt) = match state {
            b"sending" => (State::Armed(armed), 1),
            b"reserved" => (State::Reserved, 0),
            b"settled" => (State::Settled, 0),
            _ => return Err(Damaged("unknown state")),
        };
        self.set_end(End::read(end)?);
        Ok(())
    }

    /// The entry as it stands in Redis: names and values of its fields in turn. `revision`: what its handler is in charge of; an
    /// entry that is further has been published as far as that goes.
    ///
    /// # Errors
    /// [`Damaged`]: no such entry was ever written.
    pub fn found(fields: &[Vec<u8>], revision: u32) -> Result<Self, Damaged> {
        let fields: HashMap<&[u8], &[u8]> =
            fields.chunks_exact(2).map(|pair| (pair[0].as_slice(), pair[1].as_slice())).collect();
        let field = |name: &[u8]| fields.get(name).copied().unwrap_or_default();
        let reached = fields.get(&b"v"[..]).map_or(Ok(0), |reached| count(reached))?;
        let state = match field(b"s") {
            b"waiting" => State::Closed,
            _ if reached > revision => State::Closed,
            b"reserved" => State::Reserved,
            b"sending" => number(field(b"l")).map(|_lease| State::Elsewhere)?,
            b"settled" => State::Settled,
            b"closed" => State::Closed,
            _ => return Err(Damaged("unknown state")),
        };
        let mut reply = Reply::decode(field(b"b")).map_err(|_| Damaged("unreadable reply"))?;
        reply.revision = reached;
        let part = usize::try_from(number(field(b"p"))?).map_err(|_| Damaged("part out of range"))?;
        let again = fields.get(&b"r"[..]).map(|part| number(part)).transpose()?;
        let again = again.and_then(|part| usize::try_from(part).ok());
        if let Some(part) = again.and_then(|part| reply.parts.get_mut(part)) {
            part.unknown_attempts = 1;
        }
        if let (Some(tried), Some(part)) = (fields.get(&b"c"[..]), reply.parts.get_mut(part)) {
            part.attempts = count(tried)?;
        }
        for (n, part) in reply.parts.iter_mut().enumerate() {
            if let Some(end) = fields.get(format!("o{n}").as_bytes()) {
                PartEnd::read(end)?.apply(part);
            }
        }
        if state != State::Closed {
            set_budget(&mut reply, field(b"g"))?;
        }
        if fields.contains_key(&b"w"[..]) {
            reply.set_shown(ShownRecord::NotRecorded);
        }
        let attempt = count(field(b"a"))?;
        let found_settled = state == State::Settled;
        let again = again.is_some();
        let (end, watched) = (None, None);
        let mut entry = Self { reply, state, part, attempt, again, end, found_settled, watched };
        entry.set_end(End::read(field(b"e"))?);
        Ok(entry)
    }

    /// It stands in Redis already.
    pub(super) fn set_found(&mut self, fields: &[Vec<u8>]) -> Result<(), Damaged> {
        let before = self.watched.take();
        *self = Self::found(fields, self.reply.revision)?;
        if self.state == State::Elsewhere {
            self.watched = Some(Watched::seen(fields, before));
        }
        Ok(())
    }

    /// It stands where it stood before it was `known`: nothing that anybody writes brings it back there.
    pub(super) fn is_behind(&self, known: &Self) -> bool {
        let reached = |entry: &Self| (entry.reply.revision, entry.part, entry.attempt);
        let ended = |entry: &Self| matches!(entry.state, State::Settled | State::Closed);
        !ended(self) && (ended(known) || reached(self) < reached(known))
    }

    /// Parts that have not been tried, the present one included.
    #[must_use]
    pub fn left(&self) -> usize {
        self.reply.parts.len().saturating_sub(self.part)
    }

    /// Times that bytes of the present part were or may have been sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.reply.parts.get(self.part).map_or(0, |part| part.attempts)
    }

    /// Of [`Entry::attempts`], how many nobody knows the end of.
    #[must_use]
    pub fn unknown(&self) -> u32 {
        self.reply.parts.get(self.part).map_or(0, |part| part.unknown_attempts)
    }

    /// How the present part has ended, with its attempts so far.
    #[must_use]
    pub fn part_end(&self, outcome: Outcome, errcode: Option<i32>, at_ms: i64) -> PartEnd {
        let (attempts, unknown) = (self.attempts(), self.unknown());
        PartEnd { outcome, errcode, at_ms, attempts, unknown }
    }

    /// What its playbook says about attempts whose end nobody knows.
    #[must_use]
    pub fn policy(&self) -> UnknownPolicy {
        self.reply.decision.as_ref().map_or(UnknownPolicy::Unspecified, |decision| decision.unknown())
    }

    /// A person is to decide whether it is sent again.
    #[must_use]
    pub fn asks(&self) -> bool {
        let ended = self.state == State::Settled && self.reply.outcome() == Outcome::Unknown;
        ended && self.policy() == UnknownPolicy::Ask && !self.again
    }

    /// An end as it is once an attempt is unknown: unless another was taken, the user may or may not have the part.
    pub(super) fn doubt(&self, part: Option<PartEnd>, end: End) -> (Option<PartEnd>, End) {
        if self.unknown() == 0 || matches!(end.outcome, Outcome::Sent | Outcome::Unknown) {
            return (part, end);
        }
        let errcode = part.and_then(|part| part.errcode);
        let part = self.part_end(Outcome::Unknown, errcode, end.at_ms);
        let reason = format!("an attempt was cut off, and sending again came to nothing: {}", end.reason);
        (Some(part), End { outcome: Outcome::Unknown, reason, ..end })
    }

    /// An attempt whose end nobody knows was counted, and the part may be armed once more.
    pub(super) fn set_again(&mut self, budget: &[u8]) -> Result<(), Damaged> {
        (self.state, self.again) = (State::Reserved, true);
        if let Some(part) = self.reply.parts.get_mut(self.part) {
            part.unknown_attempts += 1;
        }
        set_budget(&mut self.reply, budget)
    }

    /// Bytes of the present part were or may have been sent.
    pub fn tried(&mut self) {
        if let Some(part) = self.reply.parts.get_mut(self.part) {
            part.attempts += 1;
        }
    }

    /// The present part has ended.
    pub(super) fn set_part(&mut self, end: &PartEnd) {
        if let Some(part) = self.reply.parts.get_mut(self.part) {
            end.apply(part);
        }
    }

    /// The present part has ended, and the whole with it.
    pub(super) fn set_last(&mut self, part: Option<PartEnd>, end: End) {
        if let Some(part) = part {
            self.set_part(&part);
        }
        self.set_end(Some(end));
    }

    /// The whole has ended: the outcome's fields follow, and what was not tried is marked so.
    pub(super) fn set_end(&mut self, end: Option<End>) {
        let Some(end) = end else { return };
        self.reply.set_outcome(end.outcome);
        self.reply.reason.clone_from(&end.reason);
        self.reply.until_ms = end.until_ms;
        self.reply.ended_at_ms = end.at_ms;
        for part in &mut self.reply.parts {
            if part.outcome() == Outcome::Unspecified {
                part.set_outcome(Outcome::Suppressed);
            }
        }
        self.end = Some(end);
        if self.state != State::Closed {
            self.state = State::Settled;
        }
    }
}

/// `right|before|after|until` into the decision; without a decision there is nothing to tell.
fn set_budget(reply: &mut Reply, text: &[u8]) -> Result<(), Damaged> {
    let text = std::str::from_utf8(text).map_err(|_| Damaged("budget is not text"))?;
    let fields: Vec<&str> = text.split('|').collect();
    let [right, before, after, until] = fields[..] else { return Err(Damaged("budget is cut short")) };
    let budget = Budget {
        right: right.to_owned(),
        before: count(before.as_bytes())?,
        after: count(after.as_bytes())?,
        until_ms: number(until.as_bytes())?,
    };
    if let Some(decision) = &mut reply.decision {
        decision.budget = Some(budget);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_entries_are_told_and_never_trusted() {
        for fields in
            [&["s", "sending"][..], &["s", "odd"], &["s", "reserved", "p", "0", "a", "0", "b", "\u{1}"], &[]]
        {
            let fields: Vec<Vec<u8>> = fields.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert!(Entry::found(&fields, 0).is_err(), "{fields:?}");
        }
    }
}
