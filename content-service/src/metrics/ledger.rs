//! What is counted of the ledger: its Redis, and replies whose end nobody knows.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::redis::{TROUBLES, Trouble};

use super::{Metrics, Named};

/// Part of [`Metrics`].
#[derive(Debug, Default)]
pub(super) struct Ledger {
    troubles: Family<Named, Gauge>,
    evicted: Gauge,
    sent_again: Family<Named, Counter>,
    waiting: Gauge,
}

impl Ledger {
    pub(super) fn register(&self, all: &mut Registry) {
        let troubles =
            "1: the ledger's Redis may lose what it acknowledged, or takes nothing, by what is wrong";
        all.register("ledger_redis_trouble", troubles, self.troubles.clone());
        let evicted = "Keys that the ledger's Redis has thrown away since its start";
        all.register("ledger_redis_evicted", evicted, self.evicted.clone());
        let again = "Parts sent again after an unknown end, by who wanted it: playbook, person";
        all.register("sent_again", again, self.sent_again.clone());
        let waiting = "Replies of which a person is to decide whether they are sent again";
        all.register("unknown_waiting", waiting, self.waiting.clone());
    }
}

impl Metrics {
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

    /// How many replies wait for a person.
    pub fn unknown_waiting(&self, waiting: i64) {
        self.0.ledger.waiting.set(waiting);
    }
}
