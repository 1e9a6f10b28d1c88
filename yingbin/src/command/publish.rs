//! Many records into one topic, each reported by the broker before the end.

use std::{borrow::Cow, collections::VecDeque};

use rdkafka::error::KafkaError;
use runtime::kafka::{Delivery, Kafka, ProduceError, Producer};

use super::progress;

/// Records under way at a time: enough to fill batches, few enough to stay below every timeout.
const UNDER_WAY: usize = 2_000;

/// Why not everything was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The settings of the Kafka client are refused.
    #[error("Kafka cannot be used so: {0}")]
    Settings(#[from] KafkaError),
    /// The broker did not take one.
    #[error("{taken} of {total} were taken, then: {source}; publishing the file again does no harm")]
    NotTaken {
        /// Records that are in the topic for certain.
        taken: u64,
        /// Records in all.
        total: u64,
        /// What the producer says.
        source: ProduceError,
    },
}

/// A record to be written.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) key: Vec<u8>,
    pub(super) headers: Vec<(&'static str, Cow<'a, str>)>,
    /// `None`: a tombstone.
    pub(super) payload: Option<Vec<u8>>,
}

/// Writes all and waits for every report; returns their number. Cut off, some are written and some are not.
///
/// # Errors
/// The first record that was not taken; those after it may be missing.
pub(super) async fn all<'a>(
    kafka: &Kafka,
    topic: &str,
    what: &'static str,
    records: impl ExactSizeIterator<Item = Outgoing<'a>>,
) -> Result<u64, PublishError> {
    let total = records.len() as u64;
    let bar = progress::bar(total, what);
    let mut flight = Flight { producer: kafka.producer("yingbin")?, under_way: VecDeque::new(), taken: 0 };
    let topic = kafka.topic(topic);
    for record in records {
        flight.add(&topic, &record).await.map_err(|source| flight.failure(total, source))?;
        bar.set_position(flight.taken);
    }
    while !flight.under_way.is_empty() {
        flight.land().await.map_err(|source| flight.failure(total, source))?;
        bar.set_position(flight.taken);
    }
    bar.finish_and_clear();
    Ok(total)
}

struct Flight {
    producer: Producer,
    under_way: VecDeque<Delivery>,
    taken: u64,
}

impl Flight {
    async fn add(&mut self, topic: &str, record: &Outgoing<'_>) -> Result<(), ProduceError> {
        loop {
            if self.under_way.len() == UNDER_WAY {
                self.land().await?;
            }
            let sent = self.producer.send(topic, &record.key, &record.headers, record.payload.as_deref());
            match sent {
                Ok(delivery) => {
                    self.under_way.push_back(delivery);
                    return Ok(());
                }
                Err(ProduceError::QueueFull) if !self.under_way.is_empty() => self.land().await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn land(&mut self) -> Result<(), ProduceError> {
        if let Some(delivery) = self.under_way.pop_front() {
            delivery.await?;
            self.taken += 1;
        }
        Ok(())
    }

    fn failure(&self, total: u64, source: ProduceError) -> PublishError {
        PublishError::NotTaken { taken: self.taken, total, source }
    }
}
