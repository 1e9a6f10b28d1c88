//! The rest of the control, the stream, and the page.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Harness, T0, text};

#[tokio::test]
async fn people_come_in_the_order_of_the_configuration() {
    let harness = Harness::start(|_| ()).await;
    let names = |answer: &Value| -> Vec<String> {
        let people = answer["people"].as_array().unwrap().iter();
        people.map(|person| person["name"].as_str().unwrap().to_owned()).collect()
    };
    let people = harness.get("/sim/people").await;
    assert_eq!(names(&people), ["李大爷", "王阿姨", "陈女士"]);
    assert_eq!(
        (&people["people"][0]["account"], &people["people"][0]["openid"]),
        (&"paper".into(), &"o-li".into())
    );
    let added = json!({ "account": "paper", "openid": "o-new", "name": "新读者", "about": "第一次来" });
    assert_eq!(names(&harness.post("/sim/people", &added).await).last().unwrap(), "新读者");
    assert_eq!(harness.send("paper", "o-new").await, 45015, "known, but silent so far");
    let stranger = json!({ "account": "nobody", "openid": "o", "name": "n" });
    assert!(harness.post("/sim/people", &stranger).await["say"].is_string());
    let accounts = harness.get("/sim/accounts").await;
    let menu = json!([{ "type": "click", "name": "值机", "key": "CHECK_IN" }]);
    assert_eq!(
        (&accounts["accounts"][1]["menu"], &accounts["accounts"][1]["kind"]),
        (&menu, &"official".into())
    );
    assert!(!accounts.to_string().contains("secret"));
}

#[tokio::test]
async fn the_clock_moves_for_all() {
    let harness = Harness::start(|_| ()).await;
    harness.post("/sim/clock", &json!({ "set_ms": T0 + 1000 })).await;
    let moved = harness.post("/sim/clock", &json!({ "advance_ms": 60_000 })).await;
    assert!((T0 + 61_000..T0 + 71_000).contains(&moved["now_ms"].as_i64().unwrap()));
    assert!((T0 + 61_000..T0 + 71_000).contains(&harness.clock.now_ms()));
    assert!(harness.post("/sim/clock", &json!({})).await["say"].is_string());
}

