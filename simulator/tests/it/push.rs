//! Pushes as a gateway receives them: sealed, limited in time, repeated.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::Order;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wechat::Secret;
use wechat::account::Mode;
use wechat::envelope::AesKey;
use wechat::push::{Credentials, Query, open};

use crate::harness::{Gateway, Harness, KEY, Pushed, Reply, T0};

const DOCUMENT: &str = "<xml><ToUserName>gh_paper</ToUserName><FromUserName>o-li</FromUserName>\
                        <CreateTime>1754000000</CreateTime><MsgType>text</MsgType><Content>台湾</Content><MsgId>1</MsgId></xml>";

fn order(account: &str) -> Value {
    json!({ "account": account, "document": DOCUMENT })
}

fn statuses(answer: &Value) -> Vec<(i64, &str)> {
    let attempts = answer["attempts"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
    attempts.map(|attempt| (attempt["status"].as_i64().unwrap(), attempt["body"].as_str().unwrap())).collect()
}

fn credentials(account: &str, mode: Mode) -> Credentials {
    Credentials {
        app_id: format!("wx-{account}"),
        token: Secret::new(format!("token-{account}")),
        previous_token: None,
        aes_key: Some(AesKey::parse(KEY).unwrap()),
        previous_aes_key: None,
        mode,
    }
}

fn opened(credentials: &Credentials, (query, body): &Pushed) -> Vec<u8> {
    open(credentials, &Query::parse(query), body).expect("it verifies").document().to_vec()
}

#[tokio::test]
async fn a_push_is_sealed_in_the_mode_of_its_account() {
    let harness = Harness::start(|_| ()).await;
    for (account, mode) in [("paper", Mode::Safe), ("air", Mode::Compatible)] {
        let answer = harness.post("/sim/push", &order(account)).await;
        assert_eq!(statuses(&answer), [(200, "success")]);
        assert!(answer["attempts"][0]["ms"].as_f64().unwrap() > 0.0);
        let pushed = harness.gateway.pushed();
        let last = pushed.last().unwrap();
        assert_eq!(opened(&credentials(account, mode), last), DOCUMENT.as_bytes());
        assert!(last.0.contains(&format!("timestamp={}", T0 / 1000)), "the clock's time: {}", last.0);
        let clear = String::from_utf8_lossy(&last.1).contains("台湾");
        assert_eq!(clear, mode == Mode::Compatible);
    }
}

#[tokio::test]
async fn what_is_changed_in_the_server_settings_seals_the_next_push() {
    let harness = Harness::start(|_| ()).await;
    let key = KEY.chars().rev().collect::<String>();
    let answer = harness
        .post("/sim/credentials", &json!({ "account": "paper", "token": "new", "aes_key": key }))
        .await;
    assert!(answer["accounts"].is_array() && !answer.to_string().contains(&key), "{answer}");
    harness.post("/sim/push", &order("paper")).await;
    let changed = Credentials {
        token: "new".into(),
        aes_key: Some(AesKey::parse(&key).unwrap()),
        ..credentials("paper", Mode::Safe)
    };
    assert_eq!(opened(&changed, harness.gateway.pushed().last().unwrap()), DOCUMENT.as_bytes());
    for wrong in [json!({ "account": "nobody" }), json!({ "account": "paper", "aes_key": "short" })] {
        assert!(harness.post("/sim/credentials", &wrong).await["say"].is_string(), "{wrong}");
    }
}

#[tokio::test]
async fn what_somebody_else_delivers_opens_a_window_all_the_same() {
    let harness = Harness::start(|_| ()).await;
    assert_eq!(harness.send("paper", "o-li").await, 45015);
    let order = Order { account: "paper".to_owned(), document: DOCUMENT.to_owned(), ..Order::default() };
    harness.simulator.acted(&order).unwrap();
    assert_eq!(harness.send("paper", "o-li").await, 0);
    assert!(harness.gateway.pushed().is_empty());
    let nobodys = Order { account: "nobody".to_owned(), ..order };
    assert!(harness.simulator.acted(&nobodys).is_err());
}

#[tokio::test]
async fn refused_and_late_pushes_are_repeated_twice_at_the_step() {
    let harness = Harness::start(|_| ()).await;
    harness.gateway.will([Reply::Text(503, "busy"), Reply::Hang, Reply::Text(500, "no")]);
    let started = Instant::now();
    let answer = harness.post("/sim/push", &order("paper")).await;
    assert_eq!(statuses(&answer), [(503, "busy"), (0, ""), (500, "no")]);
    assert_eq!(answer["attempts"][1]["error"], "no answer in time");
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_millis(2000), "{took:?}");
    let pushed = harness.gateway.pushed();
    assert_eq!(pushed.len(), 3);
    assert!(pushed.iter().all(|push| opened(&credentials("paper", Mode::Safe), push) == DOCUMENT.as_bytes()));
    assert_ne!(pushed[0].0, pushed[1].0, "each delivery has its own nonce");
    let recorded = harness.get("/sim/pushes?openid=o-li").await;
    assert_eq!(
        (&recorded["pushes"][0]["attempts"], &recorded["pushes"][0]["document"]),
        (&answer["attempts"], &DOCUMENT.into())
    );
}

