//! Everything around one content-service, and the events that go through it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    mem,
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use content_service::{
    Config, Listeners,
    config::{Account, Concurrency, Delivery, Keeping, Links, Profile},
    serve,
};
use prost::Message as _;
use proto::{
    CloudEvent,
    content::Item,
    event::{Event, TextReceived, event::Kind},
    reply::{Outcome, Reply},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::{Headers as _, OwnedMessage},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use runtime::{
    clock::Clock,
    config::Secret,
    kafka::{GroupProtocol, Kafka, Producer},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use wechat::{AccountKind, RuleSet};

use crate::{
    fakes::{Api, Profiles},
    redis_server::RedisServer,
};

pub(crate) const APP: &str = "wx0000000000000001";
pub(crate) const OTHER_APP: &str = "wx0000000000000002";
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a condition; panics with its name when it does not come true.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
}

/// Records of a topic, as they come.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<OwnedMessage>>>);

impl Seen {
    fn follow(kafka: &Kafka, topic: &str, partitions: i32) -> Self {
        let seen = Self::default();
        let consumer: StreamConsumer = kafka.consumer("looking-on", &[]).unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let records = Arc::clone(&seen.0);
        tokio::spawn(async move {
            loop {
                if let Ok(record) = consumer.recv().await {
                    records.lock().unwrap().push(record.detach());
                }
            }
        });
        seen
    }

    pub(crate) fn records(&self) -> Vec<OwnedMessage> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn replies(&self) -> Vec<Reply> {
        self.records().iter().map(|record| Reply::decode(record.payload().unwrap()).unwrap()).collect()
    }
}

/// A header of a record.
pub(crate) fn header(record: &OwnedMessage, name: &str) -> Option<String> {
    let found = record.headers()?.iter().find(|header| header.key == name)?;
    Some(String::from_utf8(found.value?.to_vec()).unwrap())
}

type Mock = MockCluster<'static, DefaultProducerContext>;

/// A cluster that goes on after a test that has failed: what that left running would wait for it.
pub(crate) struct Cluster(Option<Mock>);

impl Deref for Cluster {
    type Target = Mock;

    fn deref(&self) -> &Mock {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            mem::forget(self.0.take());
        }
    }
}

pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) other_api: Api,
    pub(crate) profiles: Profiles,
    pub(crate) redis: RedisServer,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) replies: Seen,
    pub(crate) dlq: Seen,
    pub(crate) profile_task: Option<JoinHandle<()>>,
    pub(crate) profile_address: SocketAddr,
    pub(crate) cluster: Cluster,
    pub(crate) folder: TempDir,
    producer: Producer,
    admin: Option<SocketAddr>,
    running: Option<Running>,
    /// How each replica ended.
    ends: Arc<Mutex<Vec<String>>>,
}

type Running = (CancellationToken, JoinHandle<anyhow::Result<()>>);

const PLAYBOOK: &str = "
account: NAME
timezone: Asia/Shanghai
replies:
  - name: two
    on: ['text:two']
    messages:
      - text: first
      - text: second
  - name: paper
    on: ['text:paper']
    slots:
      - name: lead
        count: 1
    messages:
      - text: '{% for item in slots.lead %}{{ item.title }}{% endfor %}'
  - name: echo
    on: [text]
    messages:
      - text: '{{ event.text }}'
  - name: neutral
    on: [visit]
    messages:
      - text: welcome
";

fn account(folder: &TempDir, name: &str, app_id: &str, api: &str) -> Account {
    let playbook = folder.path().join(format!("{name}.yaml"));
    std::fs::write(&playbook, PLAYBOOK.replace("NAME", name)).unwrap();
    Account {
        name: name.to_owned(),
        app_id: app_id.to_owned(),
        secret: Secret::new("app-secret"),
        kind: AccountKind::Official,
        rules: RuleSet::Today,
        api: api.to_owned(),
        playbook,
    }
}

