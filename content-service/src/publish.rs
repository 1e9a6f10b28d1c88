//! Outcomes to `wechat.replies.v1`, and records nobody can read to the DLQ: acknowledged before the offset moves, never dropped.

use std::{borrow::Cow, time::Duration};

use prost::Message as _;
use proto::{CloudEvent, reply::Reply};
use rdkafka::{
    Message as _,
    message::{Header, OwnedHeaders, OwnedMessage},
};
use runtime::{
    kafka::{Kafka, ProduceError, Producer},
    trace::TraceParent,
};

use crate::{
    assignment::{Abandoned, Assignment, Backoff},
    metrics::Metrics,
};

/// Writes to the topics that content-service owns. Clones share the producer.
#[derive(Clone, Debug)]
pub struct Publisher {
    producer: Producer,
    replies: String,
    dlq: String,
    metrics: Metrics,
}

/// Why a record goes to the DLQ.
#[derive(Clone, Copy, Debug)]
pub struct DlqReason<'a> {
    /// Class: `protobuf`, `no_id` …
    pub class: &'a str,
    /// What is wrong.
    pub error: &'a str,
    /// When it was set aside, Unix milliseconds.
    pub at_ms: i64,
}

impl Publisher {
    /// Publishes into the namespace of `kafka`.
    #[must_use]
    pub fn new(kafka: &Kafka, producer: Producer, metrics: Metrics) -> Self {
        let topic = |topic: proto::Topic| kafka.topic(topic.name);
        Self { producer, replies: topic(proto::REPLIES), dlq: topic(proto::DLQ), metrics }
    }

    /// Publishes an outcome under the event's own record key and returns its bytes once Kafka has them.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Kafka is away; the next owner publishes.
    pub async fn outcome(
        &self,
        reply: &Reply,
        key: &[u8],
        trace: TraceParent,
        mine: &Assignment,
    ) -> Result<Vec<u8>, Abandoned> {
        let traceparent = trace.child().to_string();
        let attributes = CloudEvent::of_reply(reply, &traceparent);
        let headers: [(&str, Cow<'_, str>); 9] = attributes.headers();
        let bytes = reply.encode_to_vec();
        self.until_taken(mine, || self.producer.send(&self.replies, key, &headers, Some(&bytes))).await?;
        Ok(bytes)
    }

    /// Copies a record untouched into the DLQ topic and says in further headers why it is there.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Kafka is away; the next owner copies.
    pub async fn set_aside(
        &self,
        record: &OwnedMessage,
        reason: DlqReason<'_>,
        mine: &Assignment,
    ) -> Result<(), Abandoned> {
        let mut attempts = 0;
        let copy = || {
            attempts += 1;
            let headers = dlq_headers(record, reason, attempts);
            self.producer.send_raw(&self.dlq, record.key().unwrap_or_default(), headers, record.payload())
        };
        self.until_taken(mine, copy).await?;
        self.metrics.set_aside(reason.class);
        let (partition, offset) = (record.partition(), record.offset());
        tracing::warn!(reason.class, partition, offset, "record set aside: look at it with `yingbin dlq`");
        Ok(())
    }

    async fn until_taken(
        &self,
        mine: &Assignment,
        mut send: impl FnMut() -> Result<runtime::kafka::Delivery, ProduceError>,
    ) -> Result<(), Abandoned> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let report = match send() {
                Ok(delivery) => delivery.await.map(drop),
                Err(error) => Err(error),
            };
            let Err(error) = report else { return Ok(()) };
            self.metrics.publish_waits();
            tracing::warn!(%error, "kafka did not take the record: it will be tried again");
            mine.pause(backoff.pause()).await?;
        }
    }
}

fn dlq_headers(record: &OwnedMessage, reason: DlqReason<'_>, attempts: u32) -> OwnedHeaders {
    let own = record.headers().cloned().unwrap_or_else(|| OwnedHeaders::new_with_capacity(7));
    let error: String = reason.error.chars().take(500).collect();
    let added = [
        ("dlq_reason", reason.class.to_owned()),
        ("dlq_error", error),
        ("dlq_topic", record.topic().to_owned()),
        ("dlq_partition", record.partition().to_string()),
        ("dlq_offset", record.offset().to_string()),
        ("dlq_time", reason.at_ms.to_string()),
        ("dlq_attempts", attempts.to_string()),
    ];
    added.iter().fold(own, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
