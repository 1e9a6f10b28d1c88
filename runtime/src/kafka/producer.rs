//! A producer whose records are on their way as soon as they are handed over.

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedHeaders,
    producer::{BaseRecord, Producer as _},
};
use tokio::sync::oneshot;

use super::{
    owned_headers,
    reports::{Report, Served},
};

/// Why a record is not, or may not be, in the topic.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProduceError {
    /// The local queue is full: the broker takes less than comes in. Nothing was sent.
    #[error("the queue to kafka is full")]
    QueueFull,
    /// The record is larger than the client's or the topic's bound: no repeat changes that.
    #[error("the record is larger than the topic takes")]
    TooLarge,
    /// The topic takes nothing of ours as it is: no right to write, a name that is none, a policy. A person has to mend that.
    #[error("kafka refuses the record: {0}")]
    Refused(KafkaError),
    /// The broker did not report in time, or could not take it now; the record may be in the topic all the same.
    #[error("kafka did not take the record: {0}")]
    NotTaken(KafkaError),
    /// The producer is ending.
    #[error("the producer is ending")]
    Ending,
}

impl From<KafkaError> for ProduceError {
    fn from(error: KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::QueueFull) => Self::QueueFull,
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => Self::TooLarge,
            Some(
                Code::TopicAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidTopic
                | Code::InvalidRecord
                | Code::InvalidTimestamp
                | Code::PolicyViolation,
            ) => Self::Refused(error),
            _ => Self::NotTaken(error),
        }
    }
}

/// What a producer that loses nothing needs.
const DEFAULTS: [(&str, &str); 8] = [
    ("enable.idempotence", "true"),
    ("linger.ms", "0"),
    ("message.timeout.ms", "2500"),
    ("request.timeout.ms", "2000"),
    // A copy of the largest record that a topic takes, with headers of its own, still has to fit.
    ("message.max.bytes", "2097152"),
    ("queue.buffering.max.kbytes", "32768"),
    ("queue.buffering.max.messages", "50000"),
    ("partitioner", "murmur2_random"),
];

/// What the client says goes before the defaults. (Its `config_map` has passwords blotted out.)
fn with_defaults(client: &ClientConfig) -> ClientConfig {
    let mut config = client.clone();
    for (key, value) in DEFAULTS {
        if client.get(key).is_none() {
            config.set(key, value);
        }
    }
    config
}

/// An idempotent producer. Clones share it.
#[derive(Clone)]
pub struct Producer(Arc<Served>);

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Producer")
    }
}

/// The broker's report on one record: its partition and offset. Dropping it does not stop the record.
pub struct Delivery(oneshot::Receiver<Report>);

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Delivery")
    }
}

impl Future for Delivery {
    type Output = Result<(i32, i64), ProduceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|report| match report {
            Ok(report) => report.map_err(ProduceError::from),
            Err(_) => Err(ProduceError::Ending),
        })
    }
}

impl Producer {
    pub(super) fn new(client: &ClientConfig) -> Result<Self, KafkaError> {
        Served::new(&with_defaults(client)).map(|served| Self(Arc::new(served)))
    }

    /// Hands a record over; `None` as payload is a tombstone. It is under way when this returns.
    ///
    /// # Errors
    /// The queue is full, the record too large for the client, or the client is broken for good; nothing was sent.
    pub fn send(
        &self,
        topic: &str,
        key: &[u8],
        headers: &[(&str, Cow<'_, str>)],
        payload: Option<&[u8]>,
    ) -> Result<Delivery, ProduceError> {
        self.send_raw(topic, key, owned_headers(headers), payload)
    }

    /// The same with headers as they came from another record.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_raw(
        &self,
        topic: &str,
        key: &[u8],
        headers: OwnedHeaders,
        payload: Option<&[u8]>,
    ) -> Result<Delivery, ProduceError> {
        let (waiting, report) = oneshot::channel();
        let mut record =
            BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, Box::new(waiting)).key(key).headers(headers);
        record.payload = payload;
        self.0.client.send(record).map_err(|(error, _)| error)?;
        self.0.wake();
        Ok(Delivery(report))
    }

    /// What has broken the producer for good, if anything: the process has to be started again.
    #[must_use]
    pub fn fatal(&self) -> Option<String> {
        self.0.client.client().fatal_error().map(|(code, why)| format!("{code}: {why}"))
    }

    /// Waits until every record has its report. Blocks the thread.
    ///
    /// # Errors
    /// Not all had one in time.
    pub fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.0.client.flush(timeout)
    }

    /// The cluster can be reached. Blocks the thread.
    ///
    /// # Errors
    /// It did not answer in time.
    pub fn reach(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.0.client.client().fetch_metadata(None, timeout).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_keeps_what_the_properties_say_passwords_too() {
        let mut client = ClientConfig::new();
        client.set("sasl.password", "hush").set("message.timeout.ms", "900");
        let config = with_defaults(&client);
        let values = ["sasl.password", "message.timeout.ms", "enable.idempotence"].map(|key| config.get(key));
        assert_eq!(values, [Some("hush"), Some("900"), Some("true")]);
    }
}
