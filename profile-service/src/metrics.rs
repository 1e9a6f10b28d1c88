//! Every metric of the service, under `profile_`.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};

use crate::people::People;

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    code: &'static str,
}

/// A method.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

/// What became of a record of `customer.activity.v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// The metrics. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    calls: Family<Call, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    activities: Family<Ended, Counter>,
    activity_retries: Counter,
    activities_held: Gauge,
    publish_refused: Gauge,
    store_ready: Gauge,
}

impl Metrics {
    /// Puts the metrics into `registry`, the store's round trips among them.
    pub(crate) fn register(registry: &mut Registry, people: Arc<People>) -> Self {
        let metrics = Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(call_seconds),
            activities: Family::default(),
            activity_retries: Counter::default(),
            activities_held: Gauge::default(),
            publish_refused: Gauge::default(),
            store_ready: Gauge::default(),
        };
        let profile = registry.sub_registry_with_prefix("profile");
        profile.register("calls", "Answered gRPC requests by method and code", metrics.calls.clone());
        profile.register("call_seconds", "Time to answer a gRPC request", metrics.seconds.clone());
        profile.register(
            "activities",
            "Records of the activities topic by outcome",
            metrics.activities.clone(),
        );
        let retries = "Tries that had to be repeated because store or broker were away";
        profile.register("activity_retries", retries, metrics.activity_retries.clone());
        let held = "1 while the activities topic is paused because nothing can be learned";
        profile.register("activities_held", held, metrics.activities_held.clone());
        let refused = "Records held because Kafka refuses them: rights or settings of their topic are wrong";
        profile.register("publish_refused", refused, metrics.publish_refused.clone());
        profile.register("store_ready", "1 while Redis answers", metrics.store_ready.clone());
        profile.register_collector(Box::new(Trips(people)));
        metrics
    }

    /// A gRPC call has ended.
    pub(crate) fn call(&self, method: &'static str, code: &'static str, took: Duration) {
        self.calls.get_or_create(&Call { method, code }).inc();
        self.seconds.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// A record of the activities topic is done: `learned`, `repeated`, `waiting` or `set_aside`.
    pub(crate) fn activity(&self, outcome: &'static str) {
        self.activities.get_or_create(&Ended { outcome }).inc();
    }

    /// A record of the activities topic has to be tried again.
    pub(crate) fn activity_retry(&self) {
        self.activity_retries.inc();
    }

    /// The activities topic is paused, or no longer.
    pub(crate) fn activities_held(&self, held: bool) {
        self.activities_held.set(held.into());
    }

    /// How many records are held because Kafka refuses them.
    pub(crate) fn publish_refused(&self) -> Gauge {
        self.publish_refused.clone()
    }

    /// Redis answers, or does not.
    pub(crate) fn store_ready(&self, ready: bool) {
        self.store_ready.set(ready.into());
    }
}

fn call_seconds() -> Histogram {
    Histogram::new([0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 1.0])
}

/// Reads the round trips where they are counted.
struct Trips(Arc<People>);

impl fmt::Debug for Trips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trips")
    }
}

impl Collector for Trips {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let trips = ConstCounter::new(self.0.store().trips());
        let help = "Round trips to Redis";
        let metric = encoder.encode_descriptor("redis_round_trips", help, None, trips.metric_type())?;
        trips.encode(metric)
    }
}
