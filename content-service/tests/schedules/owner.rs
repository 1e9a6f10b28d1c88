//! Somebody who brings an event to its end, one step at a time.

use std::sync::{Arc, Mutex};

use content_service::{
    assignment::Assignment,
    ledger::{End, Entry, Ledger, PartEnd, Place, Proposal, State},
};
use proto::reply::Outcome;
use runtime::clock::Clock;

use super::PARTS;

/// How often the platform took each part.
pub(super) type Seen = Arc<Mutex<[u32; PARTS]>>;

/// What the seed says of one step.
pub(super) struct Chosen {
    /// What comes of bytes that leave; `Unspecified`: none did.
    pub(super) comes: Outcome,
    /// Straight from the reservation to the first part.
    pub(super) arm: bool,
}

/// What it is given, and how far it has come.
pub(super) struct Owner {
    pub(super) ledger: Ledger,
    pub(super) place: Place,
    pub(super) mine: Assignment,
    pub(super) proposal: Proposal,
    /// Attempts whose end nobody knows are followed by another.
    pub(super) again: bool,
    pub(super) seen: Seen,
    pub(super) entry: Option<Entry>,
    /// Bytes have left, and their end is not in the ledger yet.
    pub(super) left: Option<Outcome>,
}

impl Owner {
    pub(super) async fn step(mut self, chosen: Chosen) -> Self {
        let (place, mine) = (&self.place, &self.mine);
        let Some(mut entry) = self.entry.take() else {
            let reserved = self.ledger.reserve(place, mine, self.proposal.clone(), chosen.arm).await;
            self.entry = Some(reserved.unwrap());
            return self;
        };
        match (entry.state, self.left.take()) {
            (State::Armed(_), None) => {
                let taken = matches!(chosen.comes, Outcome::Sent | Outcome::Unknown);
                self.seen.lock().unwrap()[entry.part] += u32::from(taken);
                self.left = Some(chosen.comes);
            }
            (State::Armed(_), Some(outcome)) => self.ends(&mut entry, outcome).await,
            (State::Reserved, _) => self.ledger.arm(place, mine, &mut entry).await.unwrap(),
            (State::Elsewhere, _) => {
                self.ledger.overdue(place, mine, &mut entry, self.again).await.unwrap();
            }
            (State::Settled | State::Closed, _) => {}
        }
        self.entry = Some(entry);
        self
    }

    async fn ends(&self, entry: &mut Entry, outcome: Outcome) {
        let (ledger, place, mine) = (&self.ledger, &self.place, &self.mine);
        if outcome == Outcome::Unspecified {
            return ledger.not_sent(place, mine, entry).await.unwrap();
        }
        entry.tried();
        let at_ms = Clock::system().now_ms();
        let unknown = entry.unknown() + u32::from(outcome == Outcome::Unknown);
        let part = PartEnd { outcome, errcode: None, at_ms, attempts: entry.attempts(), unknown };
        let end = End { outcome, reason: String::new(), until_ms: 0, at_ms };
        if outcome == Outcome::Unknown {
            return ledger.unknown(place, mine, entry, part, end, self.again).await.unwrap();
        }
        if entry.left() > 1 {
            return ledger.next_part(place, mine, entry, part).await.unwrap();
        }
        ledger.settle(place, mine, entry, part, end, false).await.unwrap();
    }

    /// It may send from now on.
    pub(super) fn is_armed(&self) -> bool {
        let entry = self.entry.as_ref();
        self.left.is_none() && entry.is_some_and(|entry| matches!(entry.state, State::Armed(_)))
    }

    pub(super) fn knows_the_end(&self) -> bool {
        let state = self.entry.as_ref().map(|entry| entry.state);
        matches!(state, Some(State::Settled | State::Closed))
    }
}
