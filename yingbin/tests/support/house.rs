//! The house on real processes: gateway, profile-service and content-service on a real Kafka and a real Redis, with the platform in
//! the test, so that what really arrived is known.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use prost::Message as _;
use proto::{event::Event, reply::Reply};
use runtime::{
    clock::Clock,
    kafka::{GroupProtocol, Kafka},
};
use serde_json::{Value, json};
use simulator::{Act, Attempt, Order, Simulator};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use yingbin::{
    command::{items, topics},
    example::{Account, Example},
};

use super::{
    books::Books,
    kafka::{self, Broker, Record},
    processes::{Process, binary, free_port, repository, until},
    redis::RedisServer,
};

/// Answers with one, two or four messages that repeat what the user did, so that a message shows its event.
const PLAYBOOK: &str = include_str!("playbook.yaml");
/// Shared by gateway and content-service of a test.
const SECRET: &str = "the secret of the promise tests";
/// What a service needs at most to be ready, on a machine that is busy with others.
const READY: Duration = Duration::from_secs(30);
/// What everything under way needs at most: a lost member is missed after six seconds, a lease lasts nine.
pub(crate) const SETTLED: Duration = Duration::from_secs(60);

/// A user's password; a service's user has the name of its program.
pub(crate) type Password = fn(user: &str) -> String;

/// Everything but the services, which the test starts, kills and ends.
pub(crate) struct House {
    pub(crate) kafka: Kafka,
    pub(crate) redis: Mutex<RedisServer>,
    redis_url: String,
    /// Where Kafka and Redis ask who somebody is.
    password: Option<Password>,
    pub(crate) simulator: Simulator,
    simulator_url: String,
    account: Account,
    gateway_port: u16,
    profile_port: u16,
    message_id: AtomicI64,
    http: reqwest::Client,
    folder: TempDir,
    _broker: Option<Arc<Broker>>,
    _ending: DropGuard,
}

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    /// `http://…` of its own port, where it has one.
    pub(crate) url: String,
    process: Process,
}

impl Service {
    /// SIGKILL.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// SIGTERM; it has to end by itself in time.
    pub(crate) async fn terminate(self, within: Duration) -> ExitStatus {
        self.process.terminate(within).await
    }
}

impl House {
    /// On the broker that the tests share.
    pub(crate) async fn open() -> Self {
        Self::open_with(GroupProtocol::Classic).await
    }

    /// The same; its services form groups of this kind.
    pub(crate) async fn open_with(group_protocol: GroupProtocol) -> Self {
        let broker = Broker::shared().await;
        let clients = broker.clients(&format!("t{:08x}.", rand::random::<u32>()));
        let kafka = Kafka { group_protocol, ..clients };
        Self::open_on(kafka, Some(broker)).await
    }

    /// On a broker that the test holds itself.
    pub(crate) async fn open_on(kafka: Kafka, broker: Option<Arc<Broker>>) -> Self {
        Self::open_among(kafka, broker, RedisServer::start().await, None).await
    }

    /// On servers that ask who somebody is; `kafka` is that of an administrator.
    pub(crate) async fn open_guarded(kafka: Kafka, redis: RedisServer, password: Password) -> Self {
        Self::open_among(kafka, None, redis, Some(password)).await
    }