#[tokio::test]
async fn a_question_for_messages_waits_for_the_next_one() {
    let harness = Harness::start(|_| ()).await;
    harness.act("paper", "o-li", json!({ "act": "enter" })).await;
    harness.act("paper", "o-second", json!({ "act": "enter" })).await;
    assert_eq!(harness.send("paper", "o-li").await, 0);
    let waiting = harness.get("/sim/messages?openid=o-li&since=1&wait=10000");
    let sending = async {
        assert_eq!(harness.send("paper", "o-second").await, 0);
        assert_eq!(harness.send("paper", "o-li").await, 0);
    };
    let (found, ()) = tokio::join!(waiting, sending);
    let seqs: Vec<&Value> =
        found["messages"].as_array().unwrap().iter().map(|message| &message["seq"]).collect();
    assert_eq!(seqs, [3]);
    let started = Instant::now();
    let none = harness.get("/sim/messages?since=3&wait=80").await;
    assert_eq!(none, json!({ "messages": [] }));
    assert!(started.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn the_stream_tells_pushes_and_messages_of_one_person() {
    let harness = Harness::start(|_| ()).await;
    let mut stream =
        harness.http.get(format!("{}/sim/stream?openid=o-li", harness.address)).send().await.unwrap();
    let mut heard = String::new();
    let mut acted = false;
    while !heard.contains("event: message") {
        heard.push_str(
            std::str::from_utf8(&stream.chunk().await.unwrap().expect("the stream goes on")).unwrap(),
        );
        if heard.contains("event: ready") && !acted {
            acted = true;
            harness.act("paper", "o-second", json!({ "act": "enter" })).await;
            harness.act("paper", "o-li", json!({ "act": "enter" })).await;
            let token = harness.token("paper").await;
            harness.try_send(&token, &text("o-second", "给别人")).await.unwrap();
            harness.try_send(&token, &text("o-li", "您的报纸")).await.unwrap();
        }
    }
    let data: Vec<Value> = heard
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(heard.matches("event: push").count(), 2, "begun and delivered");
    assert_eq!(data.last().unwrap()["message"]["text"]["content"], "您的报纸");
    assert!(!heard.contains("给别人") && !heard.contains("o-second"));
}

#[tokio::test]
async fn sources_page_extra_routes_and_liveness_are_on_one_port() {
    let harness = Harness::start(|_| ()).await;
    assert_eq!(
        harness.get("/sim/sources/weather?city=波士顿").await,
        json!({ "city": "波士顿", "temperature": -3 })
    );
    let get = |path: &str| harness.http.get(format!("{}{path}", harness.address)).send();
    assert_eq!(get("/sim/sources/weather?city=火星").await.unwrap().status(), 404);
    assert_eq!(get("/backstage/hello").await.unwrap().text().await.unwrap(), "hello");
    assert_eq!(get("/backstage/replies").await.unwrap().status(), 404);
    assert_eq!(get("/livez").await.unwrap().text().await.unwrap(), "ok");
    let page = get("/").await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'; "), "{policy}");
    assert!(page.text().await.unwrap().contains("迎宾"));
    assert_eq!(
        get("/phone/app.js").await.unwrap().headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
}

#[tokio::test]
async fn an_act_that_the_account_does_not_know_is_refused() {
    let harness = Harness::start(|_| ()).await;
    let refused = harness.act("paper", "o-li", json!({ "act": "click", "key": "K" })).await;
    assert!(refused["say"].as_str().unwrap().contains("pushes nothing"), "{refused}");
    assert!(harness.gateway.pushed().is_empty());
}

#[tokio::test]
async fn a_question_that_is_not_understood_is_refused_as_json_that_says_why() {
    let harness = Harness::start(|_| ()).await;
    let url = |path: &str| format!("{}{path}", harness.address);
    for (path, why) in [
        ("/sim/messages?since=first", "since"),
        ("/sim/messages?openId=o-li", "openId"),
        ("/sim/sends?wait=-1", "wait"),
        ("/sim/pushes?page=2", "page"),
        ("/sim/stream?open_id=o-li", "open_id"),
        ("/sim/sources/weather", "city"),
    ] {
        refused(harness.http.get(url(path)), why).await;
    }
    for (path, body, why) in [
        ("/sim/push", json!({ "account": "paper", "document": "d", "repeats": 3 }), "repeats"),
        ("/sim/people", json!({ "account": "paper", "openid": "o", "name": "n", "age": 7 }), "age"),
        ("/sim/clock", json!({ "advance": 1 }), "advance"),
        ("/sim/clock", json!({ "set_ms": "now" }), "set_ms"),
        ("/sim/tap", json!({ "address": "javascript:alert(1)" }), "address"),
        ("/sim/tap", json!({}), "address"),
        ("/sim/act", json!({ "account": "paper", "openid": "o", "act": "enter", "colour": "red" }), "colour"),
        ("/sim/act", json!({ "account": "paper", "openid": "o" }), "act"),
    ] {
        refused(harness.http.post(url(path)).json(&body), why).await;
    }
    refused(harness.http.post(url("/sim/clock")).body("{"), "JSON").await;
    assert!(harness.gateway.pushed().is_empty());
}

#[tokio::test]
async fn an_address_that_is_none_is_answered_in_the_form_of_its_part() {
    let harness = Harness::start(|_| ()).await;
    for (method, path, status, says) in [
        ("GET", "/sim/peoples", 404, "/sim/peoples"),
        ("POST", "/sim/", 404, "/sim/"),
        ("PUT", "/sim/people", 405, "PUT"),
        ("GET", "/sim/push", 405, "GET"),
    ] {
        let method = method.parse().unwrap();
        let answer = harness.http.request(method, format!("{}{path}", harness.address)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        refused_with(answer, says).await;
    }
    for (method, path, status, code) in [
        ("GET", "/cgi-bin/user/info", 404, 40066),
        ("GET", "/cgi-bin/stable_token", 405, 43002),
        ("POST", "/cgi-bin/token", 405, 43001),
    ] {
        let method = method.parse().unwrap();
        let answer = harness.http.request(method, format!("{}{path}", harness.address)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["errcode"], code, "{path}: {answer}");
        let text = answer["errmsg"].as_str().unwrap();
        assert!(text.contains(" rid: ") && !text.starts_with("unknown"), "{path}: {answer}");
    }
    let elsewhere = harness.http.get(format!("{}/nowhere", harness.address)).send().await.unwrap();
    assert_eq!((elsewhere.status().as_u16(), elsewhere.text().await.unwrap().as_str()), (404, ""));
}

/// `curl -d` calls every body a form, and some clients say nothing.
#[tokio::test]
async fn a_body_is_json_whatever_its_content_type_says() {
    let harness = Harness::start(|_| ()).await;
    for (path, body) in [
        ("/sim/push", json!({ "account": "paper", "document": "<xml></xml>" })),
        ("/sim/act", json!({ "account": "paper", "openid": "o-li", "act": "enter" })),
        ("/sim/people", json!({ "account": "paper", "openid": "o-new", "name": "新读者" })),
        ("/sim/clock", json!({ "advance_ms": 1 })),
        ("/sim/faults", json!({ "path": "source", "kind": "pass" })),
        ("/sim/tap", json!({ "address": format!("{}/livez", harness.address) })),
    ] {
        for kind in ["application/x-www-form-urlencoded", "text/plain", ""] {
            let mut request = harness.http.post(format!("{}{path}", harness.address)).body(body.to_string());
            if !kind.is_empty() {
                request = request.header("content-type", kind);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path} as {kind:?}: {}", answer.text().await.unwrap());
        }
    }
}

#[tokio::test]
async fn an_act_is_delivered_as_often_as_it_asks_for() {
    let harness = Harness::start(|_| ()).await;
    let delivered = harness.act("paper", "o-li", json!({ "act": "enter", "repeat": 3 })).await;
    assert_eq!(delivered["attempts"].as_array().unwrap().len(), 3, "{delivered}");
    assert_eq!(harness.gateway.pushed().len(), 3);
}

async fn refused(request: reqwest::RequestBuilder, why: &str) {
    let answer = request.send().await.unwrap();
    refused_with(answer, why).await;
}

async fn refused_with(answer: reqwest::Response, why: &str) {
    assert!(answer.status().is_client_error(), "{why}: {}", answer.status());
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["ok"], false, "{answer}");
    assert!(answer["say"].as_str().unwrap().contains(why), "{why}: {answer}");
}

#[tokio::test]
async fn a_tap_tells_where_the_link_leads_and_does_not_go_there() {
    let harness = Harness::start(|_| ()).await;
    let away = json!({ "path": "source", "kind": "redirect", "location": "https://paper.example/a" });
    harness.post("/sim/faults", &away).await;
    let link = json!({ "address": format!("{}/sim/sources/weather?city=x", harness.address) });
    assert_eq!(
        harness.post("/sim/tap", &link).await,
        json!({ "status": 302, "location": "https://paper.example/a" })
    );
    let nobody = harness.post("/sim/tap", &json!({ "address": "http://127.0.0.1:1/c/x" })).await;
    assert!(nobody["say"].as_str().unwrap().contains("nobody answers"), "{nobody}");
}