impl World {
    /// Everything but the service itself, with `partitions` partitions of events.
    pub(crate) async fn new(partitions: i32) -> Self {
        runtime::telemetry::init("off");
        let cluster = Cluster(Some(MockCluster::new(1).unwrap()));
        for (topic, partitions) in
            [(proto::EVENTS, partitions), (proto::REPLIES, partitions), (proto::DLQ, 1), (proto::ITEMS, 1)]
        {
            cluster.create_topic(topic.name, partitions, 1).unwrap();
        }
        let kafka = Kafka {
            bootstrap: cluster.bootstrap_servers(),
            namespace: String::new(),
            group_protocol: GroupProtocol::Consumer,
            properties: Vec::new(),
            consumer_properties: vec![("fetch.wait.max.ms".to_owned(), "10".to_owned())],
        };
        let (redis, profiles) = (RedisServer::start().await, Profiles::default());
        let ((api, address), (other_api, other_address)) = (Api::start().await, Api::start().await);
        let (profile_address, profile_task) = profiles.start("127.0.0.1:0".parse().unwrap()).await;
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            kafka: kafka.clone(),
            redis: redis.config(),
            keeping: Keeping::default(),
            profile: Profile {
                tls: runtime::tls::TlsFiles::default(),
                endpoint: format!("http://{profile_address}"),
                // A loaded machine must not turn a test of something else into one of the neutral edition.
                deadline: Duration::from_secs(2),
            },
            admin: "127.0.0.1:0".parse().unwrap(),
            links: Links {
                base_url: "http://gateway".to_owned(),
                secret: Secret::new("link"),
                lifetime: Duration::from_secs(60),
            },
            delivery: Delivery::default(),
            concurrency: Concurrency::default(),
            sources: BTreeMap::new(),
            accounts: vec![
                account(&folder, "shop", APP, &address),
                account(&folder, "other", OTHER_APP, &other_address),
            ],
        };
        let producer = kafka.producer("test").unwrap();
        let replies = Seen::follow(&kafka, proto::REPLIES.name, partitions);
        let dlq = Seen::follow(&kafka, proto::DLQ.name, 1);
        Self {
            api,
            other_api,
            profiles,
            redis,
            config,
            clock: Clock::system(),
            replies,
            dlq,
            profile_task: Some(profile_task),
            profile_address,
            cluster,
            folder,
            producer,
            admin: None,
            running: None,
            ends: Arc::default(),
        }
    }

    /// The whole world with a running service.
    pub(crate) async fn start(partitions: i32) -> Self {
        let mut world = Self::new(partitions).await;
        world.run().await;
        world
    }

    /// The same, with a Redis that may take its time: a machine that is loaded must not cost a right to try.
    pub(crate) async fn start_patiently(partitions: i32) -> Self {
        let mut world = Self::new(partitions).await;
        world.config.redis.deadline = Duration::from_secs(2);
        world.run().await;
        world
    }

    pub(crate) async fn run(&mut self) {
        let listeners = Listeners { admin: TcpListener::bind("127.0.0.1:0").await.unwrap() };
        self.admin = Some(listeners.admin.local_addr().unwrap());
        self.running = Some(self.one_more(listeners));
    }

    /// Another replica of the service.
    pub(crate) async fn replica(&self) -> Running {
        self.one_more(Listeners { admin: TcpListener::bind("127.0.0.1:0").await.unwrap() })
    }

    fn one_more(&self, listeners: Listeners) -> Running {
        let shutdown = CancellationToken::new();
        let service = serve(self.config.clone(), listeners, self.clock.clone(), shutdown.clone());
        let ends = Arc::clone(&self.ends);
        let service = async move {
            let ended = service.await;
            ends.lock().unwrap().push(format!("{ended:?}"));
            ended
        };
        (shutdown, tokio::spawn(service))
    }

    /// Ends the service in order.
    pub(crate) async fn stop(&mut self) {
        end(self.running.take().unwrap()).await;
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        self.ask("/metrics").await
    }

    /// What `/readyz` says.
    pub(crate) async fn readyz(&self) -> String {
        self.ask("/readyz").await
    }

    async fn ask(&self, path: &str) -> String {
        let connected = TcpStream::connect(self.admin.unwrap()).await;
        let mut stream =
            connected.unwrap_or_else(|error| panic!("{error}; content-service: {:?}", self.ends.lock()));
        let request = format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// A text of a user of the first account.
    pub(crate) fn text(&self, openid: &str, id: &str, content: &str) -> Event {
        let kind =
            Kind::TextReceived(TextReceived { content: content.to_owned(), ..TextReceived::default() });
        self.event(openid, id, kind)
    }

    pub(crate) fn event(&self, openid: &str, id: &str, kind: Kind) -> Event {
        let now_ms = self.clock.now_ms();
        Event {
            id: id.to_owned(),
            account: "shop".to_owned(),
            app_id: APP.to_owned(),
            openid: openid.to_owned(),
            occurred_at_ms: now_ms,
            received_at_ms: now_ms,
            kind: Some(kind),
            ..Event::default()
        }
    }

    pub(crate) async fn push(&self, event: &Event) {
        let attributes =
            CloudEvent::of_event(event, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let (headers, key) = (attributes.headers(), attributes.key.clone());
        self.push_raw(key.as_bytes(), &headers, &event.encode_to_vec()).await;
    }

    pub(crate) async fn push_raw(&self, key: &[u8], headers: &[(&str, Cow<'_, str>)], value: &[u8]) {
        self.producer.send(proto::EVENTS.name, key, headers, Some(value)).unwrap().await.unwrap();
    }

    pub(crate) async fn publish_item(&self, item: &Item) {
        let value = item.encode_to_vec();
        self.producer.send(proto::ITEMS.name, item.id.as_bytes(), &[], Some(&value)).unwrap().await.unwrap();
    }

    /// The outcome of an event, once it is there.
    pub(crate) async fn outcome(&self, event_id: &str) -> Reply {
        let find = || self.replies.replies().into_iter().find(|reply| reply.event_id == event_id);
        until(&format!("the outcome of {event_id}"), async || {
            let ended = self.running.as_ref().is_none_or(|(_, service)| service.is_finished());
            assert!(find().is_some() || !ended, "content-service is not running: {:?}", self.ends.lock());
            find().is_some()
        })
        .await;
        find().unwrap()
    }

    /// All outcomes, once there are so many.
    pub(crate) async fn outcomes(&self, count: usize) -> Vec<Reply> {
        until(&format!("{count} outcomes"), async || self.replies.records().len() >= count).await;
        self.replies.replies()
    }

    /// Waits until the group's committed offsets add up to so many records.
    pub(crate) async fn committed(&self, records: i64) {
        let consumer = self.onlooker();
        until(&format!("{records} records committed"), async || committed_to(&consumer).await >= records)
            .await;
    }

    /// What the group's committed offsets add up to now.
    pub(crate) async fn committed_now(&self) -> i64 {
        committed_to(&self.onlooker()).await
    }

    fn onlooker(&self) -> Arc<StreamConsumer> {
        Arc::new(self.config.kafka.consumer(content_service::consume::GROUP, &[]).unwrap())
    }
}

async fn committed_to(consumer: &Arc<StreamConsumer>) -> i64 {
    let consumer = Arc::clone(consumer);
    let sum = tokio::task::spawn_blocking(move || {
        let metadata = consumer.fetch_metadata(Some(proto::EVENTS.name), PATIENCE).unwrap();
        let mut all = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            all.add_partition(proto::EVENTS.name, partition.id());
        }
        let committed = consumer.committed_offsets(all, PATIENCE).unwrap();
        tracing::debug!(?committed, "offsets of the group");
        let offsets = committed.elements();
        offsets.iter().filter_map(|one| one.offset().to_raw()).filter(|at| *at > 0).sum()
    });
    sum.await.unwrap()
}

/// Ends one replica in order.
pub(crate) async fn end((shutdown, service): Running) {
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, service).await.expect("it ends").unwrap().expect("in order");
}

/// The outcomes by event id.
pub(crate) fn by_id(replies: &[Reply]) -> BTreeMap<String, Vec<Outcome>> {
    let mut all: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for reply in replies {
        all.entry(reply.event_id.clone()).or_default().push(reply.outcome());
    }
    all
}
