//! Why something is not sent (any more).

use std::time::Duration;

use proto::reply::Outcome;

use super::{Deliverer, Slot};
use crate::{
    accounts::Account,
    breaker::Stop,
    config::{LEDGER_TTL, millis},
    ledger::{End, Entry},
};

impl Deliverer {
    /// Why nothing of this event may be sent at all, if so: it is too old, or its account is stopped and it is not the one that
    /// tries.
    #[must_use]
    pub fn hopeless(&self, account: &Account, occurred_at_ms: i64, slot: Option<&Slot>) -> Option<End> {
        let tries = slot.is_some_and(Slot::tries);
        let stop = || account.breaker.stopped(self.clock.now_ms()).filter(|_| !tries);
        self.too_old(occurred_at_ms).or_else(|| stop().map(|stop| self.stopped(&stop)))
    }

    /// Nobody waits for an answer any more.
    pub(super) fn too_old(&self, occurred_at_ms: i64) -> Option<End> {
        self.until_too_old(occurred_at_ms).is_zero().then(|| End {
            outcome: Outcome::Expired,
            reason: "too old to be answered".to_owned(),
            until_ms: 0,
            at_ms: self.clock.now_ms(),
        })
    }

    /// How long the event may still be answered.
    pub(super) fn until_too_old(&self, occurred_at_ms: i64) -> Duration {
        self.until(occurred_at_ms.saturating_add(millis(self.terms.max_age)).saturating_add(1))
    }

    /// From now until then; nothing, if that has passed.
    pub(super) fn until(&self, at_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(at_ms - self.clock.now_ms()).unwrap_or(0))
    }

    /// How an event of a stopped account ends.
    pub(super) fn stopped(&self, Stop { until_ms, why, .. }: &Stop) -> End {
        let reason = format!("account stopped until {}: {why}", when(*until_ms));
        End { outcome: Outcome::Refused, reason, until_ms: *until_ms, at_ms: self.clock.now_ms() }
    }

    /// How an event ends that no entry is left of: nobody here can say any more whether it was answered when it was new.
    #[must_use]
    pub fn forgotten(&self, occurred_at_ms: i64) -> Option<End> {
        let at_ms = self.clock.now_ms();
        let forgotten = at_ms.saturating_sub(occurred_at_ms) > millis(LEDGER_TTL);
        forgotten.then(|| End {
            outcome: Outcome::Unknown,
            reason: "older than the ledger remembers: an outcome published before holds".to_owned(),
            until_ms: 0,
            at_ms,
        })
    }

    /// The window in which the parts were reserved has passed.
    pub(super) fn lapsed(&self, entry: &Entry) -> Option<End> {
        let at_ms = self.clock.now_ms();
        let until_ms = entry.reply.decision.as_ref()?.budget.as_ref()?.until_ms;
        (until_ms <= at_ms).then(|| End {
            outcome: Outcome::Expired,
            reason: "send right lapsed".to_owned(),
            until_ms,
            at_ms,
        })
    }

    /// An entry that names a part which is not there: nobody can say what was sent.
    pub(super) fn nothing_left(&self, entry: &Entry) -> Option<End> {
        (entry.left() == 0).then(|| End {
            outcome: Outcome::Unknown,
            reason: "the ledger's entry has no such part".to_owned(),
            until_ms: 0,
            at_ms: self.clock.now_ms(),
        })
    }
}

/// A time as people of the account read it: Beijing.
fn when(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S+08:00").to_string()
}
