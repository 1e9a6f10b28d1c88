//! The shell around [`Intake`]: takes records from Kafka, runs them, pauses and commits.

mod behind;
mod leave;
mod partitions;
mod rebalance;

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures::FutureExt as _;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer, StreamConsumer},
    error::KafkaResult,
    message::BorrowedMessage,
};
use runtime::kafka::{Kafka, Rounds};
use tokio::{
    sync::{
        Semaphore,
        mpsc::{self, UnboundedSender},
    },
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    handle::Rooms,
    intake::{Intake, Jump, Next, Work},
    metrics::Metrics,
    record::Record,
    watchdog::Signs,
};
use rebalance::Rebalancing;

/// The consumer group.
pub const GROUP: &str = "content-service";
/// How often the marks that have moved are committed.
const COMMIT: Duration = Duration::from_millis(500);
/// Every so many times without a rebalance all marks are committed: the client never tells that a commit has failed, as it does in
/// the middle of a rebalance. A commit then would also start the next rebalance.
const ALL_MARKS: u32 = 12;

/// What is said of records that are gone before they were read.
const RETENTION: &str =
    "events are lost: retention deleted them before they were handled; raise retention.ms of the topic";

/// What the consuming loop, the handlers and the rebalances share.
struct Shared {
    kafka: Kafka,
    group: String,
    topic: String,
    intake: Mutex<Intake>,
    readers: Arc<Semaphore>,
    /// Told whenever work has ended.
    ended: Condvar,
    resume: UnboundedSender<i32>,
    /// Commits since the last rebalance.
    quiet: AtomicU32,
    rounds: Rounds,
    partitions: partitions::Seen,
    signs: Signs,
    rooms: Arc<Rooms>,
    drain: Duration,
    /// Once the member leaves, no drain lasts longer.
    drained_by: OnceLock<Instant>,
    metrics: Metrics,
}

/// Consumes `topic` until `shutdown`, then drains, commits and leaves the group. The loop gives a sign of life every half second, a
/// record under way with each poll of its work.
///
/// # Errors
/// librdkafka refused the settings, or the group has put this member out for good.
pub async fn consume(
    kafka: &Kafka,
    topic: &str,
    intake: Intake,
    rooms: Arc<Rooms>,
    signs: Signs,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (resume, mut resumed) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared {
        kafka: kafka.clone(),
        group: kafka.group(GROUP),
        topic: topic.to_owned(),
        intake: Mutex::new(intake),
        readers: Arc::new(Semaphore::new(behind::READERS)),
        ended: Condvar::new(),
        resume,
        quiet: AtomicU32::new(0),
        rounds: Rounds::default(),
        partitions: partitions::Seen::default(),
        signs,
        drain: rooms.terms.drain,
        drained_by: OnceLock::new(),
        metrics: rooms.metrics.clone(),
        rooms,
    });
    let extra = [("statistics.interval.ms", "5000")];
    let consumer = kafka
        .consumer_with(GROUP, &extra, Rebalancing(Arc::clone(&shared)))
        .context("the consumer cannot be made")?;
    consumer.subscribe(&[topic]).context("the events topic cannot be subscribed to")?;
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(shared.comparing()));
    let mut commits = tokio::time::interval(COMMIT);
    commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            _ = commits.tick() => {
                shared.signs.turned();
                let quiet = shared.quiet.fetch_add(1, Ordering::Relaxed) + 1;
                shared.commit(&consumer, quiet.is_multiple_of(ALL_MARKS));
            }
            Some(partition) = resumed.recv() => told(consumer.resume(&shared.list(&[(partition, None)])), "resume"),
            received = consumer.recv() => match received {
                Ok(message) => shared.take(&consumer, &message),
                Err(error) => {
                    if let Some((code, why)) = consumer.client().fatal_error() {
                        bail!("the group has put this member out for good ({code}): {why}");
                    }
                    tracing::warn!(%error, "no records from kafka now");
                }
            },
        }
    }
    shared.signs.rests();
    leave::leave(shared, consumer).await;
    Ok(())
}

impl Shared {
    fn take(self: &Arc<Self>, consumer: &StreamConsumer<Rebalancing>, message: &BorrowedMessage<'_>) {
        fail::fail_point!("c1", |_| std::process::abort());
        let record = Record::read(message.detach());
        fail::fail_point!("c2", |_| std::process::abort());
        let accounts = &self.rooms.accounts;
        let account = accounts.get(record.app_id()).map_or(accounts.len(), |account| account.index);
        let next = self.intake().take(account, message.partition(), message.offset(), record);
        if let Some(jump) = next.jump {
            self.jumped(message.partition(), message.offset(), jump);
        }
        if let Some(partition) = next.pause {
            told(consumer.pause(&self.list(&[(partition, None)])), "pause");
        }
        self.start(next);
    }

