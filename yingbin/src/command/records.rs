//! Records of one topic: from its beginning or from its end, with the end that was seen at the start.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{anyhow, bail};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::KafkaError,
    message::OwnedMessage,
};
use runtime::kafka::Kafka;

const PATIENCE: Duration = Duration::from_secs(5);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Beginning,
    End,
}

/// A topic that is being read, without a group: nobody else's reading is disturbed, nothing is committed.
pub(super) struct Records {
    consumer: Arc<StreamConsumer>,
    /// Partitions whose end has not been reached yet.
    unfinished: BTreeSet<i32>,
    /// Records between beginning and end when it was opened; gaps of compaction are counted too.
    pub(super) total: u64,
    pub(super) partitions: usize,
}

impl Records {
    /// Opens `topic` (full name). When this returns, every record written from now on will be read.
    pub(super) async fn open(kafka: &Kafka, topic: &str, start: Start) -> anyhow::Result<Self> {
        let consumer = Arc::new(kafka.consumer("yingbin", &[("enable.partition.eof", "true")])?);
        let (asking, name) = (Arc::clone(&consumer), topic.to_owned());
        let bounds = tokio::task::spawn_blocking(move || bounds(&asking, &name)).await?;
        let bounds = bounds.map_err(|error| anyhow!("Kafka at {}: {error}", kafka.bootstrap))?;
        if bounds.is_empty() {
            bail!("Kafka at {} has no topic {topic}: `yingbin topics create` creates it", kafka.bootstrap);
        }
        let mut assignment = TopicPartitionList::new();
        for Bounds { partition, low, high } in &bounds {
            let from = if start == Start::Beginning { *low } else { *high };
            assignment.add_partition_offset(topic, *partition, Offset::Offset(from))?;
        }
        consumer.assign(&assignment)?;
        let filled = bounds.iter().filter(|bounds| bounds.high > bounds.low);
        let unfinished = filled.clone().map(|bounds| bounds.partition).collect();
        let total = filled.map(|bounds| bounds.high.abs_diff(bounds.low)).sum();
        Ok(Self { consumer, unfinished, total, partitions: bounds.len() })
    }

    /// The next record, waiting for it as long as it takes. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<OwnedMessage, KafkaError> {
        loop {
            match self.consumer.recv().await {
                Err(KafkaError::PartitionEOF(_)) => {}
                received => return received.map(|record| record.detach()),
            }
        }
    }

    /// The next record; `None` when every partition has been read to its end.
    pub(super) async fn next_before_end(&mut self) -> Result<Option<OwnedMessage>, KafkaError> {
        while !self.unfinished.is_empty() {
            match self.consumer.recv().await {
                Ok(record) => return Ok(Some(record.detach())),
                Err(KafkaError::PartitionEOF(partition)) => {
                    self.unfinished.remove(&partition);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

struct Bounds {
    partition: i32,
    low: i64,
    high: i64,
}

/// First offset and end of each partition; empty if there is no such topic. Blocks.
fn bounds(consumer: &StreamConsumer, topic: &str) -> Result<Vec<Bounds>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    partitions
        .map(|partition| {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
            Ok(Bounds { partition: partition.id(), low, high })
        })
        .collect()
}
