//! What the process counts, under one name each. Something worth a log line and a number does both here.

mod accounts;
mod alarms;
mod ledger;

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use proto::reply::Reply;

pub use accounts::AccountMetrics;

use alarms::Alarms;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    account: String,
    outcome: &'static str,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Named {
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartitionLabel {
    partition: i32,
}

/// The metrics of the process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    outcomes: Family<Ended, Counter>,
    handled: Histogram,
    running: Gauge,
    lanes: Gauge,
    open: Family<PartitionLabel, Gauge>,
    behind: Family<PartitionLabel, Gauge>,
    lag: Family<PartitionLabel, Gauge>,
    sends: Gauge,
    send_seconds: Histogram,
    fallbacks: Family<Named, Counter>,
    dlq: Family<Named, Counter>,
    accounts: AccountMetrics,
    playbook_refused: Family<Named, Counter>,
    items_refused: Counter,
    publish_waits: Counter,
    publish_refused: Gauge,
    erasures_pending: Gauge,
    erasures_refused: Counter,
    panics: Counter,
    repeats: Counter,
    rebalances: Counter,
    alarms: Alarms,
    ledger: ledger::Ledger,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || {
            Histogram::new([
                0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
            ])
        };
        Self(Arc::new(Families {
            outcomes: Family::default(),
            handled: seconds(),
            running: Gauge::default(),
            lanes: Gauge::default(),
            open: Family::default(),
            behind: Family::default(),
            lag: Family::default(),
            sends: Gauge::default(),
            send_seconds: seconds(),
            fallbacks: Family::default(),
            dlq: Family::default(),
            accounts: AccountMetrics::default(),
            playbook_refused: Family::default(),
            items_refused: Counter::default(),
            publish_waits: Counter::default(),
            publish_refused: Gauge::default(),
            erasures_pending: Gauge::default(),
            erasures_refused: Counter::default(),
            panics: Counter::default(),
            repeats: Counter::default(),
            rebalances: Counter::default(),
            alarms: Alarms::default(),
            ledger: ledger::Ledger::default(),
        }))
    }
}

