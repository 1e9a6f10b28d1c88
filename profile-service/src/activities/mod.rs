//! The topic `customer.activity.v1`: what customers did elsewhere, learned in the order of each customer's records.
//!
//! Records are taken in batches: customers side by side, the records of one customer one after the other. The offsets
//! of a batch are stored when all of it is learned or set aside, so nothing is lost; what is read again after a crash
//! is recognised by its id. While the store is away the batch is tried again and the partitions are paused.

mod batch;
mod learner;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use rdkafka::{
    ClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Message as _, OwnedMessage},
};
use runtime::kafka::{self, Kafka, Patient, Producer, Rounds};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, people::People};
use learner::Learner;

/// Name of the group.
pub const GROUP: &str = "profile-service";
/// How often offsets are committed.
const COMMIT: Duration = Duration::from_millis(500);
/// A batch that takes longer holds the partitions: they are paused, and the group still hears from this member.
const HELD: Duration = Duration::from_secs(1);

/// Hears what happens to this member of the group.
#[derive(Default)]
struct Member {
    /// Said that the topic cannot be read, and not yet that it can again.
    away: AtomicBool,
    rounds: Rounds,
}

impl Member {
    /// Says once that the topic cannot be read, and once that it can: while the cluster is away, errors come by the dozen.
    fn reads(&self, failed: Option<&KafkaError>) {
        if self.away.swap(failed.is_some(), Ordering::Relaxed) != failed.is_some() {
            match failed {
                Some(error) => tracing::warn!(%error, "activities cannot be read now"),
                None => tracing::info!("activities can be read again"),
            }
        }
    }
}

impl ClientContext for Member {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "activities");
    }
}

/// Commits what is learned before partitions go to another member.
impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.rounds.hear(rebalance);
        let Rebalance::Revoke(partitions) = rebalance else { return };
        if !consumer.assignment_lost() {
            kafka::blocking(|| committed(consumer.commit_consumer_state(CommitMode::Sync)));
        }
        // librdkafka remembers a pause of ours beyond the assignment: the partition would stay silent when it comes back.
        if let Err(error) = consumer.resume(partitions) {
            tracing::warn!(%error, "a partition that is given up could not be resumed");
        }
    }
}

impl kafka::HearsRebalances for Member {
    fn rounds(&self) -> &Rounds {
        &self.rounds
    }
}

type Consumer = StreamConsumer<Member>;

/// Learns from the topic until `shutdown`. While the cluster is away it waits.
///
/// # Errors
/// librdkafka refused the settings, or the member is broken for good and the process has to start again.
pub(crate) async fn consume(
    kafka: Kafka,
    producer: Producer,
    people: Arc<People>,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (group, topic) = (kafka.group(GROUP), kafka.topic(proto::ACTIVITY.name));
    let consumer: Consumer =
        kafka.consumer_with(GROUP, &[], Member::default()).context("activities consumer")?;
    consumer.subscribe(&[&topic]).context("subscribe to activities")?;
    let patient = Patient::new(producer, metrics.publish_refused(), None);
    let learner = Learner::new(people, metrics, patient, kafka.topic(proto::DLQ.name), shutdown.clone());
    let ended = follow(&consumer, &learner, &shutdown).await;
    if kafka::last(kafka::LEAVE, move || close(consumer, &group, &topic)).await.is_none() {
        tracing::warn!("the group of the activities was not left in time");
    }
    ended
}

/// Commits what is learned and leaves the group. Blocks the thread.
fn close(consumer: Consumer, group: &str, topic: &str) {
    kafka::leave(consumer, group, topic, |consumer| {
        committed(consumer.commit_consumer_state(CommitMode::Sync));
    });
}

async fn follow(consumer: &Consumer, learner: &Learner, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut commits = tokio::time::interval_at(Instant::now() + COMMIT, COMMIT);
    commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut carried = VecDeque::new();
    loop {
        let records = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = commits.tick() => {
                committed(consumer.commit_consumer_state(CommitMode::Async));
                continue;
            }
            records = batch::next(consumer, &mut carried) => records?,
        };
        if learn_all(consumer, learner, &records, &mut carried).await? {
            store_offsets(consumer, &records);
        }
    }
}

/// Learns from a batch; false if the shutdown came first.
async fn learn_all(
    consumer: &Consumer,
    learner: &Learner,
    records: &[OwnedMessage],
    carried: &mut VecDeque<OwnedMessage>,
) -> Result<bool, KafkaError> {
    let mut learning = std::pin::pin!(learner.all(records));
    if let Ok(learned) = tokio::time::timeout(HELD, &mut learning).await {
        return Ok(learned);
    }
    tracing::warn!(records = records.len(), "activities are held until they can be learned");
    consumer.pause(&consumer.assignment()?)?;
    learner.metrics.activities_held(true);
    let learned = loop {
        tokio::select! {
            learned = &mut learning => break learned,
            record = batch::one(consumer) => {
                // Newly assigned partitions are not paused yet.
                carried.extend(record?);
                consumer.pause(&consumer.assignment()?)?;
            }
        }
    };
    consumer.resume(&consumer.assignment()?)?;
    learner.metrics.activities_held(false);
    Ok(learned)
}

/// Offsets of partitions that have gone to another member are refused, which is as it should be.
fn store_offsets(consumer: &Consumer, records: &[OwnedMessage]) {
    for record in records {
        if let Err(error) = consumer.store_offset(record.topic(), record.partition(), record.offset()) {
            tracing::info!(%error, partition = record.partition(), "an offset now belongs to another member");
        }
    }
}

/// A commit that failed is repeated by the next one.
fn committed(result: Result<(), KafkaError>) {
    match result {
        Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        Err(error) => tracing::warn!(%error, "offsets of activities are not committed yet"),
    }
}
