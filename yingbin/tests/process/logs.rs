//! What the three services write to their logs, at their most talkative, while a reader enters, writes and taps: nothing that a reader of
//! logs must not know.

use std::{fs, net::SocketAddr, time::Duration};

use rdkafka::mocking::MockCluster;
use runtime::{
    clock::Clock,
    config::Settings,
    kafka::{GroupProtocol, Kafka},
};
use serde_json::{Value, json};
use simulator::{Act, Order, Simulator};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use yingbin::{command::items, example::Example};

use crate::{
    processes::{Process, binary, free_port, repository, until, within},
    redis::RedisServer,
};

const PATIENCE: Duration = Duration::from_secs(60);
const LINK_SECRET: &str = "needle-of-a-link-secret-of-32-chars";
const WRITTEN: &str = "needle of a message 我想看象棋";
const PAGE: &str = "needle-of-a-session-from";

/// The platform, the servers, and where the services write.
struct Stand {
    cluster: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    redis: RedisServer,
    example: Example,
    simulator: Simulator,
    platform: String,
    gateway: SocketAddr,
    profile: SocketAddr,
    folder: TempDir,
    http: reqwest::Client,
    _ending: DropGuard,
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

impl Stand {
    async fn build() -> Self {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let example = Example::read(&repository().join("examples/qianjiang")).unwrap();
        let cluster = MockCluster::new(1).unwrap();
        for topic in proto::ALL_TOPICS {
            cluster.create_topic(topic.name, if topic.name == proto::ITEMS.name { 1 } else { 2 }, 1).unwrap();
        }
        let kafka = Kafka {
            bootstrap: cluster.bootstrap_servers(),
            group_protocol: GroupProtocol::Consumer,
            ..Kafka::read(&mut Settings::defaults("gateway"))
        };
        items::publish(&kafka, &example.items(Clock::system().now_ms()).unwrap()).await.unwrap();
        let gateway = local(free_port());
        let config = simulator::Config {
            accounts: vec![example.account.simulated(&format!("http://{gateway}"))],
            ..simulator::Config::default()
        };
        let simulator = Simulator::new(config, Clock::system()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let platform = format!("http://{}", listener.local_addr().unwrap());
        let ending = CancellationToken::new();
        tokio::spawn(simulator.clone().serve(listener, axum::Router::new(), ending.clone()));
        Self {
            cluster,
            redis: RedisServer::start().await,
            example,
            simulator,
            platform,
            gateway,
            profile: local(free_port()),
            folder: tempfile::tempdir().unwrap(),
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            _ending: ending.drop_guard(),
        }
    }

    /// The settings of the three services.
    fn settings(&self) -> [(&'static str, String); 3] {
        let account = &self.example.account;
        let (name, app_id) = (&account.name, &account.app_id);
        let redis = format!("[redis]\nurl = '{}'\n", self.redis.url());
        let playbook = repository().join("examples/qianjiang/playbook.yaml");
        let gateway = format!(
            "[gateway]\nlisten = '{}'\n[shutdown]\nannounce = '0ms'\n[links]\nsecret = '{LINK_SECRET}'\n\
             [[accounts]]\nname = '{name}'\napp_id = '{app_id}'\ntoken = '{}'\naes_key = '{}'\nmode = 'safe'\n",
            self.gateway, account.token, account.aes_key
        );
        let profile = format!("[grpc]\nlisten = '{}'\n{redis}", self.profile);
        let content = format!(
            "{redis}[profile]\nendpoint = 'http://{}'\n[links]\nsecret = '{LINK_SECRET}'\nbase_url = 'http://{}'\n\
             [sources.weather]\nbase = '{}'\n\
             [[accounts]]\nname = '{name}'\napp_id = '{app_id}'\nsecret = '{}'\nkind = 'mini_program'\napi = '{}'\nplaybook = '{}'\n",
            self.profile,
            self.gateway,
            self.platform,
            account.app_secret,
            self.platform,
            playbook.display()
        );
        [("gateway", gateway), ("profile-service", profile), ("content-service", content)]
    }

    /// Starts a service that logs everything; its admin port.
    async fn start(&self, service: &str, own: &str) -> (Process, SocketAddr) {
        let admin = local(free_port());
        let bootstrap = self.cluster.bootstrap_servers();
        let common = format!(
            "[kafka]\nbootstrap = '{bootstrap}'\ngroup_protocol = 'consumer'\n[admin]\nlisten = '{admin}'\n"
        );
        let file = self.folder.path().join(format!("{service}.toml"));
        fs::write(&file, common + own).unwrap();
        let mut command = binary(service);
        command.arg("--config").arg(&file).env("RUST_LOG", "trace");
        let mut process = Process::start(service, command, self.folder.path());
        until(&format!("{service} is ready"), PATIENCE, async || {
            process.must_run();
            let answer = self.http.get(format!("http://{admin}/readyz")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        (process, admin)
    }

    async fn act(&self, openid: &str, act: Act, id: i64) {
        let account = &self.example.account;
        let simulated = account.simulated("");
        let document = act.document(&simulated, openid, Clock::system().now_ms(), id).unwrap();
        let order = Order { account: account.name.clone(), document, ..Order::default() };
        let attempts = self.simulator.push(&order).await.unwrap();
        assert_eq!((attempts.len(), attempts[0].status), (1, 200), "{attempts:?}");
    }

    /// The text that arrives after `seq`.
    async fn text_after(&self, seq: u64) -> String {
        let arrived = within(PATIENCE, "a text", self.simulator.next_arrivals(seq, None)).await;
        arrived[0].message["text"]["content"].as_str().unwrap().to_owned()
    }

    /// The access token that the services send with: asking without force changes nothing.
    async fn access_token(&self) -> String {
        let account = &self.example.account;
        let ask =
            json!({"grant_type": "client_credential", "appid": account.app_id, "secret": account.app_secret});
        let url = format!("{}/cgi-bin/stable_token", self.platform);
        let answer: Value = self.http.post(url).json(&ask).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Two sends that the platform ends otherwise than well, so that what is said then is in the logs, too.
    async fn trouble(&self) {
        for fault in [json!({"kind": "errcode", "errcode": 45015}), json!({"kind": "reset", "taken": true})] {
            let mut fault = fault;
            fault["path"] = json!("send");
            let url = format!("{}/sim/faults", self.platform);
            self.http.post(url).json(&fault).send().await.unwrap().error_for_status().unwrap();
        }
    }

    async fn outcomes(&self, admin: SocketAddr, count: f64) {
        until(&format!("{count} outcomes"), PATIENCE, async || {
            let metrics =
                self.http.get(format!("http://{admin}/metrics")).send().await.ok()?.text().await.ok()?;
            let values = metrics
                .lines()
                .filter(|line| line.starts_with("content_outcomes_total{"))
                .filter_map(|line| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok()));
            (values.sum::<f64>() >= count).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_of_a_whole_run_holds_a_secret_an_openid_or_a_word_of_a_message() {
    let stand = Stand::build().await;
    let [gateway, profile, content] = stand.settings();
    let profile = stand.start(profile.0, &profile.1).await;
    let gateway = stand.start(gateway.0, &gateway.1).await;
    let content = stand.start(content.0, &content.1).await;
    let openid = stand.example.people[0].openid.clone();

    stand.act(&openid, Act::Enter { session_from: PAGE.to_owned() }, 0).await;
    let paper = stand.text_after(0).await;
    let link = paper.split('"').find(|part| part.contains("/c/")).unwrap_or_else(|| panic!("{paper}"));
    assert_eq!(stand.http.get(link).send().await.unwrap().status(), 302, "{link}");
    stand.outcomes(content.1, 2.0).await;
    stand.act(&openid, Act::Text { content: WRITTEN.to_owned() }, 1).await;
    let answer = stand.text_after(1).await;
    stand.trouble().await;
    stand.act(&openid, Act::Text { content: WRITTEN.to_owned() }, 2).await;
    stand.act(&openid, Act::Text { content: WRITTEN.to_owned() }, 3).await;
    stand.outcomes(content.1, 5.0).await;

    let account = &stand.example.account;
    // JSON writes quotes and ends of lines otherwise.
    let pieces = |text: &str| {
        text.split(['"', '\n']).filter(|piece| piece.len() > 20).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut needles = vec![
        openid.clone(),
        account.token.clone(),
        account.aes_key.clone(),
        account.app_secret.clone(),
        stand.access_token().await,
        LINK_SECRET.to_owned(),
        WRITTEN.to_owned(),
        PAGE.to_owned(),
        link.split("/c/").nth(1).unwrap().to_owned(),
    ];
    needles.extend([pieces(&paper), pieces(&answer)].concat());
    assert!(needles.iter().all(|needle| needle.len() > 12) && needles.len() > 12, "{needles:?}");
    for (service, (process, _)) in
        [("content-service", content), ("gateway", gateway), ("profile-service", profile)]
    {
        assert_eq!(process.terminate(PATIENCE).await.code(), Some(0), "{service}");
        let told = fs::read_to_string(stand.folder.path().join(format!("{service}.log"))).unwrap();
        for words in ["starting", "ended in order", "\"TRACE\""] {
            assert!(told.contains(words), "{service} does not say {words}");
        }
        for needle in &needles {
            let line = told.lines().find(|line| line.contains(needle.as_str()));
            assert_eq!(line, None, "{service} tells {needle}");
        }
    }
}
