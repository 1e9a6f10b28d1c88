//! Counts that should stay at nought: what was lost, what is blocked.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Metrics, Named, PartitionLabel};

/// Part of [`Metrics`].
#[derive(Debug, Default)]
pub(super) struct Alarms {
    blocked: Family<Named, Counter>,
    offset_resets: Counter,
    lost: Family<PartitionLabel, Counter>,
    partitions_changed: Counter,
}

impl Alarms {
    pub(super) fn register(&self, all: &mut Registry) {
        let blocked = "Events, threads and loops that the watchdog found blocked; the process ends";
        all.register("blocked", blocked, self.blocked.clone());
        let resets = "Times that a partition did not go on where it was expected to";
        all.register("offset_reset", resets, self.offset_resets.clone());
        let lost = "Events that retention deleted before they were handled";
        all.register("events_lost_to_retention", lost, self.lost.clone());
        let changed = "Times that the number of partitions changed, which moves users to other partitions";
        all.register("partitions_changed", changed, self.partitions_changed.clone());
    }
}

impl Metrics {
    /// The watchdog found something blocked: `event`, `thread`, `consumer`.
    pub fn blocked(&self, what: &str) {
        self.0.alarms.blocked.get_or_create(&Named { name: what.to_owned() }).inc();
    }

    /// A partition does not go on where it was expected to.
    pub fn offset_reset(&self) {
        self.0.alarms.offset_resets.inc();
    }

    /// So many events were deleted before they were handled.
    pub fn lost_to_retention(&self, partition: i32, events: u64) {
        self.0.alarms.lost.get_or_create(&PartitionLabel { partition }).inc_by(events);
    }

    /// The number of partitions has changed.
    pub fn partitions_changed(&self) {
        self.0.alarms.partitions_changed.inc();
    }
}
