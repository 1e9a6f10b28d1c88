//! Creates what is missing; never changes a topic that is there.

use std::time::{Duration, Instant};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig as _,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Kafka, METADATA_TIMEOUT};

/// A new topic has leaders within this time, or something is wrong with the cluster.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// Full name, namespace included.
    pub name: String,
    /// Partitions.
    pub partitions: i32,
    /// Broker settings: `retention.ms`, `cleanup.policy` …
    pub settings: Vec<(String, String)>,
}

/// Creates the topics that are not there yet, waits until they can be written and read, and returns their names.
///
/// # Errors
/// The cluster did not answer, refused one of them, or had no leaders for a new one within half a minute.
pub async fn create_topics(
    kafka: &Kafka,
    topics: &[TopicSpec],
    replication: i32,
) -> Result<Vec<String>, KafkaError> {
    let admin = AdminClient::<DefaultClientContext>::from_config(&kafka.client("admin"))?;
    let new = topics.iter().map(|topic| {
        let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(replication));
        topic.settings.iter().fold(new, |new, (key, value)| new.set(key, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let options =
        AdminOptions::new().operation_timeout(Some(METADATA_TIMEOUT)).request_timeout(Some(METADATA_TIMEOUT));
    let mut created = Vec::new();
    for result in admin.create_topics(&new, &options).await? {
        match result {
            Ok(name) => created.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    wait_until_served(kafka, &created, topics).await?;
    Ok(created)
}

/// A broker reports a topic as created before its partitions have leaders.
async fn wait_until_served(
    kafka: &Kafka,
    created: &[String],
    topics: &[TopicSpec],
) -> Result<(), KafkaError> {
    let consumer: BaseConsumer = kafka.client("admin").create()?;
    let new = topics.iter().filter(|topic| created.contains(&topic.name));
    let partitions: Vec<(String, i32)> = new
        .flat_map(|topic| (0..topic.partitions).map(|partition| (topic.name.clone(), partition)))
        .collect();
    let waiting = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + SERVED_WITHIN;
        partitions.iter().try_for_each(|(topic, partition)| served(&consumer, topic, *partition, deadline))
    });
    waiting.await.unwrap_or(Err(KafkaError::Canceled))
}

fn served(consumer: &BaseConsumer, topic: &str, partition: i32, deadline: Instant) -> Result<(), KafkaError> {
    loop {
        match consumer.fetch_watermarks(topic, partition, METADATA_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            // Polling serves the client's own queue and waits a little.
            Err(_) => drop(consumer.poll(Duration::from_millis(50))),
        }
    }
}
