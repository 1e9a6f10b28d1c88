//! A system to break: its own Redis, topics and platform, the services as processes, and a proxy on every edge between them.

mod settings;
mod shape;
mod watched;

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicI64},
    time::Duration,
};

use runtime::{clock::Clock, kafka::Kafka, tls::TlsFiles};
use serde_json::{Value, json};
use simulator::Simulator;
use tokio_util::sync::{CancellationToken, DropGuard};
use yingbin::example::{Account, Example};

use crate::{
    cluster::{Client, Cluster},
    load::{Kind, Load, Pushed, Pusher},
    proxy::Proxy,
    service::Service,
    support::{
        authority::GOOD,
        processes::{free_port, repository},
        redis::RedisServer,
        secure::Certificates,
    },
};

pub(crate) use shape::Shape;

const PLAYBOOK: &str = include_str!("playbook.yaml");
/// What may be sent again, in two messages.
pub(crate) const AGAIN: &str = include_str!("playbook_again.yaml");
/// Shared by gateway and content-service of a test.
const SECRET: &str = "the secret of the fault tests";

/// The edges.
pub(crate) struct Edges {
    /// Platform → gateways.
    pub(crate) push: Proxy,
    /// content-services → platform.
    pub(crate) api: Proxy,
    /// content-services → Redis.
    pub(crate) ledger: Proxy,
    /// profile-service → Redis.
    pub(crate) memory: Proxy,
    /// content-services → profile-service.
    pub(crate) enrich: Proxy,
}

impl Edges {
    async fn before(push: Proxy, platform: SocketAddr, redis: u16, profile: u16) -> Self {
        Self {
            push,
            api: Proxy::before(vec![platform]).await,
            ledger: Proxy::before(vec![local(redis)]).await,
            memory: Proxy::before(vec![local(redis)]).await,
            enrich: Proxy::before(vec![local(profile)]).await,
        }
    }
}

/// The system.
pub(crate) struct Stand {
    /// As the tests reach it.
    pub(crate) kafka: Kafka,
    /// As gateways, content-services and profile-service reach it.
    kafkas: [Kafka; 3],
    pub(crate) events: proto::Topic,
    /// When something was last done that may keep Kafka from taking records, Unix milliseconds.
    pub(crate) kafka_touched: Arc<AtomicI64>,
    pub(crate) redis: RedisServer,
    /// Where Redis is reached over TLS.
    pub(crate) certificates: Option<Certificates>,
    redis_files: Option<TlsFiles>,
    pub(crate) pusher: Arc<Pusher>,
    platform: String,
    pub(crate) edges: Edges,
    pub(crate) gateways: Vec<Option<Service>>,
    pub(crate) contents: Vec<Option<Service>>,
    pub(crate) profile: Option<Service>,
    gateway_ports: Vec<u16>,
    profile_port: u16,
    pub(crate) shape: Shape,
    /// Whoever is started is of the build before.
    pub(crate) older: bool,
    /// The metrics of the fault, and what they were on each process when all was well.
    watched: &'static [&'static str],
    calm: Mutex<HashMap<(u32, &'static str), f64>>,
    pub(crate) pushed: Vec<Pushed>,
    pub(crate) seed: u64,
    pub(crate) http: reqwest::Client,
    folder: PathBuf,
    /// The `hosts` of services that go by names.
    etc: PathBuf,
    _ending: DropGuard,
}

