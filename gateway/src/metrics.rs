//! What the gateway counts; the names of all its metrics stand here.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Account and how the request ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Ending {
    /// Name of the account, or `unknown`.
    pub(crate) account: String,
    /// `accepted`, `unreadable`, a kind of refusal, or what was wrong with Kafka.
    pub(crate) result: &'static str,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Named {
    pub(crate) account: String,
}

/// All metrics of the gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Pushes and URL verifications by how they ended.
    pub(crate) pushes: Family<Ending, Counter>,
    /// Opened links by how they ended.
    pub(crate) clicks: Family<Ending, Counter>,
    /// Changes of tokens and keys in their files by what came of them.
    pub(crate) rotations: Family<Ending, Counter>,
    /// 1 while what stands in the files of an account's tokens and keys cannot be used.
    pub(crate) secrets_unusable: Family<Named, Gauge>,
    /// From handing an event to the producer to the broker's report.
    pub(crate) produce_seconds: Histogram,
    /// Pushes being handled.
    pub(crate) in_flight: Gauge,
    /// Open connections of the public port.
    pub(crate) connections: Gauge,
    /// Failed `accept` calls that were this process' own fault.
    pub(crate) accept_errors: Counter,
    /// Items that links can lead to.
    pub(crate) items: Gauge,
    /// Refusals that were held back because their source has sent too many.
    pub(crate) held_back: Counter,
    /// Refusals that were the last answer of their connection, since too many were held back already.
    pub(crate) refusals_closed: Counter,
    /// Connections closed without an answer, since all places were taken.
    pub(crate) crowded_out: Counter,
    /// The spool.
    pub(crate) spool: SpoolMetrics,
}

/// What is counted of the spool.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpoolMetrics {
    /// Events that wait.
    pub(crate) records: Count,
    /// Bytes of its files.
    pub(crate) bytes: Count,
    /// For how many seconds the oldest has waited.
    pub(crate) oldest_seconds: Count,
    /// Events put into it.
    pub(crate) appended: Counter,
    /// Events of it that Kafka has reported.
    pub(crate) drained: Counter,
    /// Records that the disk does not give back as they were.
    pub(crate) damaged: Counter,
    /// Records left for a person while draining: not readable any more, or refused by Kafka for good.
    pub(crate) set_aside: Counter,
}

/// A gauge that is never negative.
type Count = Gauge<u64, AtomicU64>;

impl SpoolMetrics {
    fn register(&self, gateway: &mut Registry) {
        let spool = gateway.sub_registry_with_prefix("spool");
        spool.register("records", "Events that wait for Kafka", self.records.clone());
        spool.register("bytes", "Bytes of the spool's files", self.bytes.clone());
        let oldest = self.oldest_seconds.clone();
        spool.register("oldest_age_seconds", "For how long the oldest event has waited", oldest);
        spool.register("appended", "Events put into the spool", self.appended.clone());
        spool.register("drained", "Events of the spool that Kafka has reported", self.drained.clone());
        spool.register("damaged", "Records that the disk does not give back", self.damaged.clone());
        spool.register("set_aside", "Records left for a person", self.set_aside.clone());
    }
}

impl Metrics {
    /// Makes them and names them in `registry`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            pushes: Family::default(),
            clicks: Family::default(),
            rotations: Family::default(),
            secrets_unusable: Family::default(),
            produce_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            accept_errors: Counter::default(),
            items: Gauge::default(),
            held_back: Counter::default(),
            refusals_closed: Counter::default(),
            crowded_out: Counter::default(),
            spool: SpoolMetrics::default(),
        };
        let gateway = registry.sub_registry_with_prefix("gateway");
        gateway.register("pushes", "Pushes and URL verifications by how they ended", metrics.pushes.clone());
        gateway.register("clicks", "Opened links by how they ended", metrics.clicks.clone());
        let rotations = metrics.rotations.clone();
        gateway.register("rotations", "Changed tokens and keys, taken over or refused", rotations);
        let unusable = metrics.secrets_unusable.clone();
        gateway.register("secrets_unusable", "1: what stands in their files cannot be used", unusable);
        let produce = metrics.produce_seconds.clone();
        gateway.register("produce_seconds", "Producer to the broker's report", produce);
        gateway.register("pushes_in_flight", "Pushes being handled", metrics.in_flight.clone());
        gateway.register("connections", "Open connections of the public port", metrics.connections.clone());
        gateway.register("accept_errors", "Failed accepts", metrics.accept_errors.clone());
        gateway.register("items", "Items that links can lead to", metrics.items.clone());
        gateway.register("refusals_held_back", "Refusals held back", metrics.held_back.clone());
        let closed = metrics.refusals_closed.clone();
        gateway.register("refusals_closed", "Refusals with which their connection was closed", closed);
        let crowded_out = metrics.crowded_out.clone();
        gateway.register("connections_crowded_out", "Connections closed for want of places", crowded_out);
        metrics.spool.register(gateway);
        metrics
    }

    /// The counter of pushes of one account that ended one way.
    pub(crate) fn push(&self, account: &str, result: &'static str) -> Counter {
        self.pushes.get_or_create_owned(&Ending { account: account.to_owned(), result })
    }

    /// Counts an opened link.
    pub(crate) fn click(&self, account: &str, result: &'static str) {
        self.clicks.get_or_create(&Ending { account: account.to_owned(), result }).inc();
    }

    /// Changes of an account's tokens and keys that ended so.
    pub(crate) fn rotation(&self, account: &str, result: &'static str) -> Counter {
        self.rotations.get_or_create_owned(&Ending { account: account.to_owned(), result })
    }

    /// Whether the files of an account's tokens and keys cannot be used.
    pub(crate) fn secrets_unusable(&self, account: &str) -> Gauge {
        self.secrets_unusable.get_or_create_owned(&Named { account: account.to_owned() })
    }
}

/// One more in a gauge for as long as it lives: early returns, panics and cancelled requests give it back too.
#[derive(Debug)]
pub(crate) struct Held(Gauge);

impl Held {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}
