//! Learns from records: customers side by side, each customer's records in order, until all of them are done.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt as _, stream};
use prost::Message as _;
use proto::{activity::Activity, customer_key};
use rdkafka::message::{Message as _, OwnedMessage};
use runtime::kafka::Producer;
use tokio_util::sync::CancellationToken;

use super::aside;
use crate::{
    backoff::Backoff,
    metrics::Metrics,
    people::{Error, People},
};

/// Customers learned from at once.
const AT_ONCE: usize = 32;

pub(super) struct Learner {
    people: Arc<People>,
    pub(super) metrics: Metrics,
    producer: Producer,
    dlq: String,
    shutdown: CancellationToken,
}

/// Why a record is set aside.
struct Unusable {
    reason: &'static str,
    error: String,
}

/// The records of one customer by their index, with what they say.
type Lane = Vec<(usize, Result<Activity, Unusable>)>;

impl Learner {
    pub(super) fn new(
        people: Arc<People>,
        metrics: Metrics,
        producer: Producer,
        dlq: String,
        shutdown: CancellationToken,
    ) -> Self {
        Self { people, metrics, producer, dlq, shutdown }
    }

    /// Learns from all of `records` or sets them aside; false if the shutdown came first.
    pub(super) async fn all(&self, records: &[OwnedMessage]) -> bool {
        let lanes: Vec<_> = by_customer(records).into_iter().map(|lane| self.lane(records, lane)).collect();
        let learning = stream::iter(lanes).buffer_unordered(AT_ONCE).count();
        self.shutdown.run_until_cancelled(learning).await.is_some()
    }

    async fn lane(&self, records: &[OwnedMessage], lane: Lane) {
        for (index, read) in lane {
            self.one(&records[index], read).await;
        }
    }

    async fn one(&self, record: &OwnedMessage, read: Result<Activity, Unusable>) {
        let unusable = match read {
            Ok(activity) => match self.learn(&activity).await {
                Ok(outcome) => return self.metrics.activity(outcome),
                Err(unusable) => unusable,
            },
            Err(unusable) => unusable,
        };
        self.set_aside(record, &unusable).await;
        self.metrics.activity("set_aside");
    }

    /// Tries until the store has an answer.
    async fn learn(&self, activity: &Activity) -> Result<&'static str, Unusable> {
        let mut backoff = Backoff::new();
        loop {
            match self.people.record_activity(activity).await {
                Ok(recorded) if recorded.applied => return Ok("learned"),
                Ok(recorded) if recorded.version == 0 => return Ok("waiting"),
                Ok(_) => return Ok("repeated"),
                Err(error @ (Error::Invalid(_) | Error::Nobody)) => {
                    return Err(Unusable { reason: "incomplete", error: error.to_string() });
                }
                Err(error @ Error::Store(_)) => {
                    tracing::warn!(%error, "an activity cannot be learned now; trying again");
                    self.metrics.activity_retry();
                    backoff.wait().await;
                }
            }
        }
    }

    /// Tries until the broker has the record: it is never dropped.
    async fn set_aside(&self, record: &OwnedMessage, unusable: &Unusable) {
        let mut backoff = Backoff::new();
        let headers = aside::headers(record, unusable.reason, &unusable.error, self.people.now_ms());
        while let Err(error) = aside::set_aside(&self.producer, &self.dlq, record, headers.clone()).await {
            tracing::warn!(%error, topic = self.dlq, "a record cannot be set aside now; trying again");
            self.metrics.activity_retry();
            backoff.wait().await;
        }
        let (partition, offset) = (record.partition(), record.offset());
        tracing::warn!(partition, offset, error = unusable.error, "an activity was set aside");
    }
}

/// The records of each customer, by their index and in their order; what nobody can read follows the record key.
fn by_customer(records: &[OwnedMessage]) -> Vec<Lane> {
    let mut lanes: HashMap<Vec<u8>, Lane> = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        let read = Activity::decode(record.payload().unwrap_or_default());
        let read = read.map_err(|error| Unusable { reason: "protobuf", error: error.to_string() });
        let customer = read.as_ref().ok().and_then(|activity| customer_key(activity.customer.as_ref()?));
        let lane = customer.map_or_else(|| record.key().unwrap_or_default().to_vec(), String::into_bytes);
        lanes.entry(lane).or_default().push((index, read));
    }
    lanes.into_values().collect()
}
