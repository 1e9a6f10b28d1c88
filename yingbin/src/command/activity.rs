//! `yingbin activity send`: what customers did elsewhere, from a file into `customer.activity.v1`.

use std::{collections::HashSet, process::ExitCode};

use anyhow::Context as _;
use clap::Subcommand;
use prost::Message as _;
use proto::{CloudEvent, activity::Activity, customer_key};
use runtime::{kafka::Kafka, trace::TraceParent};
use serde_json::json;

pub use super::publish::PublishError;
use super::{
    KafkaFlags, Output, Problem, Servers,
    lines::{self, Hours},
    output,
    publish::{self, Outgoing},
};

/// Who says it, if nobody else is named.
pub const SOURCE: &str = "/yingbin";

/// What to do with activities.
#[derive(Subcommand, Debug)]
pub enum ActivityCommand {
    /// Sends a file of activities, all or none: one a line, protobuf JSON, the time also as `occurredHoursAgo`.
    Send {
        /// The file, JSONL; `-` is standard input.
        file: String,
        /// The system that tells it, for `ce_source`.
        #[arg(long, default_value = SOURCE)]
        source: String,
        /// Where Kafka is.
        #[command(flatten)]
        kafka: KafkaFlags,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
}

const HOURS: Hours = Hours {
    names: ["occurredHoursAgo", "occurred_hours_ago"],
    fills: ["occurredAtMs", "occurred_at_ms"],
    ahead: false,
};

/// Runs it at `now_ms`, Unix milliseconds. Exit code 1: the file is bad, and nothing was sent.
///
/// # Errors
/// The file cannot be read, Kafka is not found or does not take them.
pub async fn run(command: ActivityCommand, now_ms: i64) -> anyhow::Result<ExitCode> {
    let ActivityCommand::Send { file, source, kafka, output } = command;
    let text = String::from_utf8(output::read_file(&file)?).context("the file is not UTF-8")?;
    match read(&text, now_ms) {
        Ok(activities) => {
            let count = send(&Servers::find()?.kafka(&kafka)?, &activities, &source).await?;
            output.answer(|| json!({ "ok": true, "sent": count }), || format!("{count} activities sent"))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => output::refuse(output, &file, &problems),
    }
}

/// Reads activities, one a line. Hours are counted back from `now_ms`, Unix milliseconds.
///
/// # Errors
/// Every bad line with what is wrong.
pub fn read(text: &str, now_ms: i64) -> Result<Vec<Activity>, Vec<Problem>> {
    let mut ids = HashSet::new();
    lines::read(text, now_ms, &[HOURS], |activity: &Activity| {
        check(activity)?;
        if ids.insert(activity.id.clone()) {
            Ok(())
        } else {
            Err(format!("{} stands here twice", activity.id))
        }
    })
}

/// Writes activities under their customers' keys, told by `source`, and waits for every report; returns their number.
///
/// # Errors
/// [`PublishError`]; what was taken before it stays. Sent again, each is learned from once.
pub async fn send(kafka: &Kafka, activities: &[Activity], source: &str) -> Result<u64, PublishError> {
    let records: Vec<Outgoing<'_>> =
        activities.iter().filter_map(|activity| outgoing(activity, source)).collect();
    publish::all(kafka, proto::ACTIVITY.name, "activities", records.into_iter()).await
}

/// `None` if it names nobody, which [`read`] refuses.
fn outgoing<'a>(activity: &'a Activity, source: &str) -> Option<Outgoing<'a>> {
    let trace = TraceParent::new_root().to_string();
    let attributes = CloudEvent::of_activity(activity, source, &trace)?;
    let headers = attributes.headers().map(|(name, value)| (name, value.into_owned().into()));
    Some(Outgoing {
        key: attributes.key.clone().into_bytes(),
        headers: headers.to_vec(),
        payload: Some(activity.encode_to_vec()),
    })
}

fn check(activity: &Activity) -> Result<(), String> {
    let key = activity.customer.as_ref().and_then(customer_key);
    let missing = match (activity.id.as_str(), key, activity.kind.as_str(), activity.occurred_at_ms) {
        ("", ..) => "id is missing: the same id is learned from once",
        (_, None, ..) => {
            "customer is missing: {\"user\":{\"appId\":…,\"openid\":…}} or {\"external\":{\"namespace\":…,\"id\":…}}"
        }
        (_, _, "", _) => "kind is missing: purchase, check_in, …",
        (.., ..=0) => "occurredAtMs (or occurredHoursAgo) is missing",
        _ => return Ok(()),
    };
    Err(missing.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURCHASE: &str = r#"{"id":"p1","customer":{"external":{"namespace":"skypearl","id":"42"}},
        "kind":"purchase","occurredHoursAgo":1,"subject":"广州–杭州 CZ3523"}"#;

    fn purchase() -> String {
        PURCHASE.replace('\n', "")
    }

    #[test]
    fn a_record_has_its_key_and_headers() {
        let activities = read(&purchase(), 7_200_000).unwrap();
        let record = outgoing(&activities[0], "/till").unwrap();
        assert_eq!(record.key, b"skypearl:42");
        let source = record.headers.iter().find(|(name, _)| *name == "ce_source").unwrap();
        assert_eq!(source.1, "/till");
        let sent = Activity::decode(record.payload.unwrap().as_slice()).unwrap();
        assert_eq!((sent.occurred_at_ms, sent.kind.as_str()), (3_600_000, "purchase"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let cases = [
            ("\"id\":\"p1\",", "", "id is missing"),
            ("\"42\"", "\"\"", "customer is missing"),
            ("\"purchase\"", "\"\"", "kind is missing"),
            ("\"occurredHoursAgo\":1,", "", "occurredAtMs (or occurredHoursAgo) is missing"),
        ];
        for (old, new, expected) in cases {
            let problems = read(&purchase().replace(old, new), 7_200_000).unwrap_err();
            assert!(problems[0].what.starts_with(expected), "{}", problems[0]);
        }
        let twice = [purchase(), purchase()].join("\n");
        assert_eq!(read(&twice, 7_200_000).unwrap_err()[0].to_string(), "line 2: p1 stands here twice");
    }
}
