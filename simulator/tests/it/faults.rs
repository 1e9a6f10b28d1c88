//! Every scripted fault, as a client meets it, and whether the message arrived.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Harness, credential, text};

async fn ready() -> (Harness, String) {
    let harness = Harness::start(|_| ()).await;
    harness.act("paper", "o-li", json!({ "act": "text", "content": "在吗" })).await;
    let token = harness.token("paper").await;
    (harness, token)
}

/// Scripts one fault for sends and sends once.
async fn meet(harness: &Harness, token: &str, fault: Value) -> reqwest::Result<reqwest::Response> {
    let mut script = fault;
    script["path"] = "send".into();
    harness.post("/sim/faults", &script).await;
    harness.try_send(token, &text("o-li", "你好")).await
}

#[tokio::test]
async fn answers_can_be_any_errcode_status_or_body() {
    let (harness, token) = ready().await;
    let busy =
        meet(&harness, &token, json!({ "kind": "errcode", "errcode": -1, "taken": true })).await.unwrap();
    assert_eq!(busy.json::<Value>().await.unwrap()["errcode"], -1);
    assert_eq!(harness.arrived().await, 1, "-1 can hide a delivered message");
    let odd = json!({ "kind": "errcode", "errcode": 99999, "errmsg": "odd" });
    let odd = meet(&harness, &token, odd).await.unwrap();
    assert_eq!(odd.json::<Value>().await.unwrap(), json!({ "errcode": 99999, "errmsg": "odd" }));
    let busy = json!({ "kind": "status", "status": 503, "retry_after": 7 });
    let busy = meet(&harness, &token, busy).await.unwrap();
    assert_eq!(
        (busy.status(), &busy.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"7".parse().unwrap())
    );
    let page =
        meet(&harness, &token, json!({ "kind": "body", "text": "<html>", "repeat": 1000 })).await.unwrap();
    assert_eq!(page.text().await.unwrap().len(), 6000);
    let away = json!({ "kind": "redirect", "location": "http://169.254.169.254/" });
    let away = meet(&harness, &token, away).await.unwrap();
    assert_eq!(
        (away.status(), &away.headers()["location"]),
        (StatusCode::FOUND, &"http://169.254.169.254/".parse().unwrap())
    );
    assert_eq!(harness.arrived().await, 1, "none of the others was taken");
    let good = harness.try_send(&token, &text("o-li", "好了")).await.unwrap();
    assert_eq!(good.json::<Value>().await.unwrap()["errcode"], 0, "the script is over");
}

#[tokio::test]
async fn a_connection_can_break_before_and_after_the_message_is_taken() {
    let (harness, token) = ready().await;
    let before = meet(&harness, &token, json!({ "kind": "reset" })).await.unwrap_err();
    assert!(before.is_request(), "{before:?}");
    assert_eq!(harness.arrived().await, 0);
    meet(&harness, &token, json!({ "kind": "reset", "taken": true })).await.unwrap_err();
    assert_eq!(harness.arrived().await, 1);
    let cut =
        meet(&harness, &token, json!({ "kind": "cut", "text": "{\"errc", "taken": true })).await.unwrap();
    cut.bytes().await.unwrap_err();
    assert_eq!(harness.arrived().await, 2);
    let faults: Vec<Value> = harness.get("/sim/sends").await["sends"].as_array().unwrap().clone();
    assert_eq!((&faults[0]["fault"], &faults[0]["errcode"]), (&"reset".into(), &Value::Null));
    assert_eq!((&faults[1]["fault"], &faults[1]["errcode"]), (&Value::Null, &0.into()));
}

#[tokio::test]
async fn an_answer_can_be_late_slow_or_never() {
    let (harness, token) = ready().await;
    let started = Instant::now();
    let late = meet(&harness, &token, json!({ "kind": "pass", "delay_ms": 150 })).await.unwrap();
    assert_eq!(late.json::<Value>().await.unwrap()["errcode"], 0);
    assert!(started.elapsed() >= Duration::from_millis(150));
    let started = Instant::now();
    let slow = meet(&harness, &token, json!({ "kind": "drip", "text": "{}", "every_ms": 60 })).await.unwrap();
    assert_eq!(slow.text().await.unwrap(), "{}");
    assert!(started.elapsed() >= Duration::from_millis(120));
    harness.post("/sim/faults", &json!({ "path": "send", "kind": "hang", "taken": true })).await;
    let body = text("o-li", "你好");
    let never =
        harness.http.post(harness.send_address(&token)).json(&body).timeout(Duration::from_millis(300));
    assert!(never.send().await.unwrap_err().is_timeout());
    assert_eq!(harness.arrived().await, 2);
}

#[tokio::test]
async fn faults_are_for_their_path_account_and_user() {
    let (harness, token) = ready().await;
    let script = json!([
        { "path": "token", "account": "air", "kind": "errcode", "errcode": 89503, "count": 2 },
        { "path": "send", "openid": "o-second", "kind": "errcode", "errcode": 48002 },
        { "path": "source", "kind": "status", "status": 500 },
    ]);
    let left = harness.post("/sim/faults", &script).await;
    assert_eq!(left["faults"].as_array().unwrap().len(), 3);
    assert_eq!(harness.post("/cgi-bin/stable_token", &credential("air")).await["errcode"], 89503);
    assert!(harness.post("/cgi-bin/stable_token", &credential("paper")).await["access_token"].is_string());
    let li = harness.try_send(&token, &text("o-li", "你好")).await.unwrap();
    assert_eq!(li.json::<Value>().await.unwrap()["errcode"], 0);
    let second = harness.try_send(&token, &text("o-second", "你好")).await.unwrap();
    assert_eq!(second.json::<Value>().await.unwrap()["errcode"], 48002);
    let weather =
        harness.http.get(format!("{}/sim/sources/weather?city=x", harness.address)).send().await.unwrap();
    assert_eq!(weather.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(harness.get("/sim/faults").await["faults"][0]["count"], 1);
    let cleared = harness.http.delete(format!("{}/sim/faults", harness.address)).send().await.unwrap();
    assert_eq!(cleared.json::<Value>().await.unwrap(), json!({ "faults": [] }));
}

#[tokio::test]
async fn a_script_with_a_mistake_is_refused_whole_and_says_what_is_allowed() {
    let harness = Harness::start(|_| ()).await;
    let good = json!({ "path": "send", "kind": "reset" });
    for (bad, says) in [
        (json!({ "path": "send", "kind": "earthquake" }), "hang"),
        (json!({ "path": "mail", "kind": "reset" }), "token"),
        (json!({ "path": "send", "kind": "reset", "times": 3 }), "\"times\"; it has path, kind, account"),
        (json!({ "path": "send", "kind": "errcode", "errcode": 1, "text": "x" }), "errcode, errmsg"),
        (json!({ "path": "send" }), "every fault has path and kind"),
        (json!("reset"), "this is no fault"),
    ] {
        let url = format!("{}/sim/faults", harness.address);
        let answer = harness.http.post(url).json(&json!([good, bad])).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{bad}");
        let answer: Value = answer.json().await.unwrap();
        assert!(answer["say"].as_str().unwrap().contains(says), "{says}: {answer}");
        assert_eq!(answer["ok"], false);
    }
    assert_eq!(harness.get("/sim/faults").await, json!({ "faults": [] }));
}
