//! What is counted of the ledger: its calls, its Redis, and replies whose end nobody knows.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::{
    redis::{RedisError, TROUBLES, Trouble},
    telemetry::Seldom,
};
use tokio::time::Instant;

use super::{Metrics, Named};

/// Part of [`Metrics`].
#[derive(Debug)]
pub(super) struct Ledger {
    trips: Gauge,
    waits: Counter,
    said_waits: Mutex<Seldom>,
    close_dropped: Counter,
    fenced: Counter,
    troubles: Family<Named, Gauge>,
    evicted: Gauge,
    sent_again: Family<Named, Counter>,
    waiting: Gauge,
    lost: Family<Named, Counter>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            trips: Gauge::default(),
            waits: Counter::default(),
            said_waits: Mutex::new(Seldom::every(Duration::from_secs(10))),
            close_dropped: Counter::default(),
            fenced: Counter::default(),
            troubles: Family::default(),
            evicted: Gauge::default(),
            sent_again: Family::default(),
            waiting: Gauge::default(),
            lost: Family::default(),
        }
    }
}

impl Ledger {
    pub(super) fn register(&self, all: &mut Registry) {
        let trips = "Round trips to the ledger's Redis since the start";
        all.register("ledger_trips", trips, self.trips.clone());
        all.register("ledger_waits", "Ledger calls that Redis did not answer", self.waits.clone());
        let dropped = "Ledger entries left open until they lapse";
        all.register("close_dropped", dropped, self.close_dropped.clone());
        all.register("fence_rejected", "Sends stopped before the first byte", self.fenced.clone());
        let troubles = "1: the ledger's Redis is not as the ledger needs it, by what is wrong";
        all.register("ledger_redis_trouble", troubles, self.troubles.clone());
        let evicted = "Keys that the ledger's Redis has thrown away since its start";
        all.register("ledger_redis_evicted", evicted, self.evicted.clone());
        let again = "Parts sent again after an unknown end, by who wanted it: playbook, person";
        all.register("sent_again", again, self.sent_again.clone());
        let waiting = "Replies of which a person is to decide whether they are sent again";
        all.register("unknown_waiting", waiting, self.waiting.clone());
        let lost = "Writes that the ledger's Redis had acknowledged and has no more, by where it was noticed: under_way, ended, mark";
        all.register("ledger_writes_lost", lost, self.lost.clone());
        // An alarm sees a count that rises only if it was there before.
        for name in ["under_way", "ended", "mark"] {
            drop(self.lost.get_or_create(&Named { name: name.to_owned() }));
        }
    }
}

impl Metrics {
    /// Round trips to the ledger's Redis so far.
    pub fn ledger_trips(&self, trips: u64) {
        self.0.ledger.trips.set(i64::try_from(trips).unwrap_or(i64::MAX));
    }

    /// Redis did not do a ledger's step; logged at most once in ten seconds.
    pub fn ledger_waits(&self, error: &RedisError) {
        let Ledger { waits, said_waits, .. } = &self.0.ledger;
        waits.inc();
        if said_waits.lock().unwrap_or_else(PoisonError::into_inner).is_due(Instant::now()) {
            tracing::warn!(%error, "the ledger is away: nothing is sent until Redis answers again");
        }
    }

    /// Entries stay open in the ledger.
    pub fn close_dropped(&self, entries: u64) {
        self.0.ledger.close_dropped.inc_by(entries);
    }

    /// A send was stopped before its first byte.
    pub fn fenced(&self) {
        self.0.ledger.fenced.inc();
    }

    /// How the ledger's Redis is.
    pub fn ledger_redis(&self, troubles: &[Trouble], evicted: Option<u64>) {
        for name in TROUBLES {
            let there = troubles.iter().any(|trouble| trouble.name == name);
            self.0.ledger.troubles.get_or_create(&Named { name: name.to_owned() }).set(i64::from(there));
        }
        self.0.ledger.evicted.set(i64::try_from(evicted.unwrap_or(0)).unwrap_or(i64::MAX));
    }

    /// A part whose end nobody knew is sent again, because of the `playbook` or of a `person`.
    pub fn sent_again(&self, whose: &str) {
        self.0.ledger.sent_again.get_or_create(&Named { name: whose.to_owned() }).inc();
    }

    /// The ledger's Redis has lost so many writes that it had acknowledged: an entry whose reply is `under_way`, one that had `ended`,
    /// the `mark` of this process.
    pub fn ledger_lost(&self, where_noticed: &str, writes: u64) {
        self.0.ledger.lost.get_or_create(&Named { name: where_noticed.to_owned() }).inc_by(writes);
    }

    /// How many replies wait for a person.
    pub fn unknown_waiting(&self, waiting: i64) {
        self.0.ledger.waiting.set(waiting);
    }
}