    fn comparing(&self) -> impl Future<Output = Option<Infallible>> + Send + 'static {
        let (ledger, metrics) = (self.rooms.ledger.clone(), self.metrics.clone());
        partitions::compare(self.partitions.subscribe(), self.topic.clone(), ledger, metrics)
    }

    fn jumped(&self, partition: i32, offset: i64, jump: Jump) {
        self.metrics.offset_reset();
        match jump {
            Jump::Back => {
                tracing::warn!(
                    partition,
                    offset,
                    "the partition was rewound: records are read again from here"
                );
            }
            Jump::Over(count) => {
                lost(&self.metrics, partition, offset, count);
            }
        }
    }

    /// Runs a piece of work, and then whatever may start because it has ended.
    async fn run(self: Arc<Self>, work: Work) {
        let mut work = work;
        loop {
            let handling = survived(Box::pin(self.rooms.work(&work)));
            let done = self.signs.watched(work.partition, work.offset, handling).await;
            let mut next = self.intake().finish(&work, done);
            self.ended.notify_all();
            let own = next.start.pop();
            self.start(next);
            match own {
                Some(own) => work = own,
                None => return,
            }
        }
    }

    fn start(self: &Arc<Self>, next: Next) {
        for partition in next.resume {
            // Only at the very end nobody listens any more, and then nothing is to be resumed.
            self.resume.send(partition).unwrap_or_default();
        }
        for work in next.start {
            tokio::spawn(Arc::clone(self).run(work));
        }
        if let Some(reader) = next.behind {
            tokio::spawn(Arc::clone(self).follow(reader));
        }
    }

    fn commit(&self, consumer: &StreamConsumer<Rebalancing>, all: bool) {
        let moved = {
            let mut intake = self.intake();
            if all {
                intake.commit_again();
            }
            let (running, lanes) = intake.under_way();
            self.metrics.under_way(running, lanes);
            self.metrics.ledger_trips(self.rooms.ledger.trips());
            intake.open().for_each(|(partition, open, behind)| self.metrics.open(partition, open, behind));
            intake.moved()
        };
        if !moved.is_empty() {
            fail::fail_point!("c11", |_| std::process::abort());
            told(consumer.commit(&self.offsets(&moved), CommitMode::Async), "commit");
        }
    }

    /// Commits the last marks of partitions. Blocks the thread.
    fn commit_last(&self, consumer: &impl Consumer<Rebalancing>, marks: &[(i32, i64)]) {
        if !marks.is_empty() {
            told(consumer.commit(&self.offsets(marks), CommitMode::Sync), "last commit");
        }
    }

    /// Blocks until nothing of these partitions runs any more, or the drain's time is over.
    fn drain(&self, partitions: &[i32]) -> bool {
        self.intake().stop(partitions);
        let left = self.drained_by.get().map(|ends| ends.saturating_duration_since(Instant::now()));
        let within = left.unwrap_or(self.drain);
        let waited = self.ended.wait_timeout_while(self.intake(), within, |intake| !intake.idle(partitions));
        let (intake, _) = waited.unwrap_or_else(PoisonError::into_inner);
        intake.idle(partitions)
    }

    fn offsets(&self, marks: &[(i32, i64)]) -> TopicPartitionList {
        let marks: Vec<_> = marks.iter().map(|(partition, offset)| (*partition, Some(*offset))).collect();
        self.list(&marks)
    }

    fn list(&self, partitions: &[(i32, Option<i64>)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (partition, offset) in partitions {
            let offset = offset.map_or(Offset::Invalid, Offset::Offset);
            told(list.add_partition_offset(&self.topic, *partition, offset), "list");
        }
        list
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether work has come to its outcome. Its panics are made outcomes where it is done; should even that panic, the record stays
/// uncommitted for its next reader, and neither its lane nor the process ends with it.
async fn survived(work: impl Future<Output = bool>) -> bool {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(
            "setting a record aside panicked: it is not committed, and comes again after a restart"
        );
        false
    })
}

/// Records are gone before they were handled, the first of them at `offset` or shortly before it.
fn lost(metrics: &Metrics, partition: i32, offset: i64, count: u64) {
    metrics.lost_to_retention(partition, count);
    tracing::error!(partition, offset, lost = count, "{RETENTION}");
}

/// What librdkafka refuses here shows again with the next try, or costs a redelivery that the ledger absorbs.
fn told(result: KafkaResult<()>, what: &'static str) {
    if let Err(error) = result {
        tracing::warn!(%error, what, "kafka refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_work_without_an_outcome() {
        assert!(survived(async { true }).await);
        assert!(!survived(async { panic!("a defect") }).await);
    }
}