#[tokio::test]
async fn the_first_success_ends_the_repeats() {
    let harness = Harness::start(|_| ()).await;
    harness.gateway.will([Reply::Text(503, "busy"), Reply::Text(200, "")]);
    assert_eq!(statuses(&harness.post("/sim/push", &order("paper")).await), [(503, "busy"), (200, "")]);
    harness.gateway.will([Reply::Text(200, "oops"), Reply::Text(200, "<xml></xml>")]);
    assert_eq!(
        statuses(&harness.post("/sim/push", &order("paper")).await),
        [(200, "oops"), (200, "<xml></xml>")]
    );
}

#[tokio::test]
async fn a_refused_connection_counts_as_a_delivery() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let harness =
        Harness::start(|config| config.accounts[0].gateway = format!("http://{closed}/paper")).await;
    let answer = harness.post("/sim/push", &order("paper")).await;
    assert_eq!(statuses(&answer), [(0, ""), (0, ""), (0, "")]);
    assert!(answer["attempts"][0]["error"].as_str().unwrap().contains("refused"), "{answer}");
}

#[tokio::test]
async fn repeats_can_be_forced_and_sent_to_other_gateways() {
    let harness = Harness::start(|_| ()).await;
    let stop = CancellationToken::new();
    let other = Gateway::start(stop.clone()).await;
    let mut order = order("paper");
    order["repeat"] = 3.into();
    order["gateways"] = json!([format!("{}/paper", other.address)]);
    let answer = harness.post("/sim/push", &order).await;
    assert_eq!(statuses(&answer), [(200, "success"); 3]);
    assert_eq!((harness.gateway.pushed().len(), other.pushed().len()), (1, 2));
    assert_eq!(opened(&credentials("paper", Mode::Safe), &other.pushed()[1]), DOCUMENT.as_bytes());
    stop.cancel();
}

#[tokio::test]
async fn anything_can_be_pushed_but_not_to_nobody() {
    let harness = Harness::start(|_| ()).await;
    for document in ["no xml at all", "<!DOCTYPE x><xml/>", "", "{\"FromUserName\":\"o-li\"}"] {
        let answer = harness.post("/sim/push", &json!({ "account": "paper", "document": document })).await;
        assert_eq!(statuses(&answer), [(200, "success")], "{document}");
        assert_eq!(
            opened(&credentials("paper", Mode::Safe), harness.gateway.pushed().last().unwrap()),
            document.as_bytes()
        );
    }
    let nobody = harness
        .http
        .post(format!("{}/sim/push", harness.address))
        .json(&order("nobody"))
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), 404);
}
