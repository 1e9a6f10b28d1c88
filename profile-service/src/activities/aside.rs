//! Sets a record aside: the original, untouched, on the DLQ topic, with headers that say why and where it stood.

use rdkafka::message::{Header, Message as _, OwnedHeaders, OwnedMessage};
use runtime::kafka::{ProduceError, Producer};

/// Copies `record` to `topic` and waits for the broker's report. Dropping the future does not take the record back.
///
/// # Errors
/// The broker did not take it; it may be there all the same.
pub(super) async fn set_aside(
    producer: &Producer,
    topic: &str,
    record: &OwnedMessage,
    headers: OwnedHeaders,
) -> Result<(), ProduceError> {
    producer.send_raw(topic, record.key().unwrap_or_default(), headers, record.payload())?.await.map(drop)
}

/// The record's own headers, then why it was set aside at `now_ms` and where it stood.
pub(super) fn headers(record: &OwnedMessage, reason: &str, error: &str, now_ms: i64) -> OwnedHeaders {
    let own = record.headers().cloned().unwrap_or_default();
    let place = [("dlq_partition", i64::from(record.partition())), ("dlq_offset", record.offset())];
    let why = [("dlq_reason", reason), ("dlq_error", error), ("dlq_topic", record.topic())];
    let headers =
        why.into_iter().fold(own, |all, (key, value)| all.insert(Header { key, value: Some(value) }));
    place
        .into_iter()
        .chain([("dlq_time", now_ms)])
        .fold(headers, |all, (key, value)| all.insert(Header { key, value: Some(&value.to_string()) }))
}
