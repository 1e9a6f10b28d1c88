//! Whether Kafka has the topic of events and lets us see it: asked from the start until it does.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use rdkafka::{
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use runtime::{
    health::Hold,
    kafka::{self, Kafka, Producer},
    telemetry::Seldom,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_millis(200);
const SAY: Duration = Duration::from_secs(10);

/// Why events cannot go there yet.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum NotThere {
    #[error("kafka is not there yet: {0}")]
    Kafka(KafkaError),
    #[error("kafka has no topic {0}: create it with `yingbin topics create`")]
    Missing(String),
    #[error(
        "kafka does not let the gateway use the topic {0}: give its user the rights to describe and to write it"
    )]
    Refused(String),
    #[error("the topic {0} takes nothing yet: {1}")]
    Broken(String, Code),
}

/// Lets `reached` go when the topic is there. Later outages do not take the gateway out of routing: there is no better place for a
/// push to go.
///
/// # Errors
/// librdkafka refused the settings.
pub(crate) async fn reach(
    producer: Producer,
    kafka: Kafka,
    topic: String,
    reached: Option<Hold>,
    ended: CancellationToken,
) -> anyhow::Result<()> {
    // Asking as a producer would create the topic, and with the wrong number of partitions, where brokers do that by themselves.
    let client = kafka.consumer("gateway", &[]).context("librdkafka refused the settings of a consumer")?;
    let probe = async move {
        let client = Arc::new(client);
        let (mut said, mut seldom) = (None, Seldom::every(SAY));
        while let Err(why) = ask(producer.clone(), Arc::clone(&client), topic.clone()).await? {
            if seldom.is_due(Instant::now()) || said.as_ref() != Some(&why) {
                tracing::error!("events cannot go to kafka: {why}");
                said = Some(why);
            }
            sleep(ASK_AGAIN).await;
        }
        drop(reached);
        // Whether it has come to its end matters to nobody.
        let _ended = kafka::last(ANSWER_WITHIN, move || drop(client)).await;
        anyhow::Ok(())
    };
    if let Some(probed) = ended.run_until_cancelled(probe).await {
        probed?;
        ended.cancelled().await;
    }
    Ok(())
}

async fn ask(
    producer: Producer,
    client: Arc<StreamConsumer>,
    topic: String,
) -> anyhow::Result<Result<(), NotThere>> {
    let asked = move || {
        // Also so that the first push finds it connected.
        producer.reach(ANSWER_WITHIN).map_err(NotThere::Kafka)?;
        let metadata = client.fetch_metadata(Some(&topic), ANSWER_WITHIN).map_err(NotThere::Kafka)?;
        let error = metadata.topics().first().and_then(|found| found.error()).map(Code::from);
        match error {
            None => Ok(()),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Err(NotThere::Missing(topic)),
            Some(Code::TopicAuthorizationFailed) => Err(NotThere::Refused(topic)),
            Some(code) => Err(NotThere::Broken(topic, code)),
        }
    };
    Ok(tokio::task::spawn_blocking(asked).await?)
}
