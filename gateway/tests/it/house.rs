//! A running gateway with a broker of its own, three accounts, and eyes on the topic.

use std::{collections::BTreeMap, future::Future, net::SocketAddr, path::Path, time::Duration};

use gateway::{Account, Config, Limits, Listeners, Secrets, Shutdown, Spool, serve};
use prost::Message as _;
use proto::{
    Link, LinkKey,
    content::Item,
    event::{Event, event::Kind},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::Headers as _,
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use runtime::{
    clock::Clock,
    config::{Secret, Settings},
    kafka::Kafka,
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use wechat::{
    Mode,
    envelope::AesKey,
    push::{Credentials, Format, SealedPush, seal},
};

use crate::wire::{self, Reply};

pub(crate) const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
pub(crate) const OTHER_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
pub(crate) const LINK_SECRET: &str = "a secret of thirty-two characters";
const PARTITIONS: i32 = 3;
/// How long Kafka may take.
pub(crate) const PRODUCE_TIMEOUT: Duration = Duration::from_millis(2500);
const PATIENCE: Duration = Duration::from_secs(10);

/// A record of the topic of events.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) event: Event,
    pub(crate) key: String,
    pub(crate) headers: BTreeMap<String, String>,
}

pub(crate) struct House {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) kafka: Kafka,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<anyhow::Result<()>>,
}

pub(crate) fn credentials(mode: Mode) -> Credentials {
    Credentials {
        app_id: format!("wx-{mode}"),
        token: "token-now".into(),
        previous_token: Some("token-before".into()),
        aes_key: (mode != Mode::Plain).then(|| AesKey::parse(KEY).unwrap()),
        previous_aes_key: (mode != Mode::Plain).then(|| AesKey::parse(OTHER_KEY).unwrap()),
        mode,
    }
}

/// Accounts `plain`, `compatible` and `safe`; `safe` has a home page.
fn config(bootstrap: String) -> Config {
    let account = |mode: Mode| Account {
        name: mode.to_string(),
        credentials: credentials(mode),
        secrets: Secrets::default(),
        home_url: (mode == Mode::Safe).then(|| "https://home.example/?a=1&b=2".parse().unwrap()),
    };
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        admin: ([127, 0, 0, 1], 0).into(),
        accounts: [Mode::Plain, Mode::Compatible, Mode::Safe].map(account).into(),
        link_secret: Secret::new(LINK_SECRET),
        limits: Limits { produce_timeout: PRODUCE_TIMEOUT, ..Limits::default() },
        spool: None,
        shutdown: Shutdown { announce: Duration::ZERO, drain: Duration::from_secs(5) },
        kafka: Kafka { bootstrap, ..Kafka::read(&mut Settings::defaults("gateway")) },
    }
}

/// Has a spool in this folder.
pub(crate) fn with_spool(folder: &Path) -> impl FnOnce(&mut Config) {
    move |config| config.spool = Some(Spool::in_folder(folder))
}

/// The `n`th text of a user.
pub(crate) fn text(user: &str, n: usize) -> Vec<u8> {
    format!("<xml><FromUserName>{user}</FromUserName><MsgType>text</MsgType><Content>hi</Content><MsgId>{n}</MsgId></xml>")
        .into_bytes()
}

