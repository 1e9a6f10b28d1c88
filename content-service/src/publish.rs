//! Outcomes to `wechat.replies.v1`, and records nobody can read to the DLQ: acknowledged before the offset moves, never dropped.

use std::{borrow::Cow, time::Duration};

use prost::Message as _;
use proto::{CloudEvent, DeadLetter, reply::Reply};
use rdkafka::{Message as _, message::OwnedMessage};
use runtime::{
    kafka::{Kafka, Outgoing, Patient, owned_headers},
    trace::TraceParent,
};

use crate::{
    assignment::{Abandoned, Assignment},
    metrics::Metrics,
    watchdog::step,
};

/// Writes to the topics that content-service owns. Clones share the producer.
#[derive(Clone, Debug)]
pub struct Publisher {
    patient: Patient,
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
    pub fn new(kafka: &Kafka, patient: Patient, metrics: Metrics) -> Self {
        let topic = |topic: proto::Topic| kafka.topic(topic.name);
        Self { patient, replies: topic(proto::REPLIES), dlq: topic(proto::DLQ), metrics }
    }

    /// Publishes an outcome as `id` under `key` and returns its bytes once Kafka has them. One that the topic does not take whole is
    /// shortened and says so.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Kafka is away or refuses; the next owner publishes.
    pub async fn outcome(
        &self,
        reply: &Reply,
        id: &str,
        key: &[u8],
        trace: TraceParent,
        mine: &Assignment,
    ) -> Result<Vec<u8>, Abandoned> {
        step("publish");
        let traceparent = trace.child().to_string();
        let attributes = CloudEvent { id: Cow::Borrowed(id), ..CloudEvent::of_reply(reply, &traceparent) };
        let (headers, whole) = (attributes.headers(), reply.encode_to_vec());
        let short = |step| shortened(reply, step).encode_to_vec();
        let form = |step, _| Outgoing {
            key: Cow::Borrowed(key),
            headers: owned_headers(&headers),
            payload: Some(if step == 0 { Cow::Borrowed(&whole[..]) } else { Cow::Owned(short(step)) }),
        };
        let taken = self.patient.write(&self.replies, SHORTEST, form, |time| self.wait(mine, time)).await?;
        Ok(if taken == 0 { whole } else { short(taken) })
    }

    /// Copies a record into the DLQ topic, untouched where it fits, and says in further headers why it is there.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up while Kafka is away or refuses; the next owner copies.
    pub async fn set_aside(
        &self,
        record: &OwnedMessage,
        reason: DlqReason<'_>,
        mine: &Assignment,
    ) -> Result<(), Abandoned> {
        step("set aside");
        let headers = |left_out, attempts| {
            let letter = DeadLetter {
                reason: reason.class,
                error: reason.error,
                topic: record.topic(),
                partition: record.partition(),
                offset: record.offset(),
                at_ms: reason.at_ms,
                attempts,
                left_out,
                value_bytes: record.payload().map_or(0, <[u8]>::len),
            };
            letter.headers()
        };
        self.patient.copy(&self.dlq, record, headers, |time| self.wait(mine, time)).await?;
        self.metrics.set_aside(reason.class);
        let (partition, offset) = (record.partition(), record.offset());
        tracing::warn!(
            reason.class,
            partition,
            offset,
            "record set aside: look at it with `yingbin tail dlq --from-beginning`"
        );
        Ok(())
    }

    fn wait(&self, mine: &Assignment, time: Duration) -> impl Future<Output = Result<(), Abandoned>> + use<> {
        self.metrics.publish_waits();
        let mine = mine.clone();
        async move { mine.pause(time).await }
    }
}

/// The shortest form of an outcome; 0 is the whole.
const SHORTEST: usize = 2;

/// An outcome without what is bulky in its decision (1), or without decision and messages (2).
fn shortened(reply: &Reply, step: usize) -> Reply {
    let mut short = Reply { shortened: true, ..reply.clone() };
    if step == SHORTEST {
        short.decision = None;
        short.parts.iter_mut().for_each(|part| part.message.clear());
    }
    if let Some(decision) = &mut short.decision {
        decision.enrichment = None;
        decision.sources.iter_mut().for_each(|source| source.value.clear());
        for slot in &mut decision.slots {
            slot.candidates.clear();
            slot.exclusions.clear();
        }
    }
    short
}
