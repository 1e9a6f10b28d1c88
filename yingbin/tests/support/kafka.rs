//! A real Apache Kafka node that can be killed and started again on its data, and reading what stands in it.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use proto::Topic;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::KafkaResult,
    message::Headers as _,
};
use runtime::kafka::{GroupProtocol, Kafka};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::processes::{Process, free_port, script, until, within};

/// Longest wait for an answer of the broker.
const PATIENCE: Duration = Duration::from_secs(10);

/// One node.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Option<Process>,
    folder: TempDir,
    port: u16,
    controller_port: u16,
}

impl Broker {
    /// The node that all tests use that kill none; it ends with the last of them.
    pub(crate) async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Broker>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(broker) = shared.upgrade() {
            return broker;
        }
        let broker = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&broker);
        broker
    }

    /// Starts a node that answers.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut broker = Self { process: None, folder, port: free_port(), controller_port: free_port() };
        broker.start_again().await;
        broker
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Goes on with the same data; returns when it answers.
    pub(crate) async fn start_again(&mut self) {
        let mut command = script("kafka");
        command.arg(self.folder.path().join("kafka"));
        command.arg(self.port.to_string()).arg(self.controller_port.to_string());
        let kafka = self.clients("");
        let process = self.process.insert(Process::start("kafka", command, self.folder.path()));
        answers(process, &kafka).await;
    }

    /// How clients reach it, with names of their own.
    pub(crate) fn clients(&self, namespace: &str) -> Kafka {
        Kafka {
            bootstrap: format!("127.0.0.1:{}", self.port),
            namespace: namespace.to_owned(),
            group_protocol: GroupProtocol::Classic,
            properties: Vec::new(),
            consumer_properties: Vec::new(),
        }
    }
}

/// What a client says to a broker that asks who it is.
pub(crate) fn login(user: &str, password: &str) -> Vec<(String, String)> {
    let told = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", user),
        ("sasl.password", password),
    ];
    told.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// A record as any consumer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When it was handed to the producer, Unix milliseconds.
    pub(crate) at_ms: i64,
    pub(crate) value: Vec<u8>,
    headers: HashMap<String, String>,
}

impl Record {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Everything that stands in a topic now, partition by partition.
pub(crate) async fn read(kafka: &Kafka, topic: Topic) -> Vec<Record> {
    // A partition whose leader has just changed does not tell its end at once.
    let open = async || from_the_beginning(kafka.clone(), topic).await.ok();
    let (consumer, left) = until("the topic can be read", PATIENCE, open).await;
    let mut records = Vec::new();
    for _ in 0..left {
        // A connection that ends is made again.
        let next = async {
            loop {
                if let Ok(message) = consumer.recv().await {
                    return message;
                }
            }
        };
        let message = within(PATIENCE, "a record that is there", next).await;
        let headers = message.headers().map(|headers| {
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
        });
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            at_ms: message.timestamp().to_millis().unwrap_or_default(),
            value: message.payload().unwrap_or_default().to_vec(),
            headers: headers.unwrap_or_default(),
        });
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// A reader at the beginning of a topic, and how many records it has to read. The topics of the services are never
/// compacted nor written in transactions, so offsets have no holes.
async fn from_the_beginning(kafka: Kafka, topic: Topic) -> KafkaResult<(StreamConsumer, i64)> {
    let opened = tokio::task::spawn_blocking(move || {
        let consumer: StreamConsumer = kafka.consumer("reader", &[("fetch.wait.max.ms", "10")]).unwrap();
        let (name, mut all, mut left) = (kafka.topic(topic.name), TopicPartitionList::new(), 0);
        for partition in 0..topic.partitions {
            let (low, high) = consumer.fetch_watermarks(&name, partition, PATIENCE)?;
            all.add_partition_offset(&name, partition, Offset::Offset(low)).unwrap();
            left += high - low;
        }
        consumer.assign(&all)?;
        Ok((consumer, left))
    });
    opened.await.unwrap()
}

/// Waits until a group has committed everything that stands in a topic.
pub(crate) async fn handled(kafka: &Kafka, group: &'static str, topic: Topic, within: Duration) {
    let lagging = Arc::new(Lag::of(kafka, group, topic));
    let nothing = async || {
        let lagging = Arc::clone(&lagging);
        tokio::task::spawn_blocking(move || lagging.records().ok().filter(|records| *records == 0))
            .await
            .unwrap()
    };
    until("every event is handled and committed", within, nothing).await;
}

/// What a group has not committed of a topic.
struct Lag {
    consumer: StreamConsumer,
    topic: String,
    partitions: i32,
}

impl Lag {
    fn of(kafka: &Kafka, group: &str, topic: Topic) -> Self {
        let consumer = kafka.consumer(group, &[]).unwrap();
        Self { consumer, topic: kafka.topic(topic.name), partitions: topic.partitions }
    }

    fn records(&self) -> KafkaResult<i64> {
        let mut all = TopicPartitionList::new();
        all.add_partition_range(&self.topic, 0, self.partitions - 1);
        let committed = self.consumer.committed_offsets(all, PATIENCE)?;
        let lag = |partition: i32| {
            let (low, high) = self.consumer.fetch_watermarks(&self.topic, partition, PATIENCE)?;
            let offset = committed.find_partition(&self.topic, partition).map(|found| found.offset());
            Ok(match offset {
                Some(Offset::Offset(offset)) => high - offset,
                _ => high - low,
            })
        };
        (0..self.partitions).map(lag).sum()
    }
}

/// Waits until a node answers whoever asks like this.
pub(crate) async fn answers(process: &mut Process, kafka: &Kafka) {
    let probe = Arc::new(kafka.producer("probe").unwrap());
    let answered = async || {
        process.must_run();
        let probe = Arc::clone(&probe);
        let asked = tokio::task::spawn_blocking(move || probe.reach(Duration::from_secs(1)));
        asked.await.unwrap().ok()
    };
    until("kafka answers", Duration::from_secs(60), answered).await;
}
