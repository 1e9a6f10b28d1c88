//! `yingbin topics create`: the topics with what the broker has to promise for each (design §3.1).

use std::process::ExitCode;

use clap::Subcommand;
use proto::{ALL_TOPICS, Cleanup, Topic};
use rdkafka::error::KafkaError;
use runtime::kafka::{Kafka, TopicSpec, create_topics};
use serde_json::json;

use super::{KafkaFlags, Output, Servers};

/// What to do with the topics.
#[derive(Subcommand, Debug)]
pub enum TopicsCommand {
    /// Creates those that are missing; never changes one that is there.
    Create {
        /// Copies of each partition. From 3 on a write needs two of them.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=16))]
        replication: i32,
        /// Where Kafka is.
        #[command(flatten)]
        kafka: KafkaFlags,
        /// How to answer.
        #[command(flatten)]
        output: Output,
    },
}

/// Runs it.
///
/// # Errors
/// Kafka is not found, does not answer, or refuses a topic.
pub async fn run(command: TopicsCommand) -> anyhow::Result<ExitCode> {
    let TopicsCommand::Create { replication, kafka, output } = command;
    let kafka = Servers::find()?.kafka(&kafka)?;
    let created = create(&kafka, replication).await.map_err(|error| {
        anyhow::anyhow!(
            "Kafka at {}: {error}; if it is that of a running `yingbin up`, it has its topics",
            kafka.bootstrap
        )
    })?;
    output.answer(
        || json!({ "ok": true, "created": created }),
        || match created.as_slice() {
            [] => "all topics are there already".to_owned(),
            some => format!("created {}", some.join(", ")),
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Creates every topic that is missing and returns their full names. May be repeated.
///
/// # Errors
/// The cluster did not answer, or refused one of them.
pub async fn create(kafka: &Kafka, replication: i32) -> Result<Vec<String>, KafkaError> {
    let specs = ALL_TOPICS.map(|topic| spec(kafka, topic, replication));
    create_topics(kafka, &specs, replication).await
}

const DAY_MS: u64 = 86_400_000;

fn spec(kafka: &Kafka, topic: Topic, replication: i32) -> TopicSpec {
    let in_sync = if replication >= 3 { 2 } else { 1 };
    let mut settings = vec![
        ("min.insync.replicas", in_sync.to_string()),
        ("max.message.bytes", (1 << 20).to_string()),
        ("message.timestamp.type", "CreateTime".to_owned()),
    ];
    let days = |days: u32| (u64::from(days) * DAY_MS).to_string();
    match topic.cleanup {
        Cleanup::Days(kept) => {
            settings.push(("cleanup.policy", "delete".to_owned()));
            settings.push(("retention.ms", days(kept)));
        }
        Cleanup::Compacted { history_days } => {
            settings.push(("cleanup.policy", "compact".to_owned()));
            settings.push(("min.compaction.lag.ms", days(history_days)));
        }
    }
    let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    TopicSpec { name: kafka.topic(topic.name), partitions: topic.partitions, settings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::kafka::GroupProtocol;

    fn settings_of(topic: Topic, replication: i32) -> Vec<(String, String)> {
        let kafka = Kafka {
            bootstrap: String::new(),
            namespace: "blue.".into(),
            group_protocol: GroupProtocol::Classic,
            properties: Vec::new(),
            consumer_properties: Vec::new(),
        };
        let spec = spec(&kafka, topic, replication);
        assert_eq!((spec.name, spec.partitions), (format!("blue.{}", topic.name), topic.partitions));
        spec.settings
    }

    #[test]
    fn a_topic_is_created_with_what_it_promises() {
        let has = |topic, replication, key: &str, value: &str| {
            let settings = settings_of(topic, replication);
            assert!(settings.contains(&(key.to_owned(), value.to_owned())), "{key}: {settings:?}");
        };
        has(proto::EVENTS, 1, "retention.ms", "604800000");
        has(proto::REPLIES, 1, "retention.ms", "2592000000");
        has(proto::ITEMS, 1, "cleanup.policy", "compact");
        has(proto::ITEMS, 1, "min.compaction.lag.ms", "2592000000");
        has(proto::EVENTS, 1, "min.insync.replicas", "1");
        has(proto::EVENTS, 3, "min.insync.replicas", "2");
        has(proto::ITEMS, 3, "max.message.bytes", "1048576");
        has(proto::DLQ, 3, "message.timestamp.type", "CreateTime");
    }
}
