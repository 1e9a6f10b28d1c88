//! Kafka and Redis for a process that brings its own, or the ones that the environment names.

mod kafka;
mod redis;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use runtime::{
    kafka::{GroupProtocol, Kafka},
    redis::{Redis, RedisConfig},
};

use tempfile::TempDir;

pub use kafka::EmbeddedKafka;
pub use redis::{RedisEnded, RedisServer};

use crate::command::topics;

/// Groups of the services, whose start on a fresh mock cluster has to be told.
const GROUPS: [(&str, proto::Topic); 2] =
    [(content_service::consume::GROUP, proto::EVENTS), (profile_service::GROUP, proto::ACTIVITY)];

/// Servers that somebody else runs.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    /// `KAFKA_BOOTSTRAP`.
    pub kafka: Option<String>,
    /// `REDIS_URL`.
    pub redis: Option<String>,
    /// Put before every name there.
    pub namespace: String,
}

impl Outside {
    /// What the environment names.
    #[must_use]
    pub fn from_environment(namespace: &str) -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { kafka: read("KAFKA_BOOTSTRAP"), redis: read("REDIS_URL"), namespace: namespace.to_owned() }
    }
}

/// Where Kafka and Redis are, and the ones that run here.
#[derive(Debug)]
pub struct Infrastructure {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// How to reach Redis.
    pub redis: RedisConfig,
    embedded_kafka: Option<EmbeddedKafka>,
    redis_server: Option<RedisServer>,
    scratch: TempDir,
}

impl Infrastructure {
    /// Starts what is not named and creates the topics: events can be written. Before they can be read here,
    /// [`Infrastructure::begin_groups`].
    ///
    /// # Errors
    /// A server cannot be started or reached; the error says what would help.
    pub async fn start(outside: Outside) -> Result<Self> {
        let Outside { kafka, redis, namespace } = outside;
        let kafka = async {
            match kafka {
                Some(bootstrap) => Ok((None, outside_kafka(bootstrap, &namespace))),
                None => embedded_kafka(&namespace),
            }
        };
        let redis = async {
            match redis {
                Some(url) => Ok((None, url)),
                None => RedisServer::start().await.map(|server| {
                    let url = server.url();
                    (Some(server), url)
                }),
            }
        };
        let ((embedded_kafka, kafka), (redis_server, url)) = tokio::try_join!(kafka, redis)?;
        if embedded_kafka.is_none() {
            let reach = format!("kafka at {} cannot be used", kafka.bootstrap);
            topics::create(&kafka, 1).await.context(reach)?;
        }
        let redis = RedisConfig::new(url, Duration::from_millis(100));
        let infrastructure =
            Self { kafka, redis, embedded_kafka, redis_server, scratch: tempfile::tempdir()? };
        infrastructure.reach_redis().await?;
        if infrastructure.embedded_kafka.is_some() && infrastructure.redis_server.is_none() {
            infrastructure.claim_redis().await?;
        }
        Ok(infrastructure)
    }

    /// Tells the groups of the services where to begin, on a fresh mock cluster. Takes half a second there.
    ///
    /// # Errors
    /// Kafka does not answer.
    pub async fn begin_groups(&self) -> Result<()> {
        if self.embedded_kafka.is_none() {
            return Ok(());
        }
        // Side by side: each waits half a second for its coordinator.
        let starts = GROUPS.map(|(group, topic)| {
            let kafka = self.kafka.clone();
            let start = move || {
                let partitions = kafka::partitions(&topic);
                kafka::start_at_the_beginning(&kafka, group, &kafka.topic(topic.name), partitions)
                    .with_context(|| format!("the start of the group {group}"))
            };
            tokio::task::spawn_blocking(start)
        });
        for start in starts {
            start.await??;
        }
        Ok(())
    }

    /// A folder for what lives as long as this.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// What is gone when the process ends.
    #[must_use]
    pub fn volatile(&self) -> Vec<&'static str> {
        let kafka =
            self.embedded_kafka.as_ref().map(|_| "Kafka (librdkafka's mock cluster, 5 MiB a partition)");
        let redis = self
            .redis_server
            .as_ref()
            .map(|_| "Redis (a child process without persistence, so redis.durability is assumed)");
        let spool = "what the gateway keeps while Kafka is away";
        kafka.into_iter().chain(redis).chain([spool]).collect()
    }

    /// Waits until the Redis that was started here ends by itself; never, if that is somebody else's.
    pub fn redis_ended(&self) -> impl Future<Output = RedisEnded> + Send + use<> {
        let ended = self.redis_server.as_ref().map(RedisServer::ended);
        async {
            match ended {
                Some(ended) => ended.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Ends what was started here, Redis last.
    pub async fn stop(self) {
        drop(self.embedded_kafka);
        if let Some(server) = self.redis_server {
            server.stop().await;
        }
    }

    /// A ledger outlives a Kafka that ends with its process, and would take the same events of another life for repeats.
    async fn claim_redis(&self) -> Result<()> {
        let redis = Redis::new(&self.redis, &self.kafka.namespace)?;
        let mut claim = ::redis::cmd("SET");
        claim.arg(redis.key("yingbin up")).arg("with a Kafka of its own").arg("NX");
        let claimed = redis.query::<Option<String>>(&claim).await.context("redis cannot be used")?;
        anyhow::ensure!(
            claimed.is_some(),
            "this Redis holds what another `yingbin up` has written there, which had a Kafka of its own: give another --namespace, \
             empty it, or name a Kafka that stays in KAFKA_BOOTSTRAP"
        );
        Ok(())
    }

    async fn reach_redis(&self) -> Result<()> {
        let redis = Redis::new(&self.redis, "")?;
        let ping = ::redis::cmd("PING");
        let mut last = None;
        for _ in 0..50 {
            match redis.query::<String>(&ping).await {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| anyhow::anyhow!("no answer"), Into::into)).context("redis cannot be used")
    }
}

fn outside_kafka(bootstrap: String, namespace: &str) -> Kafka {
    Kafka {
        bootstrap,
        namespace: namespace.to_owned(),
        group_protocol: GroupProtocol::Classic,
        properties: Vec::new(),
        consumer_properties: Vec::new(),
    }
}

fn embedded_kafka(namespace: &str) -> Result<(Option<EmbeddedKafka>, Kafka)> {
    let names: Vec<_> =
        proto::ALL_TOPICS.iter().map(|topic| (format!("{namespace}{}", topic.name), topic)).collect();
    let topics: Vec<_> =
        names.iter().map(|(name, topic)| (name.as_str(), kafka::partitions(topic))).collect();
    let server = EmbeddedKafka::start(&topics)?;
    let kafka = Kafka {
        group_protocol: GroupProtocol::Consumer,
        consumer_properties: vec![
            ("fetch.wait.max.ms".to_owned(), "10".to_owned()),
            ("auto.offset.reset".to_owned(), "error".to_owned()),
        ],
        ..outside_kafka(server.bootstrap().to_owned(), namespace)
    };
    Ok((Some(server), kafka))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_redis_serves_one_life_of_a_kafka_that_ends_under_each_namespace() {
        let redis = RedisServer::start().await.unwrap();
        let outside = |namespace: &str| Outside {
            redis: Some(redis.url()),
            namespace: namespace.to_owned(),
            ..Outside::default()
        };
        let mut told = Vec::new();
        for namespace in ["a.", "a.", "b."] {
            let started = Infrastructure::start(outside(namespace)).await;
            told.push(started.map(drop).map_err(|refusal| refusal.to_string().contains("--namespace")));
        }
        assert_eq!(told, [Ok(()), Err(true), Ok(())]);
    }
}
