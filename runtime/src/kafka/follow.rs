//! Reads a compacted topic of one partition into whatever its reader keeps, and follows it.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::KafkaError,
};
use tokio_util::sync::CancellationToken;

use super::{Kafka, METADATA_TIMEOUT, Quiet};
use crate::health::Hold;

/// The newest value of a key; `None`: it is gone.
#[derive(Clone, Copy, Debug)]
pub struct TableRecord<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Where it stands in the topic.
    pub offset: i64,
}

/// Reads partition 0 of `topic` from its beginning, lets `loaded` go when the end that was seen at the start is reached, then
/// follows until `shutdown`. While the cluster is away it waits.
///
/// # Errors
/// librdkafka refused the settings.
pub async fn follow(
    kafka: &Kafka,
    topic: &str,
    mut take: impl FnMut(TableRecord<'_>),
    loaded: Hold,
    shutdown: CancellationToken,
) -> Result<(), KafkaError> {
    let consumer: Arc<StreamConsumer<Quiet>> =
        Arc::new(kafka.consumer_with("table", &[("enable.partition.eof", "true")], Quiet::default())?);
    let mut whole = TopicPartitionList::new();
    whole.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&whole)?;
    let Some(end) = shutdown.run_until_cancelled(end_of(&consumer, topic)).await else { return Ok(()) };
    let mut loaded = (end > 0).then_some(loaded);
    loop {
        let received = tokio::select! {
            received = consumer.recv() => received,
            () = shutdown.cancelled() => return Ok(()),
        };
        match received {
            Ok(record) => {
                let (key, value, offset) =
                    (record.key().unwrap_or_default(), record.payload(), record.offset());
                take(TableRecord { key, value: value.filter(|value| !value.is_empty()), offset });
                loaded = loaded.filter(|_| offset + 1 < end);
            }
            // The last record may be one that nobody is given: a transaction's end, or a key that was compacted away.
            Err(KafkaError::PartitionEOF(_)) => loaded = None,
            Err(error) => tracing::warn!(%error, topic, "cannot read the table now"),
        }
    }
}

/// The end of the topic, asked for until somebody answers.
async fn end_of(consumer: &Arc<StreamConsumer<Quiet>>, topic: &str) -> i64 {
    loop {
        let (asking, name) = (Arc::clone(consumer), topic.to_owned());
        let asked =
            tokio::task::spawn_blocking(move || asking.fetch_watermarks(&name, 0, METADATA_TIMEOUT)).await;
        let asked = asked.unwrap_or(Err(KafkaError::Canceled));
        match asked {
            Ok((low, high)) if high > low => return high,
            Ok(_) => return 0,
            Err(error) => {
                tracing::warn!(%error, topic, "the end of the table is not known yet");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
