//! librdkafka's mock cluster: a broker inside the process, for a first look and for tests. Volatile.

use std::{net::TcpStream, sync::mpsc, thread, time::Duration};

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

/// Between two connections that keep the mock awake while it starts.
const NUDGE: Duration = Duration::from_millis(2);

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
    let bootstrap = cluster.bootstrap_servers();
    let (done, creating) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || keep_awake(&bootstrap, &creating));
        for (name, partitions) in topics {
            cluster.create_topic(name, *partitions, 1)?;
        }
        drop(done);
        Ok(cluster)
    })
}

/// The mock's thread clears its wake-up call after it has served what it was called for: a topic asked for in between waits for the
/// thread's next look, a second later. A connection wakes it, too.
fn keep_awake(bootstrap: &str, creating: &mpsc::Receiver<()>) {
    while creating.recv_timeout(NUDGE) == Err(mpsc::RecvTimeoutError::Timeout) {
        drop(TcpStream::connect(bootstrap));
    }
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn topics_are_created_without_waiting_for_the_mocks_next_look() {
        let names: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
        let topics: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let started = Instant::now();
        for _ in 0..4 {
            drop(EmbeddedKafka::start(&topics).unwrap());
        }
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
}