/// Asks until it is so.
pub(crate) async fn until<A: Future<Output = bool>>(condition: impl Fn() -> A) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asking).await.expect("the condition came true in time");
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(proto::EVENTS.name, PARTITIONS, 1).unwrap();
        cluster.create_topic(proto::ITEMS.name, 1, 1).unwrap();
        Self::on(cluster, change).await
    }

    /// Starts and waits until it is ready.
    pub(crate) async fn on(
        cluster: MockCluster<'static, DefaultProducerContext>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config(cluster.bootstrap_servers());
        change(&mut config);
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listeners = Listeners { public: bind().await, admin: bind().await };
        let (public, admin) = (listeners.public.local_addr().unwrap(), listeners.admin.local_addr().unwrap());
        let (clock, shutdown, kafka) = (Clock::system(), CancellationToken::new(), config.kafka.clone());
        let serving = tokio::spawn(serve(config, listeners, clock.clone(), shutdown.clone()));
        let house = Self { cluster, public, admin, clock, kafka, shutdown, serving };
        until(async || wire::get(admin, "/readyz").await.status == 200).await;
        house
    }

    /// Ends in order, as every gateway must be able to; the cluster lives on.
    pub(crate) async fn end(self) -> MockCluster<'static, DefaultProducerContext> {
        self.shutdown.cancel();
        timeout(PATIENCE, self.serving).await.expect("it ended in time").unwrap().unwrap();
        self.cluster
    }

    /// Pushes the `n`th text of a user.
    pub(crate) async fn push_text(&self, user: &str, n: usize) -> Reply {
        self.push(Mode::Safe, &text(user, n)).await
    }

    /// The value of a metric whose line begins so; 0 while there is none.
    pub(crate) async fn metric(&self, begin: &str) -> f64 {
        let text = wire::get(self.admin, "/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(begin));
        line.map_or(0.0, |rest| rest.trim().parse().unwrap())
    }

    /// Seals a document as the platform does, now.
    pub(crate) fn seal(&self, mode: Mode, document: &[u8]) -> SealedPush {
        self.seal_as(&credentials(mode), document, 0)
    }

    pub(crate) fn seal_as(&self, as_whom: &Credentials, document: &[u8], seconds_ago: i64) -> SealedPush {
        let timestamp = self.clock.now_ms() / 1000 - seconds_ago;
        seal(as_whom, document, Format::of(document), timestamp, "1320562132", *b"0123456789abcdef").unwrap()
    }

    pub(crate) async fn push(&self, mode: Mode, document: &[u8]) -> Reply {
        self.post(mode.as_str(), &self.seal(mode, document)).await
    }

    pub(crate) async fn post(&self, account: &str, push: &SealedPush) -> Reply {
        wire::post(self.public, &format!("/wechat/{account}?{}", push.query), &push.body).await
    }

    /// The first `count` records of the topic of events.
    pub(crate) async fn events(&self, count: usize) -> Vec<Received> {
        let consumer: StreamConsumer = self.kafka.consumer("eyes", &[("fetch.wait.max.ms", "10")]).unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(proto::EVENTS.name, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let mut events = Vec::new();
        while events.len() < count {
            let record = timeout(PATIENCE, consumer.recv()).await.expect("the events came in time").unwrap();
            let headers = record.headers().unwrap().iter();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            events.push(Received {
                event: Event::decode(record.payload().unwrap()).unwrap(),
                key: text(record.key().unwrap()),
                headers: headers.map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect(),
            });
        }
        events
    }

    /// Each user's message ids in the order in which the topic first has them, of all that is in it.
    pub(crate) async fn ids_by_user(&self) -> BTreeMap<String, Vec<usize>> {
        let mut users: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for Received { event, .. } in self.events(usize::try_from(self.recorded()).unwrap()).await {
            let Some(Kind::TextReceived(text)) = &event.kind else { panic!("{event:?}") };
            let (id, ids) =
                (text.message_id.parse().unwrap(), users.entry(event.openid.clone()).or_default());
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        users
    }

    /// How many records the topic of events has.
    pub(crate) fn recorded(&self) -> i64 {
        let consumer: StreamConsumer = self.kafka.consumer("eyes", &[]).unwrap();
        let end = |partition| consumer.fetch_watermarks(proto::EVENTS.name, partition, PATIENCE).unwrap().1;
        (0..PARTITIONS).map(end).sum()
    }

    pub(crate) async fn publish(&self, item: &Item) {
        let producer = self.kafka.producer("editor").unwrap();
        let sent = producer.send(proto::ITEMS.name, item.id.as_bytes(), &[], Some(&item.encode_to_vec()));
        sent.unwrap().await.unwrap();
    }

    /// A token for `item_id` that a reader of `safe` got; it expires `seconds` from now.
    pub(crate) fn token(&self, app_id: &str, item_id: &str, seconds: i64) -> String {
        LinkKey::derive(LINK_SECRET).seal(&Link {
            app_id: app_id.into(),
            openid: "oReader".into(),
            item_id: item_id.into(),
            reply_event_id: "0123456789abcdef0123456789abcdef".into(),
            slot: "lead".into(),
            expires_at: self.clock.now_ms() / 1000 + seconds,
        })
    }
}