/// One unit in flight; dropping it takes it back.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Registers everything under `content_`.
    pub fn register(&self, registry: &mut Registry) {
        let (all, f) = (registry.sub_registry_with_prefix("content"), &*self.0);
        all.register("outcomes", "Events ended, by account, outcome and class of reason", f.outcomes.clone());
        all.register(
            "handled_seconds",
            "From the event's arrival here to its published outcome",
            f.handled.clone(),
        );
        all.register("in_flight", "Events being handled", f.running.clone());
        all.register("lanes", "Users with work, running or waiting", f.lanes.clone());
        all.register("open", "Records from the mark to the newest taken", f.open.clone());
        all.register(
            "left_behind",
            "Of those, records of slow accounts that are read again when there is room",
            f.behind.clone(),
        );
        all.register(
            "lag",
            "Records in the topic that are not committed, by librdkafka's count",
            f.lag.clone(),
        );
        all.register("sends_in_flight", "Calls of custom/send under way", f.sends.clone());
        all.register("send_seconds", "Duration of custom/send", f.send_seconds.clone());
        all.register("fallbacks", "Replies made without something, by what was missing", f.fallbacks.clone());
        all.register("dlq", "Records set aside, by class", f.dlq.clone());
        f.accounts.register(all);
        all.register("playbook_refused", "Changed playbooks that were not taken", f.playbook_refused.clone());
        all.register("items_refused", "Catalogue records nobody can read", f.items_refused.clone());
        all.register("publish_waits", "Outcomes that Kafka did not take at once", f.publish_waits.clone());
        let refused = "Records held because Kafka refuses them: rights or settings of their topic are wrong";
        all.register("publish_refused", refused, f.publish_refused.clone());
        let pending = "Erasures that profile-service still owes, as this process saw them last";
        all.register("erasures_pending", pending, f.erasures_pending.clone());
        let refused = "Erasures that profile-service refused; they stay pending, and the log says what to do";
        all.register("erasures_refused", refused, f.erasures_refused.clone());
        all.register("panics", "Handlers that panicked; their events were set aside", f.panics.clone());
        all.register("repeats", "Events that came again when they had their outcome", f.repeats.clone());
        all.register("rebalances", "Partitions given up", f.rebalances.clone());
        f.alarms.register(all);
        f.ledger.register(all);
    }

    /// An event has its published outcome.
    pub fn ended(&self, reply: &Reply, took: Duration) {
        let outcome = reply.outcome().name();
        let reason = reason_class(&reply.reason);
        self.0.outcomes.get_or_create(&Ended { account: reply.account.clone(), outcome, reason }).inc();
        self.0.handled.observe(took.as_secs_f64());
    }

    /// How much is under way.
    pub fn under_way(&self, running: usize, lanes: usize) {
        self.0.running.set(i64::try_from(running).unwrap_or(i64::MAX));
        self.0.lanes.set(i64::try_from(lanes).unwrap_or(i64::MAX));
    }

    /// Records of a partition from the mark to the newest taken.
    pub fn open(&self, partition: i32, open: usize, behind: usize) {
        for (family, records) in [(&self.0.open, open), (&self.0.behind, behind)] {
            family
                .get_or_create(&PartitionLabel { partition })
                .set(i64::try_from(records).unwrap_or(i64::MAX));
        }
    }

    /// Records of a partition that are not committed.
    pub fn lag(&self, partition: i32, records: i64) {
        self.0.lag.get_or_create(&PartitionLabel { partition }).set(records);
    }

    /// A partition is no longer ours.
    pub fn partition_gone(&self, partition: i32) {
        self.0.rebalances.inc();
        self.0.open.remove(&PartitionLabel { partition });
        self.0.behind.remove(&PartitionLabel { partition });
        self.0.lag.remove(&PartitionLabel { partition });
    }

    /// A send is under way while this lives.
    #[must_use]
    pub fn sending(&self) -> InFlight {
        self.0.sends.inc();
        InFlight(self.0.sends.clone())
    }

    /// A send ended.
    pub fn sent(&self, took: Duration) {
        self.0.send_seconds.observe(took.as_secs_f64());
    }

    /// Something was missing: `profile`, `source`, `shown`, `erase`.
    pub fn fallback(&self, name: &str) {
        self.0.fallbacks.get_or_create(&Named { name: name.to_owned() }).inc();
    }

    /// A record was set aside.
    pub fn set_aside(&self, class: &str) {
        self.0.dlq.get_or_create(&Named { name: class.to_owned() }).inc();
    }

    /// What is counted of the accounts.
    #[must_use]
    pub fn accounts(&self) -> &AccountMetrics {
        &self.0.accounts
    }

    /// A changed playbook was not taken.
    pub fn playbook_refused(&self, account: &str) {
        self.0.playbook_refused.get_or_create(&Named { name: account.to_owned() }).inc();
    }

    /// A catalogue record nobody can read.
    pub fn item_refused(&self) {
        self.0.items_refused.inc();
    }

    /// Kafka did not take an outcome at once.
    pub fn publish_waits(&self) {
        self.0.publish_waits.inc();
    }

    /// How many records are held because Kafka refuses them.
    #[must_use]
    pub fn publish_refused(&self) -> Gauge {
        self.0.publish_refused.clone()
    }

    /// Erasures that are still to be done.
    pub fn erasures_pending(&self, owed: i64) {
        self.0.erasures_pending.set(owed);
    }

    /// profile-service refused an erasure.
    pub fn erasure_refused(&self) {
        self.0.erasures_refused.inc();
    }

    /// An event came again when it had its published outcome.
    pub fn repeated(&self) {
        self.0.repeats.inc();
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.0.panics.inc();
    }
}

/// The rule of a reason without the numbers in it, so that a label does not grow without bound; an errcode stays.
fn reason_class(reason: &str) -> String {
    let rule = reason.split([':', ';', ',']).next().unwrap_or_default();
    let numbers = |c: char| c.is_ascii_digit() && !rule.starts_with("errcode ");
    rule.split(numbers).next().unwrap_or_default().trim_end().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_the_rule_and_not_the_case() {
        let classes =
            ["errcode 45015", "account stopped until 2026-01-01 00:00: errcode 48001", "no right", ""];
        assert_eq!(classes.map(reason_class), ["errcode 45015", "account stopped until", "no right", ""]);
    }
}