impl Stand {
    /// Everything, ready.
    pub(crate) async fn open(
        cluster: &Cluster,
        namespace: &str,
        shape: Shape,
        seed: u64,
        folder: &Path,
    ) -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let events = topics(cluster, namespace, shape.partitions).await;
        let certificates = shape.tls.then(Certificates::new);
        let (redis, redis_port) = match &certificates {
            Some(certificates) => (certificates.server("yes").await, certificates.port),
            None => {
                let redis = RedisServer::start().await;
                let port = redis.port();
                (redis, port)
            }
        };
        let profile_port = free_port();
        let gateway_ports: Vec<u16> = (0..shape.gateways).map(|_| free_port()).collect();
        let push = Proxy::before(gateway_ports.iter().map(|port| local(*port)).collect()).await;
        let accounts: Vec<Account> = ["csair", "qianjiang"].map(account).into();
        let (simulator, platform, ending) = platform(&accounts, &push).await;
        for account in &accounts {
            let playbook = shape.playbook.replace("ACCOUNT", &account.name);
            fs::write(folder.join(format!("{}.yaml", account.name)), playbook).unwrap();
        }
        let edges = Edges::before(push, platform, redis_port, profile_port).await;
        let clients = match shape.names {
            true => [Client::Named; 3],
            false => [Client::Gateway, Client::Content, Client::Profile],
        };
        let mut stand = Self {
            kafka: cluster.kafka(Client::Test, namespace),
            kafkas: clients.map(|client| cluster.kafka(client, namespace)),
            events,
            kafka_touched: cluster.touched(),
            redis,
            redis_files: certificates.as_ref().map(|own| own.showing(&own.authority, GOOD)),
            certificates,
            pusher: Arc::new(Pusher::new(simulator, accounts, shape.users)),
            platform: format!("http://{platform}"),
            edges,
            gateways: (0..shape.gateways).map(|_| None).collect(),
            contents: (0..shape.contents).map(|_| None).collect(),
            profile: None,
            gateway_ports,
            profile_port,
            shape,
            older: false,
            watched: &[],
            calm: Mutex::default(),
            pushed: Vec::new(),
            seed,
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap(),
            folder: folder.to_owned(),
            etc: folder.join("etc"),
            _ending: ending,
        };
        stand.names(true);
        stand.staff().await;
        stand
    }

    /// Starts whoever is missing and waits until all are ready.
    pub(crate) async fn staff(&mut self) {
        if self.profile.is_none() {
            let settings = self.profile_settings();
            self.profile = Some(self.launch("profile-service", 0, &self.kafkas[2], &settings));
        }
        for n in 0..self.gateways.len() {
            if self.gateways[n].is_none() {
                let settings = self.gateway_settings(n);
                self.gateways[n] = Some(self.launch("gateway", n, &self.kafkas[0], &settings));
            }
        }
        for n in 0..self.contents.len() {
            if self.contents[n].is_none() {
                self.contents[n] = Some(self.content_service(n));
            }
        }
        // Whoever is started again is whole.
        self.shape.failpoints = None;
        let all = self.gateways.iter_mut().chain(&mut self.contents).chain([&mut self.profile]);
        for service in all.flatten() {
            service.ready(&self.http).await;
        }
    }

    /// Starts a content-service; does not wait until it is ready.
    pub(crate) fn content_service(&self, n: usize) -> Service {
        self.launch("content-service", n, &self.kafkas[1], &self.content_settings())
    }

    /// The usual load; the same seed pushes the same.
    pub(crate) fn load(&self) -> Load {
        Load::start(&self.pusher, self.shape.rate, self.seed, Kind::Usual)
    }

    /// Pushes so many texts of one account, each by somebody else, and waits until they are taken.
    pub(crate) async fn push_each(&mut self, account: usize, who: &str, count: usize) -> Vec<String> {
        let pushes = (0..count).map(|n| {
            let (pusher, order) = (Arc::clone(&self.pusher), self.pusher.text(account, &format!("{who}{n}")));
            tokio::spawn(async move { pusher.push(order).await })
        });
        let mut texts = Vec::new();
        for push in pushes.collect::<Vec<_>>() {
            let pushed = push.await.unwrap();
            texts.push(pushed.text.clone());
            self.pushed.push(pushed);
        }
        texts
    }

    /// The address of an account at one gateway, past the proxy.
    pub(crate) fn at_gateway(&self, n: usize, account: usize) -> String {
        format!("http://{}/wechat/{}", local(self.gateway_ports[n]), self.pusher.accounts[account].name)
    }

    /// Where a gateway takes pushes, past the proxy.
    pub(crate) fn gateway(&self, n: usize) -> SocketAddr {
        local(self.gateway_ports[n])
    }

    /// The address that new pushes go to: a gateway that is about to end is left out, as its routing would.
    pub(crate) fn route_to(&self, gateways: &[usize]) {
        self.edges.push.lead_to(gateways.iter().map(|n| local(self.gateway_ports[*n])).collect());
    }

    /// Scripts faults of the platform.
    pub(crate) async fn script(&self, faults: Value) {
        let url = format!("{}/sim/faults", self.platform);
        self.http.post(url).json(&faults).send().await.unwrap().error_for_status().unwrap();
    }

    /// Forgets what was scripted and not met.
    pub(crate) async fn unscript(&self) {
        self.http.delete(format!("{}/sim/faults", self.platform)).send().await.unwrap();
    }

    /// Somebody changes an account's server settings at the platform.
    pub(crate) async fn change_credentials(&self, account: &str, token: &str, aes_key: &str) {
        let change = json!({"account": account, "token": token, "aes_key": aes_key});
        let url = format!("{}/sim/credentials", self.platform);
        self.http.post(url).json(&change).send().await.unwrap().error_for_status().unwrap();
    }

    /// What the control of the platform tells.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.platform)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// From now on the platform takes messages at once and answers each late, so that many are taken and not answered.
    pub(crate) async fn answers_slowly(&self) {
        self.script(
            json!({"path": "send", "count": 1_000_000, "kind": "drip", "taken": true, "every_ms": 30,
            "text": r#"{"errcode":0,"errmsg":"ok"}"#}),
        )
        .await;
    }

    /// How many lines of a service's log say this.
    pub(crate) fn logged(&self, service: &str, words: &str) -> usize {
        let log = fs::read_to_string(self.folder.join(format!("{service}.log"))).unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    }

    /// Messages that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.pusher.simulator.arrivals(0, None).len()
    }

    /// The services that run.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.gateways.iter().chain(&self.contents).chain([&self.profile]).flatten()
    }
}

/// The topics; and the one of the events, with as many partitions as it is to have.
async fn topics(cluster: &Cluster, namespace: &str, partitions: i32) -> proto::Topic {
    let events = proto::Topic { partitions, ..proto::EVENTS };
    let name = cluster.kafka(Client::Test, namespace).topic(events.name);
    if partitions < proto::EVENTS.partitions {
        cluster.create_narrow(&name, partitions).await;
    }
    cluster.create_topics(namespace).await;
    if partitions > proto::EVENTS.partitions {
        cluster.widen(&name, partitions).await;
    }
    events
}

fn account(name: &str) -> Account {
    Example::read(&repository().join("examples").join(name)).unwrap().account
}

async fn platform(accounts: &[Account], push: &Proxy) -> (Simulator, SocketAddr, DropGuard) {
    let gateway = format!("http://{}", push.address());
    let config = simulator::Config {
        accounts: accounts.iter().map(|account| account.simulated(&gateway)).collect(),
        keep: 1_000_000,
        ..simulator::Config::default()
    };
    let simulator = Simulator::new(config, Clock::system()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ending = CancellationToken::new();
    tokio::spawn(simulator.clone().serve(listener, axum::Router::new(), ending.clone()));
    (simulator, address, ending.drop_guard())
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
