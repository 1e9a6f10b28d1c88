//! `yingbin items`: what editors publish, from a file into the catalogue's topic.

use std::{borrow::Cow, collections::HashSet, process::ExitCode};

use anyhow::Context as _;
use clap::Subcommand;
use prost::Message as _;
use proto::content::Item;
use runtime::kafka::Kafka;
use serde_json::json;

pub use super::publish::PublishError;
use super::{
    KafkaFlags, Output, Problem, Servers,
    lines::{self, Hours},
    output,
    publish::{self, Outgoing},
};

/// What to do with the catalogue.
#[derive(Subcommand, Debug)]
pub enum ItemsCommand {
    /// Publishes a file of items, all or none: one a line, protobuf JSON, times also as `publishedHoursAgo`,
    /// `validFromHours`, `validHours` and `pinHours` from now. The same id replaces.
    Publish {
        /// The file, JSONL; `-` is standard input.
        file: String,
        /// Where Kafka is.
        #[command(flatten)]
        kafka: KafkaFlags,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
    /// Takes items out of the catalogue.
    Remove {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Where Kafka is.
        #[command(flatten)]
        kafka: KafkaFlags,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
}

const HOURS: [Hours; 4] = [
    Hours {
        names: ["publishedHoursAgo", "published_hours_ago"],
        fills: ["publishedAtMs", "published_at_ms"],
        ahead: false,
    },
    Hours {
        names: ["validFromHours", "valid_from_hours"],
        fills: ["validFromMs", "valid_from_ms"],
        ahead: true,
    },
    Hours { names: ["validHours", "valid_hours"], fills: ["validUntilMs", "valid_until_ms"], ahead: true },
    Hours { names: ["pinHours", "pin_hours"], fills: ["pinUntilMs", "pin_until_ms"], ahead: true },
];

/// Runs it at `now_ms`, Unix milliseconds. Exit code 1: the file is bad, and nothing was published.
///
/// # Errors
/// The file cannot be read, Kafka is not found or does not take them.
pub async fn run(command: ItemsCommand, now_ms: i64) -> anyhow::Result<ExitCode> {
    match command {
        ItemsCommand::Publish { file, kafka, output } => {
            let text = String::from_utf8(output::read_file(&file)?).context("the file is not UTF-8")?;
            match read(&text, now_ms) {
                Ok(items) => {
                    let count = publish(&Servers::find()?.kafka(&kafka)?, &items).await?;
                    output.answer(
                        || json!({ "ok": true, "published": count }),
                        || format!("{count} items published"),
                    )?;
                    Ok(ExitCode::SUCCESS)
                }
                Err(problems) => output::refuse(output, &file, &problems),
            }
        }
        ItemsCommand::Remove { ids, kafka, output } => {
            let count = remove(&Servers::find()?.kafka(&kafka)?, &ids).await?;
            output.answer(|| json!({ "ok": true, "removed": count }), || format!("{count} items removed"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Reads items, one a line. Hours are counted from `now_ms`, Unix milliseconds.
///
/// # Errors
/// Every bad line with what is wrong.
pub fn read(text: &str, now_ms: i64) -> Result<Vec<Item>, Vec<Problem>> {
    let mut ids = HashSet::new();
    lines::read(text, now_ms, &HOURS, |item: &Item| {
        check(item)?;
        if ids.insert(item.id.clone()) { Ok(()) } else { Err(format!("{} stands here twice", item.id)) }
    })
}

/// Writes items to the catalogue's topic and waits for every report; returns their number.
///
/// # Errors
/// [`PublishError`]; what was taken before it stays.
pub async fn publish(kafka: &Kafka, items: &[Item]) -> Result<u64, PublishError> {
    let records = items.iter().map(|item| Outgoing {
        key: item.id.clone().into_bytes(),
        headers: vec![("content-type", Cow::Borrowed("application/protobuf"))],
        payload: Some(item.encode_to_vec()),
    });
    publish::all(kafka, proto::ITEMS.name, "items", records).await
}

/// Writes a tombstone for each id and waits for every report; returns their number.
///
/// # Errors
/// [`PublishError`]; what was taken before it stays.
pub async fn remove(kafka: &Kafka, ids: &[String]) -> Result<u64, PublishError> {
    let records =
        ids.iter().map(|id| Outgoing { key: id.clone().into_bytes(), headers: Vec::new(), payload: None });
    publish::all(kafka, proto::ITEMS.name, "items", records).await
}

fn check(item: &Item) -> Result<(), String> {
    let is_id = |id: &str| {
        (1..=40).contains(&id.len()) && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    need(is_id(&item.id), || format!("id {:?}: 1 to 40 of a-z, 0-9 and -", item.id))?;
    need(!item.account.is_empty(), || "account is missing: whose readers may see it".to_owned())?;
    need(!item.title.trim().is_empty(), || "title is missing".to_owned())?;
    item.url.parse::<gateway::Address>().map_err(|error| format!("url {:?}: {error}", item.url))?;
    need(item.picture_url.is_empty() || is_url(&item.picture_url), || {
        format!("pictureUrl {:?} is no http or https address", item.picture_url)
    })?;
    need(item.published_at_ms > 0, || "publishedAtMs (or publishedHoursAgo) is missing".to_owned())?;
    need(item.valid_until_ms == 0 || item.valid_until_ms > item.valid_from_ms, || {
        "validUntilMs is not after validFromMs: nobody would ever see it".to_owned()
    })?;
    let odd = item.topics.iter().find(|topic| !is_topic(&topic.name));
    need(odd.is_none(), || {
        format!("topic {:?}: a name in lower case without spaces", odd.map_or("", |topic| &topic.name))
    })
}

fn is_url(url: &str) -> bool {
    let parsed = reqwest::Url::parse(url).ok().filter(|_| !url.contains(char::is_whitespace));
    parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_topic(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_uppercase() || c.is_control())
}

fn need(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[cfg(test)]
mod tests;
