//! Creates what is missing; never changes a topic that is there.

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfig as _,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Kafka, METADATA_TIMEOUT};

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

/// Creates the topics that are not there yet and returns their names.
///
/// # Errors
/// The cluster did not answer, or refused one of them.
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
    Ok(created)
}
