//! What a delivery remembers from try to try.

use std::time::Duration;

use runtime::backoff::Backoff;

use super::Slot;

pub(super) struct Tries {
    pub(super) failed: u32,
    pub(super) backoff: Backoff,
    /// Why the account was stopped when this event met the stop: the platform gets the event again when that is over.
    pub(super) met: Option<String>,
    /// The right to try a stopped account, taken and not used yet.
    pub(super) right: Option<i64>,
}

impl Tries {
    pub(super) fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));
        Self { failed: 0, backoff, met: None, right: None }
    }

    /// Gives the place up: whoever holds one must not wait for another. A right that was not used stays.
    pub(super) fn leave(&mut self, slot: &mut Option<Slot>) {
        let unused = slot.take().and_then(|mut slot| slot.take_right());
        self.right = unused.or(self.right);
    }

    /// The right of an event that ends before it has tried.
    pub(super) fn untried(&mut self) -> Option<i64> {
        self.right.take().filter(|_| self.failed == 0)
    }
}
