//! `yingbin why`: what was decided on one event and why, as a page that a support person can read aloud.

mod message;
mod page;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use prost::Message as _;
use proto::{
    REPLIES,
    reply::{Decision, Outcome, Reply, UnknownPolicy},
};
use rdkafka::{
    Message as _,
    message::{Headers as _, OwnedMessage},
};
use runtime::kafka::Kafka;
use serde_json::json;

use super::{
    KafkaFlags, Output, Servers, Usage, progress,
    records::{Records, Start},
};
use crate::json;

/// An id is 32 hex digits.
pub const EXAMPLE: &str = "Example: yingbin why bc61184489c792ec224c23aabbcdcd1c
Ids are told by `yingbin push send`, `yingbin tail replies` and the phone's backstage.";

/// Which event.
#[derive(Args, Debug)]
pub struct WhyFlags {
    /// Id of the event, 32 hex digits: `ce_id` of `yingbin tail events` or `replies`.
    #[arg(value_parser = event_id)]
    event_id: String,
    #[command(flatten)]
    kafka: KafkaFlags,
    #[command(flatten)]
    output: Output,
}

/// Runs it. Exit code 1: the topic holds no outcome of this event.
///
/// # Errors
/// Kafka is not found or does not answer.
pub async fn run(flags: WhyFlags) -> anyhow::Result<ExitCode> {
    let kafka = Servers::find()?.kafka(&flags.kafka)?;
    let Some(reply) = find(&kafka, &flags.event_id).await? else {
        let say = format!(
            "{} holds no outcome of {}: it is not answered yet, older than 30 days, or another installation's",
            kafka.topic(REPLIES.name),
            flags.event_id
        );
        flags.output.answer(|| json!({ "ok": false, "say": say }), || say.clone())?;
        return Ok(ExitCode::FAILURE);
    };
    flags.output.answer(|| json::to_json(&reply), || page::of(&reply))?;
    Ok(ExitCode::SUCCESS)
}

/// The id of a revision has its number behind a slash.
fn event_id(given: &str) -> Result<String, Usage> {
    let id = given.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
    if digits == 32 && id.len() == 32 {
        return Ok(id);
    }
    Err(Usage::new(format!(
        "an id has 32 hex digits, this one has {digits} in {} characters",
        id.chars().count()
    )))
}

/// Looks through the topic from its beginning to the end that is seen now. An outcome that waits for a person may have a revision
/// behind it.
async fn find(kafka: &Kafka, event_id: &str) -> anyhow::Result<Option<Reply>> {
    let mut records = Records::open(kafka, &kafka.topic(REPLIES.name), Start::Beginning).await?;
    let bar = progress::bar(records.total, "outcomes");
    let mut last: Option<Reply> = None;
    loop {
        let record = records.next_before_end().await;
        let record = record.map_err(|error| anyhow!("Kafka at {}: {error}", kafka.bootstrap))?;
        let ended = record.is_none();
        if let Some(found) = record.and_then(|record| outcome_of(&record, event_id)) {
            last = last.filter(|last| last.revision > found.revision).or(Some(found));
        }
        bar.inc(1);
        if ended || last.as_ref().is_some_and(|last| !may_be_revised(last)) {
            bar.finish_and_clear();
            return Ok(last);
        }
    }
}

fn may_be_revised(reply: &Reply) -> bool {
    let asks = |decision: &Decision| decision.unknown() == UnknownPolicy::Ask;
    reply.revision == 0 && reply.outcome() == Outcome::Unknown && reply.decision.as_ref().is_none_or(asks)
}

/// The outcome, if the record is one of this event. A record that says so in its header but cannot be read is none.
fn outcome_of(record: &OwnedMessage, event_id: &str) -> Option<Reply> {
    let mut headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    let id = headers.find(|header| header.key == "ce_id").and_then(|header| header.value);
    let of_event = |id: &[u8]| {
        id.strip_prefix(event_id.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    if !id.is_none_or(of_event) {
        return None;
    }
    Reply::decode(record.payload()?).ok().filter(|reply| reply.event_id == event_id)
}
