//! librdkafka's mock cluster: a broker inside the process, for a first look and for tests. Volatile.

use std::{sync::mpsc, thread};

use anyhow::{Context as _, Result, anyhow};
use proto::Topic;
use rdkafka::{
    Offset, TopicPartitionList,
    config::ClientConfig,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use runtime::kafka::Kafka;

/// Fetching costs the mock one scan a partition: a first look needs no twelve.
const PARTITIONS: i32 = 4;

/// A running mock cluster; dropping it ends it.
#[derive(Debug)]
pub struct EmbeddedKafka {
    bootstrap: String,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl EmbeddedKafka {
    /// Starts one with these topics and their numbers of partitions.
    ///
    /// # Errors
    /// librdkafka could not start it.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self> {
        let topics: Vec<(String, i32)> = topics.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let (started, starting) = mpsc::channel();
        let (stop, stopping) = mpsc::channel::<()>();
        // The cluster may not leave the thread that made it.
        let thread =
            thread::Builder::new().name("embedded-kafka".to_owned()).spawn(move || {
                match cluster(&topics) {
                    Ok(cluster) => {
                        if started.send(Ok(cluster.bootstrap_servers())).is_ok() {
                            let _ended = stopping.recv();
                        }
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            })?;
        let bootstrap = starting.recv().map_err(|_| anyhow!("the embedded kafka ended while starting"))??;
        Ok(Self { bootstrap, stop: Some(stop), thread: Some(thread) })
    }

    /// `host:port` of its brokers.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl Drop for EmbeddedKafka {
    fn drop(&mut self) {
        self.stop = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the embedded kafka did not end in order");
        }
    }
}

/// Partitions of a topic here.
pub(super) fn partitions(topic: &Topic) -> i32 {
    topic.partitions.min(PARTITIONS)
}

fn cluster(topics: &[(String, i32)]) -> Result<MockCluster<'static, DefaultProducerContext>> {
    let cluster = MockCluster::new(1).context("the embedded kafka cannot be started")?;
    for (name, partitions) in topics {
        cluster.create_topic(name, *partitions, 1)?;
    }
    Ok(cluster)
}

/// Commits offset 0 for a group that has none yet: with `auto.offset.reset=error` a record that the mock has dropped is then an
/// error and never silence.
pub(super) fn start_at_the_beginning(kafka: &Kafka, group: &str, topic: &str, partitions: i32) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap).set("group.id", kafka.topic(group));
    let consumer: BaseConsumer = config.create()?;
    let mut start = TopicPartitionList::new();
    for partition in 0..partitions {
        start.add_partition_offset(topic, partition, Offset::Offset(0))?;
    }
    consumer.commit(&start, CommitMode::Sync)?;
    Ok(())
}
