//! A running simulator with two accounts, and a gateway that answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use runtime::clock::Clock;
use serde_json::{Value, json};
use simulator::Simulator;
use simulator::config::{Account, Config, MenuAction, MenuButton, Person};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use wechat::account::{AccountKind, Mode};

pub(crate) const T0: i64 = 1_754_000_000_000;
pub(crate) const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

pub(crate) struct Harness {
    pub address: String,
    pub clock: Clock,
    pub http: reqwest::Client,
    pub gateway: Gateway,
    pub simulator: Simulator,
    _stop: DropGuard,
}

impl Harness {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let clock = Clock::system();
        clock.set_ms(T0);
        let stop = CancellationToken::new();
        let gateway = Gateway::start(stop.clone()).await;
        let mut config = config(&gateway.address);
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let extra = Router::new().route("/backstage/hello", axum::routing::get(|| async { "hello" }));
        let simulator = Simulator::new(config, clock.clone()).unwrap();
        tokio::spawn(simulator.clone().serve(listener, extra, stop.clone()));
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { address, clock, http, gateway, simulator, _stop: stop.drop_guard() }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.address)).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.http
            .post(format!("{}{path}", self.address))
            .json(body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn act(&self, account: &str, openid: &str, act: Value) -> Value {
        let mut body = act;
        body["account"] = account.into();
        body["openid"] = openid.into();
        self.post("/sim/act", &body).await
    }

    pub(crate) async fn token(&self, account: &str) -> String {
        let given = self.post("/cgi-bin/stable_token", &credential(account)).await;
        given["access_token"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned()
    }

    pub(crate) async fn try_send(&self, token: &str, body: &Value) -> reqwest::Result<reqwest::Response> {
        self.http.post(self.send_address(token)).json(body).send().await
    }

    pub(crate) fn send_address(&self, token: &str) -> String {
        format!("{}/cgi-bin/message/custom/send?access_token={token}", self.address)
    }

    /// Sends a text and returns the errcode.
    pub(crate) async fn send(&self, account: &str, openid: &str) -> i64 {
        let token = self.token(account).await;
        let answer: Value = self.try_send(&token, &text(openid, "你好")).await.unwrap().json().await.unwrap();
        answer["errcode"].as_i64().unwrap()
    }

    pub(crate) async fn arrived(&self) -> usize {
        self.get("/sim/messages").await["messages"].as_array().unwrap().len()
    }
}

pub(crate) fn text(openid: &str, content: &str) -> Value {
    json!({ "touser": openid, "msgtype": "text", "text": { "content": content } })
}

pub(crate) fn credential(account: &str) -> Value {
    json!({ "grant_type": "client_credential", "appid": format!("wx-{account}"), "secret": format!("secret-{account}") })
}

fn config(gateway: &str) -> Config {
    let person = |account: &str, openid: &str, name: &str| Person {
        account: account.to_owned(),
        openid: openid.to_owned(),
        name: name.to_owned(),
        about: String::new(),
    };
    Config {
        accounts: vec![
            account("paper", AccountKind::MiniProgram, Mode::Safe, gateway),
            account("air", AccountKind::Official, Mode::Compatible, gateway),
        ],
        people: vec![
            person("paper", "o-li", "李大爷"),
            person("paper", "o-second", "王阿姨"),
            person("air", "o-chen", "陈女士"),
        ],
        weather: [("波士顿".to_owned(), json!({ "temperature": -3 }))].into(),
        step: Duration::from_millis(200),
        ..Config::default()
    }
}

fn account(name: &str, kind: AccountKind, mode: Mode, gateway: &str) -> Account {
    Account {
        app_secret: format!("secret-{name}").into(),
        token: format!("token-{name}").into(),
        aes_key: Some(KEY.to_owned()),
        mode,
        menu: vec![MenuButton {
            name: "值机".to_owned(), action: MenuAction::Click("CHECK_IN".to_owned())
        }],
        ..Account::new(name, &format!("{gateway}/{name}"), &format!("wx-{name}"), &format!("gh_{name}"), kind)
    }
}

/// What the gateway does with the next push.
pub(crate) enum Reply {
    Text(u16, &'static str),
    Hang,
}

/// A push as it came: query and body.
pub(crate) type Pushed = (String, Vec<u8>);

#[derive(Clone)]
pub(crate) struct Gateway {
    pub address: String,
    script: Arc<Mutex<VecDeque<Reply>>>,
    pushed: watch::Sender<Vec<Pushed>>,
}

impl Gateway {
    pub(crate) async fn start(stop: CancellationToken) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let gateway = Self { address, script: Arc::default(), pushed: watch::Sender::default() };
        let routes = Router::new().fallback(take).with_state(gateway.clone());
        tokio::spawn(
            async move { stop.run_until_cancelled(axum::serve(listener, routes).into_future()).await },
        );
        gateway
    }

    pub(crate) fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().unwrap().extend(replies);
    }

    pub(crate) fn pushed(&self) -> Vec<Pushed> {
        self.pushed.borrow().clone()
    }
}

async fn take(State(gateway): State<Gateway>, uri: Uri, body: Bytes) -> Response {
    gateway
        .pushed
        .send_modify(|pushed| pushed.push((uri.query().unwrap_or_default().to_owned(), body.to_vec())));
    let reply = gateway.script.lock().unwrap().pop_front();
    match reply {
        None => "success".into_response(),
        Some(Reply::Text(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Reply::Hang) => std::future::pending().await,
    }
}
