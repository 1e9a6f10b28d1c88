//! `yingbin tail`: records as JSON lines, each value read as its topic's message.

use std::process::ExitCode;

use anyhow::anyhow;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use proto::{ACTIVITY, DLQ, EVENTS, ITEMS, REPLIES, Topic};
use rdkafka::{
    Message as _,
    message::{Headers as _, OwnedMessage},
};
use serde_json::{Map, Value, json};

use super::{
    KafkaFlags, Servers,
    output::{self, Output},
    records::{Records, Start},
};
use crate::json::{self, Contract as _};

/// Which topic, and from where.
#[derive(Args, Debug)]
pub struct TailFlags {
    /// `events`, `replies`, `dlq`, `activity`, `items`, or the whole name of one of them.
    topic: String,
    /// From the oldest record on; without it only what comes from now on.
    #[arg(long)]
    from_beginning: bool,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    kafka: KafkaFlags,
    /// JSON lines are the only form; the flag is taken as with every command.
    #[command(flatten)]
    output: Output,
}

/// What each topic holds, by its short name.
const TOPICS: [(&str, Topic, &str); 5] = [
    ("events", EVENTS, proto::event::Event::NAME),
    ("replies", REPLIES, proto::reply::Reply::NAME),
    ("dlq", DLQ, proto::event::Event::NAME),
    ("activity", ACTIVITY, proto::activity::Activity::NAME),
    ("items", ITEMS, proto::content::Item::NAME),
];

/// Prints records until `--count` is reached or nobody reads them any more.
///
/// # Errors
/// There is no such topic, Kafka is not found or does not answer.
pub async fn run(flags: TailFlags) -> anyhow::Result<ExitCode> {
    let (topic, message) = find(&flags.topic)?;
    let kafka = Servers::find()?.kafka(&flags.kafka)?;
    let name = kafka.topic(topic.name);
    let start = if flags.from_beginning { Start::Beginning } else { Start::End };
    let mut records = Records::open(&kafka, &name, start).await?;
    eprintln!("{name}: {} partition(s) from the {}; Ctrl-C ends", records.partitions, place(start));
    let mut left = flags.count.unwrap_or(u64::MAX);
    while left > 0 {
        match records.next().await {
            Ok(record) if output::line(&as_json(&record, message).to_string())? => left -= 1,
            Ok(_) => break,
            Err(error) => eprintln!("{name}: {error}; waiting"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn place(start: Start) -> &'static str {
    match start {
        Start::Beginning => "beginning",
        Start::End => "end",
    }
}

fn find(given: &str) -> anyhow::Result<(Topic, &'static str)> {
    let found = TOPICS.iter().find(|(short, topic, _)| given == *short || given == topic.name);
    found.map(|(_, topic, message)| (*topic, *message)).ok_or_else(|| {
        let known = TOPICS.map(|(short, topic, _)| format!("{short} ({})", topic.name)).join(", ");
        anyhow!("there is no topic {given:?}; there are {known}")
    })
}

fn as_json(record: &OwnedMessage, message: &str) -> Value {
    let mut line = json!({
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "timestamp": record.timestamp().to_millis().and_then(rfc3339),
        "key": record.key().map(String::from_utf8_lossy),
        "headers": headers(record),
        "value": Value::Null,
    });
    let decoded = record.payload().map(|bytes| (bytes, json::decode(message, bytes)));
    match decoded {
        Some((_, Ok(value))) => line["value"] = value,
        Some((bytes, Err(error))) => {
            line["unreadable"] = error.to_string().into();
            line["value_base64"] = STANDARD.encode(bytes).into();
        }
        None => {}
    }
    line
}

fn headers(record: &OwnedMessage) -> Map<String, Value> {
    let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    let text = |value: Option<&[u8]>| value.map_or(Value::Null, |v| String::from_utf8_lossy(v).into());
    headers.map(|header| (header.key.to_owned(), text(header.value))).collect()
}

fn rfc3339(ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::{
        Timestamp,
        message::{Header, OwnedHeaders},
    };

    fn record(payload: Option<&[u8]>) -> OwnedMessage {
        let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some("1") });
        OwnedMessage::new(
            payload.map(<[u8]>::to_vec),
            Some(b"wx1:o1".to_vec()),
            "wechat.events.v1".into(),
            Timestamp::CreateTime(1_754_000_000_000),
            3,
            7,
            Some(headers),
        )
    }

    #[test]
    fn topics_are_found_by_both_names() {
        assert_eq!(find("events").unwrap().0, EVENTS);
        assert_eq!(find("wechat.replies.v1").unwrap().0, REPLIES);
        assert!(find("event").unwrap_err().to_string().contains("events (wechat.events.v1)"));
    }

    #[test]
    fn a_record_shows_all_that_it_is() {
        let expected = json!({
            "topic": "wechat.events.v1", "partition": 3, "offset": 7, "timestamp": "2025-07-31T22:13:20.000Z",
            "key": "wx1:o1", "headers": { "ce_id": "1" }, "value": { "id": "e" }
        });
        assert_eq!(as_json(&record(Some(b"\x0a\x01e")), proto::event::Event::NAME), expected);
    }

    #[test]
    fn a_value_that_is_no_message_is_shown_raw_and_a_tombstone_as_null() {
        let shown = as_json(&record(Some(b"\xff\xff")), proto::event::Event::NAME);
        assert_eq!(shown["value_base64"], "//8=");
        assert!(shown["unreadable"].as_str().unwrap().contains("yingbin.event.v1.Event"));
        assert_eq!(as_json(&record(None), proto::content::Item::NAME)["value"], Value::Null);
    }
}
