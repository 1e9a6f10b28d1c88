//! Reads single records of a partition once more, apart from what its group reads.

use std::time::Duration;

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedMessage,
};
use tokio::time::{Instant, timeout_at};

use super::{Kafka, Quiet, last};

/// Longest time without a record.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the records at `offsets`, which ascend; `None` stands for one that is not there any more. Where no record comes for five
/// seconds, those that were read until then.
///
/// # Errors
/// Nothing was read.
pub async fn read_again(
    kafka: &Kafka,
    topic: &str,
    partition: i32,
    offsets: &[i64],
) -> Result<Vec<Option<OwnedMessage>>, KafkaError> {
    let Some(first) = offsets.first() else { return Ok(Vec::new()) };
    let bounded = [("queued.max.messages.kbytes", "1024")];
    let consumer: StreamConsumer<Quiet> = kafka.consumer_with("again", &bounded, Quiet::default())?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, partition, Offset::Offset(*first))?;
    consumer.assign(&from)?;
    let found = read(&consumer, offsets).await;
    // Taking a client apart waits for its threads: nobody else has to.
    tokio::spawn(last(PATIENCE, move || drop(consumer)));
    found
}

async fn read(
    consumer: &StreamConsumer<Quiet>,
    offsets: &[i64],
) -> Result<Vec<Option<OwnedMessage>>, KafkaError> {
    let mut found = Vec::with_capacity(offsets.len());
    let mut silence = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
    let mut ends = Instant::now() + PATIENCE;
    while found.len() < offsets.len() {
        match timeout_at(ends, consumer.recv()).await {
            Ok(Ok(record)) => {
                ends = Instant::now() + PATIENCE;
                let at = record.offset();
                let gone = offsets[found.len()..].iter().take_while(|offset| **offset < at).count();
                found.extend((0..gone).map(|_| None));
                if offsets.get(found.len()) == Some(&at) {
                    found.push(Some(record.detach()));
                }
            }
            Ok(Err(error)) => silence = error,
            Err(_) if found.is_empty() => return Err(silence),
            Err(_) => break,
        }
    }
    Ok(found)
}
