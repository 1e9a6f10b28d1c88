//! What happens behind the phone: the last events and their outcomes, read from the topics like any other consumer does.

pub mod routes;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use prost::Message as _;
use proto::{event::Event, reply::Reply};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::BorrowedMessage,
};
use runtime::kafka::Kafka;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many events and how many outcomes are kept.
const KEPT: usize = 5_000;

/// The last events and outcomes. Clones share them.
#[derive(Clone, Debug)]
pub struct Backstage {
    seen: Arc<Mutex<Seen>>,
    records: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    events: VecDeque<Event>,
    replies: VecDeque<(u64, Reply)>,
}

/// The newest that is kept of a user.
#[derive(Clone, Debug)]
pub struct Newest {
    /// Outcomes with their events, newest last.
    pub told: Vec<(Option<Event>, Reply)>,
    /// What ended before this is no longer kept, Unix milliseconds; 0: nothing has been left out.
    pub kept_since_ms: i64,
}

/// A moment in the stream of events and outcomes.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Backstage {
    /// Reads both topics from their present ends on.
    ///
    /// # Errors
    /// Kafka cannot be reached.
    pub async fn open(kafka: &Kafka) -> Result<(Self, StreamConsumer)> {
        let kafka = kafka.clone();
        let consumer = tokio::task::spawn_blocking(move || at_the_ends(&kafka)).await??;
        Ok((Self { seen: Arc::default(), records: watch::Sender::new(0) }, consumer))
    }

    /// Keeps reading until `shutdown`.
    ///
    /// # Errors
    /// None today; a record that cannot be read is left out.
    pub async fn watch(self, consumer: StreamConsumer, shutdown: CancellationToken) -> Result<()> {
        while let Some(received) = shutdown.run_until_cancelled(consumer.recv()).await {
            match received {
                Ok(record) => self.take(&record),
                Err(error) => tracing::warn!(%error, "the backstage cannot read now"),
            }
        }
        Ok(())
    }

    /// The present moment.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(*self.records.borrow())
    }

    /// Waits for the first `count` outcomes of a user after a moment.
    pub async fn outcomes(&self, after: Mark, openid: &str, count: usize) -> Vec<Reply> {
        let mut changes = self.records.subscribe();
        loop {
            changes.mark_unchanged();
            let found = self.replies_of(openid, after);
            if found.len() >= count || changes.changed().await.is_err() {
                return found.into_iter().take(count).collect();
            }
        }
    }

    /// Waits for an event; another partition than its outcome's may bring it later than that.
    pub async fn event(&self, id: &str) -> Option<Event> {
        let mut changes = self.records.subscribe();
        loop {
            changes.mark_unchanged();
            let found = self.event_of(id);
            if found.is_some() || changes.changed().await.is_err() {
                return found;
            }
        }
    }

    /// The last outcomes of a user with their events, newest last.
    #[must_use]
    pub fn story_of(&self, openid: &str) -> Vec<(Option<Event>, Reply)> {
        let replies = self.replies_of(openid, Mark(0));
        replies.into_iter().map(|reply| (self.event_of(&reply.event_id), reply)).collect()
    }

    /// The newest `most` of them.
    #[must_use]
    pub fn newest_of(&self, openid: &str, most: usize) -> Newest {
        let mut told = self.story_of(openid);
        let left_out = told.len().saturating_sub(most);
        told.drain(..left_out);
        let oldest =
            if left_out > 0 { told.first().map(|(_, reply)| reply.ended_at_ms) } else { self.forgotten() };
        Newest { told, kept_since_ms: oldest.unwrap_or(0) }
    }

    /// The end of the oldest outcome that is kept, once others have been forgotten.
    fn forgotten(&self) -> Option<i64> {
        let seen = self.lock();
        seen.replies.front().filter(|_| seen.replies.len() == KEPT).map(|(_, reply)| reply.ended_at_ms)
    }

    fn event_of(&self, id: &str) -> Option<Event> {
        self.lock().events.iter().rev().find(|event| event.id == id).cloned()
    }

    fn replies_of(&self, openid: &str, after: Mark) -> Vec<Reply> {
        let seen = self.lock();
        let of_user =
            seen.replies.iter().filter(|(number, reply)| *number > after.0 && reply.openid == openid);
        of_user.map(|(_, reply)| reply.clone()).collect()
    }

    fn take(&self, record: &BorrowedMessage<'_>) {
        let value = record.payload().unwrap_or_default();
        let number = *self.records.borrow() + 1;
        if record.topic().ends_with(proto::EVENTS.name) {
            let Ok(event) = Event::decode(value) else { return };
            keep(&mut self.lock().events, event);
        } else {
            let Ok(reply) = Reply::decode(value) else { return };
            keep(&mut self.lock().replies, (number, reply));
        }
        self.records.send_replace(number);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<T>(ring: &mut VecDeque<T>, value: T) {
    if ring.len() == KEPT {
        ring.pop_front();
    }
    ring.push_back(value);
}

fn at_the_ends(kafka: &Kafka) -> Result<StreamConsumer> {
    let consumer: StreamConsumer = kafka.consumer("backstage", &[("fetch.wait.max.ms", "10")])?;
    let timeout = std::time::Duration::from_secs(5);
    let mut ends = TopicPartitionList::new();
    for topic in [proto::EVENTS, proto::REPLIES].map(|topic| kafka.topic(topic.name)) {
        let metadata = consumer.fetch_metadata(Some(&topic), timeout).context("kafka does not answer")?;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            let (_, end) = consumer.fetch_watermarks(&topic, partition.id(), timeout)?;
            ends.add_partition_offset(&topic, partition.id(), Offset::Offset(end))?;
        }
    }
    consumer.assign(&ends)?;
    Ok(consumer)
}