    async fn open_among(
        kafka: Kafka,
        broker: Option<Arc<Broker>>,
        redis: RedisServer,
        password: Option<Password>,
    ) -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let example = Example::read(&repository().join("examples/csair")).unwrap();
        topics::create(&kafka, 1).await.unwrap();
        let items = example.items(Clock::system().now_ms()).unwrap();
        until("new topics take records", READY, async || items::publish(&kafka, &items).await.ok()).await;
        let gateway_port = free_port();
        let config = simulator::Config {
            accounts: vec![example.account.simulated(&format!("http://127.0.0.1:{gateway_port}"))],
            ..simulator::Config::default()
        };
        let simulator = Simulator::new(config, Clock::system()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator_url = format!("http://{}", listener.local_addr().unwrap());
        let ending = CancellationToken::new();
        tokio::spawn(simulator.clone().serve(listener, axum::Router::new(), ending.clone()));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("playbook.yaml"), PLAYBOOK).unwrap();
        Self {
            kafka,
            redis_url: redis.url(),
            redis: Mutex::new(redis),
            password,
            simulator,
            simulator_url,
            account: example.account,
            gateway_port,
            profile_port: free_port(),
            message_id: AtomicI64::new(Clock::system().now_ms() * 10_000),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap(),
            folder,
            _broker: broker,
            _ending: ending.drop_guard(),
        }
    }

    /// Starts the three services: gateway, profile-service, content-service.
    pub(crate) async fn staff(&self) -> (Service, Service, Service) {
        tokio::join!(self.gateway(), self.profile(), self.content("content-service"))
    }

    /// Starts the gateway to which the platform pushes.
    pub(crate) async fn gateway(&self) -> Service {
        self.gateway_on("gateway", self.gateway_port).await
    }

    /// Starts a gateway beside the first.
    pub(crate) async fn second_gateway(&self) -> Service {
        self.gateway_on("second-gateway", free_port()).await
    }

    async fn gateway_on(&self, name: &str, port: u16) -> Service {
        let Account { name: account, app_id, token, aes_key, mode, home_url, .. } = &self.account;
        let own = format!(
            "[gateway]\nlisten = '{}'\n[shutdown]\nannounce = '100ms'\n[links]\nsecret = '{SECRET}'\n\
             [[accounts]]\nname = '{account}'\napp_id = '{app_id}'\ntoken = '{token}'\naes_key = '{aes_key}'\n\
             mode = '{}'\nhome_url = '{home_url}'\n",
            local(port),
            mode.as_str()
        );
        self.service("gateway", name, port, &own).await
    }

    /// Starts profile-service.
    pub(crate) async fn profile(&self) -> Service {
        let own = format!(
            "[grpc]\nlisten = '{}'\n{}",
            local(self.profile_port),
            self.redis_settings("profile-service")
        );
        self.service("profile-service", "profile-service", self.profile_port, &own).await
    }

    /// Starts a content-service; `name` is that of its files.
    pub(crate) async fn content(&self, name: &str) -> Service {
        let Account { name: account, app_id, app_secret, .. } = &self.account;
        let playbook = self.folder.path().join("playbook.yaml");
        let own = format!(
            "{}[delivery]\ncheck_right = false\n[profile]\nendpoint = 'http://{}'\n[links]\nsecret = '{SECRET}'\nbase_url = 'http://{}'\n\
             [[accounts]]\nname = '{account}'\napp_id = '{app_id}'\nsecret = '{app_secret}'\nkind = 'official'\n\
             api = '{}'\nplaybook = '{}'\n",
            self.redis_settings("content-service"),
            local(self.profile_port),
            local(self.gateway_port),
            self.simulator_url,
            playbook.display()
        );
        self.service("content-service", name, 0, &own).await
    }

    fn redis_settings(&self, user: &str) -> String {
        let login = |password: Password| format!("redis://{user}:{}@", password(user));
        let url = self.password.map_or_else(
            || self.redis_url.clone(),
            |password| self.redis_url.replacen("redis://", &login(password), 1),
        );
        format!("[redis]\nurl = '{url}'\n")
    }

    fn kafka_login(&self, user: &str) -> String {
        let Some(password) = self.password else { return String::new() };
        let told = kafka::login(user, &password(user)).into_iter();
        let lines = told.map(|(name, value)| format!("'{name}' = '{value}'\n"));
        format!("[kafka.properties]\n{}", lines.collect::<String>())
    }

    async fn service(&self, program: &str, name: &str, port: u16, own: &str) -> Service {
        let admin = local(free_port());
        let Kafka { bootstrap, namespace, group_protocol, .. } = &self.kafka;
        let common = format!(
            "namespace = '{namespace}'\n[kafka]\nbootstrap = '{bootstrap}'\ngroup_protocol = '{}'\n{}[admin]\nlisten = '{admin}'\n",
            match group_protocol {
                GroupProtocol::Classic => "classic",
                GroupProtocol::Consumer => "consumer",
            },
            self.kafka_login(program)
        );
        let file: PathBuf = self.folder.path().join(format!("{name}.toml"));
        fs::write(&file, common + own).unwrap();
        let mut command = binary(program);
        command.arg("--config").arg(&file);
        let mut process = Process::start(name, command, self.folder.path());
        let ready = async || {
            process.must_run();
            let answer = self.http.get(format!("http://{admin}/readyz")).send().await.ok()?;
            answer.status().is_success().then_some(())
        };
        until(&format!("{name} is ready"), READY, ready).await;
        Service { url: format!("http://{}", local(port)), process }
    }

    /// From the next start on content-services answer by this playbook.
    pub(crate) fn play_by(&self, playbook: &str) {
        fs::write(self.folder.path().join("playbook.yaml"), playbook).unwrap();
    }

    /// AppId of the account.
    pub(crate) fn app_id(&self) -> &str {
        &self.account.app_id
    }

    /// What a service has written to its log; `name` is that of its files.
    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap()
    }

    /// A text of somebody, not yet pushed.
    pub(crate) fn text(&self, openid: &str, content: &str) -> Order {
        self.act(openid, &Act::Text { content: content.to_owned() })
    }

    /// Something that somebody does, not yet pushed.
    pub(crate) fn act(&self, openid: &str, act: &Act) -> Order {
        self.act_ago(openid, act, 0)
    }

    /// The same, done so many milliseconds ago as far as its `CreateTime` says.
    pub(crate) fn act_ago(&self, openid: &str, act: &Act, ago_ms: i64) -> Order {
        let id = self.message_id.fetch_add(1, Ordering::Relaxed);
        let simulated = self.account.simulated("");
        let document = act.document(&simulated, openid, Clock::system().now_ms() - ago_ms, id).unwrap();
        Order { account: self.account.name.clone(), document, ..Order::default() }
    }

    /// Address of this account at another gateway.
    pub(crate) fn at(&self, gateway: &Service) -> String {
        format!("{}/wechat/{}", gateway.url, self.account.name)
    }

    /// Pushes in the background as the platform does; the task tells how the deliveries went.
    pub(crate) fn push(&self, order: Order) -> tokio::task::JoinHandle<Vec<Attempt>> {
        let simulator = self.simulator.clone();
        tokio::spawn(async move { simulator.push(&order).await.unwrap() })
    }

    /// Pushes all at once and waits until each was taken.
    pub(crate) async fn push_all(&self, orders: impl IntoIterator<Item = Order>) {
        let pushed: Vec<_> = orders.into_iter().map(|order| self.push(order)).collect();
        for push in pushed {
            taken(&push.await.unwrap());
        }
    }

    /// Scripts faults of the platform.
    pub(crate) async fn script(&self, faults: Value) {
        let url = format!("{}/sim/faults", self.simulator_url);
        self.http.post(url).json(&faults).send().await.unwrap().error_for_status().unwrap();
    }

    /// From now on the platform takes messages at once and answers each byte by byte, so that many are taken and not answered.
    pub(crate) async fn answers_slowly(&self) {
        let text = r#"{"errcode":0,"errmsg":"ok"}"#;
        let fault = json!({"path": "send", "count": 1_000_000, "kind": "drip", "text": text, "every_ms": 10, "taken": true});
        self.script(fault).await;
    }

    /// Every call of `custom/send`.
    pub(crate) async fn sends(&self) -> Vec<Value> {
        let answer = self.http.get(format!("{}/sim/sends", self.simulator_url)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["sends"].as_array().unwrap().clone()
    }

    /// Waits until the platform has taken so many messages.
    pub(crate) async fn arrived(&self, count: usize, within: Duration) {
        let what = format!("{count} messages have arrived");
        until(&what, within, async || (self.simulator.arrivals(0, None).len() >= count).then_some(())).await;
    }

    /// Waits until content-service has committed every event.
    pub(crate) async fn settled(&self) {
        kafka::handled(&self.kafka, "content-service", proto::EVENTS, SETTLED).await;
    }

    /// The events in Kafka, repeats included, partition by partition in their order.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let records = kafka::read(&self.kafka, proto::EVENTS).await;
        records.iter().map(|record| Event::decode(&record.value[..]).unwrap()).collect()
    }

    /// The one outcome of every event. A crash may have published it again: then with the same bytes.
    pub(crate) async fn outcomes(&self) -> HashMap<String, Reply> {
        let mut found: HashMap<String, Record> = HashMap::new();
        for record in kafka::read(&self.kafka, proto::REPLIES).await {
            let id = record.header("ce_id").to_owned();
            let first = found.entry(id).or_insert_with(|| record.clone());
            let decoded = |record: &Record| Reply::decode(&record.value[..]).unwrap();
            assert!(
                first.value == record.value,
                "two outcomes:\n{:?}\n{:?}",
                decoded(first),
                decoded(&record)
            );
        }
        found.into_iter().map(|(id, record)| (id, Reply::decode(&record.value[..]).unwrap())).collect()
    }

    /// Waits until everything is settled, then holds what Kafka says against what really arrived.
    pub(crate) async fn books(&self) -> Books {
        self.settled().await;
        let (arrivals, sends) = (self.simulator.arrivals(0, None), self.sends().await);
        Books::of(self.events().await, self.outcomes().await, &arrivals, &sends)
    }
}

/// Panics unless one of the deliveries was answered 200, as the platform wants it.
pub(crate) fn taken(attempts: &[Attempt]) {
    assert!(attempts.iter().any(|attempt| attempt.status == 200), "{attempts:?}");
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
