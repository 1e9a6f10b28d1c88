//! Learns from records: customers side by side, each customer's records in order, until all of them are done.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use prost::Message as _;
use proto::{DeadLetter, activity::Activity, customer_key};
use rdkafka::message::{Message as _, OwnedMessage};
use runtime::{backoff::Backoff, kafka::Patient};
use tokio_util::sync::CancellationToken;

use crate::{
    metrics::Metrics,
    people::{Error, People},
};

/// Customers learned from at once.
const AT_ONCE: usize = 32;

pub(super) struct Learner {
    people: Arc<People>,
    pub(super) metrics: Metrics,
    patient: Patient,
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
        patient: Patient,
        dlq: String,
        shutdown: CancellationToken,
    ) -> Self {
        Self { people, metrics, patient, dlq, shutdown }
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
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
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
        let at_ms = self.people.now_ms();
        let headers = |left_out, attempts| {
            let letter = DeadLetter {
                reason: unusable.reason,
                error: &unusable.error,
                topic: record.topic(),
                partition: record.partition(),
                offset: record.offset(),
                at_ms,
                attempts,
                left_out,
                value_bytes: record.payload().map_or(0, <[u8]>::len),
            };
            letter.headers()
        };
        let Ok(()) = self.patient.copy(&self.dlq, record, headers, |time| self.wait(time)).await;
        let (partition, offset) = (record.partition(), record.offset());
        tracing::warn!(partition, offset, error = unusable.error, "an activity was set aside");
    }

    fn wait(&self, time: Duration) -> impl Future<Output = Result<(), Infallible>> + use<> {
        self.metrics.activity_retry();
        async move {
            tokio::time::sleep(time).await;
            Ok(())
        }
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
