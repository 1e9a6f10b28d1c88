//! A system to test with: the embedded default, or a namespace of its own on the servers that the environment names.
#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test ends at its first surprise")]

mod quota;

use std::path::{Path, PathBuf};

use proto::{
    Topic,
    activity::{Customer, customer::Name},
    profile::{GetRequest, Profile},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
};
use serde_json::Value;
use yingbin::{
    example::Example,
    infrastructure::Outside,
    play::Guest,
    up::{Ports, Setup, System},
};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An example by its name.
pub fn example(name: &str) -> Example {
    Example::read(&repository().join("examples").join(name)).unwrap()
}

/// A running system.
pub struct Stand {
    pub system: System,
}

impl Stand {
    /// Whose people have just been born.
    pub async fn fresh(names: &[&str]) -> Self {
        runtime::telemetry::init("warn");
        let outside = Outside::from_environment(&format!("t{:08x}.", rand::random::<u32>()));
        let examples = names.iter().map(|name| example(name)).collect();
        let system = System::start(Setup { examples, ports: Ports::ANY, outside }).await.unwrap();
        Self { system }
    }

    /// Whose people have lived for two months.
    pub async fn lived(names: &[&str]) -> Self {
        let stand = Self::fresh(names).await;
        stand.system.live_the_past(&|_, _| {}).await.unwrap();
        stand
    }

    /// Panics if the platform had to refuse anything for a window or a quota.
    pub async fn stop(self) {
        self.stop_having_forced(&[]).await;
    }

    /// The same in a test that forces these codes.
    pub async fn stop_having_forced(self, codes: &[i64]) {
        let url = format!("{}/sim/sends", self.system.addresses.simulator);
        let answer: Value = self.system.plays.http.get(url).send().await.unwrap().json().await.unwrap();
        let refusals = quota::refusals(answer["sends"].as_array().unwrap());
        assert_eq!(refusals, codes.iter().copied().collect(), "what the platform had to refuse for");
        self.system.stop().await.unwrap();
    }

    /// The n-th person of an account.
    pub fn guest(&self, account: &str, n: usize) -> Guest<'_> {
        let example = self.system.examples.iter().find(|example| example.account.name == account).unwrap();
        Guest { plays: &self.system.plays, account: &example.account.name, person: &example.people[n] }
    }

    /// What really arrived at somebody's phone.
    pub async fn messages(&self, openid: &str) -> Vec<Value> {
        self.simulator("messages", openid).await
    }

    /// A list of the simulator's, about one person.
    pub async fn simulator(&self, list: &str, openid: &str) -> Vec<Value> {
        let url = format!("{}/sim/{list}?openid={openid}", self.system.addresses.simulator);
        let answer: Value = self.system.plays.http.get(url).send().await.unwrap().json().await.unwrap();
        answer[list].as_array().unwrap().clone()
    }

    /// What is known about somebody.
    pub async fn profile(&self, guest: &Guest<'_>) -> Option<Profile> {
        let example =
            self.system.examples.iter().find(|example| example.account.name == guest.account).unwrap();
        let name = Some(Name::User(guest.person.user(&example.account.app_id)));
        let request = GetRequest { customer: Some(Customer { name }) };
        self.system
            .profiles()
            .await
            .unwrap()
            .get(request)
            .await
            .ok()
            .and_then(|found| found.into_inner().profile)
    }

    /// Reads topics from now on, as any other consumer would.
    pub async fn watch(&self, topics: &[Topic]) -> Watched {
        let (kafka, topics) = (self.system.kafka().clone(), topics.to_vec());
        let consumer = tokio::task::spawn_blocking(move || {
            let consumer: StreamConsumer = kafka.consumer("watched", &[]).unwrap();
            let timeout = std::time::Duration::from_secs(5);
            let mut ends = TopicPartitionList::new();
            for topic in topics.iter().map(|topic| kafka.topic(topic.name)) {
                let metadata = consumer.fetch_metadata(Some(&topic), timeout).unwrap();
                for partition in metadata.topics()[0].partitions() {
                    let (_, end) = consumer.fetch_watermarks(&topic, partition.id(), timeout).unwrap();
                    ends.add_partition_offset(&topic, partition.id(), Offset::Offset(end)).unwrap();
                }
            }
            consumer.assign(&ends).unwrap();
            consumer
        });
        Watched(consumer.await.unwrap())
    }
}

/// Topics that are being read.
pub struct Watched(StreamConsumer);

/// A record with its headers.
#[derive(Debug)]
pub struct Record {
    pub topic: String,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Record {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl Watched {
    /// The next records.
    pub async fn records(&self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            let message = self.0.recv().await.unwrap().detach();
            let headers = rdkafka::message::Headers::iter(message.headers().unwrap());
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            records.push(Record {
                topic: message.topic().to_owned(),
                key: message.key().unwrap_or_default().to_vec(),
                value: message.payload().unwrap_or_default().to_vec(),
                headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
            });
        }
        records
    }
}
