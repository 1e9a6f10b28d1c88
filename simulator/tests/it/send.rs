//! `custom/send`: windows and counts per kind, rule set and act; quotas; bodies.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::config::Config;
use wechat::account::RuleSet;

use crate::harness::{Harness, T0, text};

/// Sends until the platform refuses: how many it took, and the last errcode.
async fn until_refused(harness: &Harness, account: &str, openid: &str) -> (usize, i64) {
    for sent in 0.. {
        let errcode = harness.send(account, openid).await;
        if errcode != 0 {
            return (sent, errcode);
        }
    }
    unreachable!()
}

fn old_rules(config: &mut Config) {
    config.accounts[1].rules = RuleSet::WeChat45;
}

#[tokio::test]
async fn nobody_may_be_written_to_unasked() {
    let harness = Harness::start(|_| ()).await;
    assert_eq!(harness.send("paper", "o-li").await, 45015);
    assert_eq!(harness.send("paper", "o-stranger").await, 40003);
    assert_eq!(harness.send("air", "o-li").await, 40003, "another account's reader");
}

#[tokio::test]
async fn every_act_opens_its_own_window() {
    let harness = Harness::start(|_| ()).await;
    let minute = Duration::from_secs(60);
    for (account, openid, act, count) in [
        ("paper", "o-li", json!({ "act": "enter" }), 2),
        ("air", "o-chen", json!({ "act": "click", "key": "CHECK_IN" }), 3),
        ("air", "o-chen", json!({ "act": "menu_option", "id": "1", "content": "靠窗" }), 3),
        ("air", "o-chen", json!({ "act": "subscribe" }), 3),
        ("air", "o-chen", json!({ "act": "scan", "scene": "gate" }), 3),
    ] {
        harness.clock.set_ms(harness.clock.now_ms() / 1000 * 1000);
        harness.act(account, openid, act.clone()).await;
        assert_eq!(until_refused(&harness, account, openid).await, (count, 45047), "{act}");
        harness.clock.advance(minute);
        assert_eq!(until_refused(&harness, account, openid).await, (0, 45015), "{act}");
    }
    for act in [json!({ "act": "enter" }), json!({ "act": "view", "url": "http://x" })] {
        harness.act("air", "o-chen", act.clone()).await;
        assert_eq!(until_refused(&harness, "air", "o-chen").await, (0, 45015), "{act}");
    }
}

#[tokio::test]
async fn a_message_opens_two_days() {
    let harness = Harness::start(|_| ()).await;
    for (account, openid) in [("paper", "o-li"), ("air", "o-chen")] {
        harness.clock.set_ms(T0);
        harness.act(account, openid, json!({ "act": "text", "content": "在吗" })).await;
        harness.clock.advance(Duration::from_secs(48 * 3600 - 30));
        assert_eq!(until_refused(&harness, account, openid).await, (5, 45047), "{account}");
        harness.clock.advance(Duration::from_secs(30));
        assert_eq!(until_refused(&harness, account, openid).await, (0, 45015), "{account}");
    }
}

#[tokio::test]
async fn under_the_rules_of_wechat_4_5_entering_opens_the_window() {
    let harness = Harness::start(old_rules).await;
    harness.act("air", "o-chen", json!({ "act": "enter" })).await;
    harness.clock.advance(Duration::from_secs(3600));
    assert_eq!(until_refused(&harness, "air", "o-chen").await, (5, 45047));
    harness.clock.advance(Duration::from_secs(23 * 3600));
    assert_eq!(until_refused(&harness, "air", "o-chen").await, (0, 45015));
}

#[tokio::test]
async fn the_window_counts_from_the_create_time() {
    let harness = Harness::start(|_| ()).await;
    let create_time = T0 / 1000 - 59;
    let document = format!(
        "<xml><FromUserName>o-li</FromUserName><CreateTime>{create_time}</CreateTime>\
         <MsgType>event</MsgType><Event>user_enter_tempsession</Event></xml>"
    );
    harness.post("/sim/push", &json!({ "account": "paper", "document": document })).await;
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(harness.send("paper", "o-li").await, 45015);
}

#[tokio::test]
async fn who_unsubscribed_gets_nothing() {
    let harness = Harness::start(|_| ()).await;
    harness.act("air", "o-chen", json!({ "act": "text", "content": "再见" })).await;
    harness.act("air", "o-chen", json!({ "act": "unsubscribe" })).await;
    assert_eq!(harness.send("air", "o-chen").await, 43004);
    harness.act("air", "o-chen", json!({ "act": "subscribe" })).await;
    assert_eq!(harness.send("air", "o-chen").await, 0);
}

#[tokio::test]
async fn quotas_hold_and_an_unverified_account_sends_nothing() {
    let harness = Harness::start(|config| {
        config.limits.sends_per_minute = 2;
        config.limits.sends_per_day = 3;
        config.accounts[1].verified = false;
    })
    .await;
    let mut codes = Vec::new();
    for second in [0, 0, 0, 60, 60, 86_400] {
        harness.clock.set_ms(T0 + second * 1000);
        harness.act("paper", "o-li", json!({ "act": "text", "content": "新闻" })).await;
        codes.push(harness.send("paper", "o-li").await);
    }
    assert_eq!(codes, [0, 0, 45011, 0, 45009, 0]);
    harness.act("air", "o-chen", json!({ "act": "subscribe" })).await;
    assert_eq!(harness.send("air", "o-chen").await, 48001);
}

#[tokio::test]
async fn what_arrived_is_recorded_as_sent_and_what_was_refused_is_not() {
    let harness = Harness::start(|_| ()).await;
    harness.act("paper", "o-li", json!({ "act": "enter" })).await;
    let token = harness.token("paper").await;
    let link = text("o-li", "<a href=\"http://x/c/1?a=1&b=2\">台湾</a>\n奎屯");
    let menu = json!({ "touser": "o-li", "msgtype": "msgmenu", "msgmenu": { "list": [] } });
    for (body, code) in [(&menu, 48008), (&link, 0)] {
        let answer: Value = harness.try_send(&token, body).await.unwrap().json().await.unwrap();
        assert_eq!(answer["errcode"], code);
    }
    let raw = |body: &'static str| harness.http.post(harness.send_address(&token)).body(body).send();
    assert_eq!(raw("").await.unwrap().json::<Value>().await.unwrap()["errcode"], 44002);
    assert_eq!(raw("{").await.unwrap().json::<Value>().await.unwrap()["errcode"], 47001);
    let got: Value =
        harness.http.get(harness.send_address(&token)).send().await.unwrap().json().await.unwrap();
    assert_eq!(got["errcode"], 43002);
    let arrived = harness.get("/sim/messages?openid=o-li").await;
    let message = &arrived["messages"][0];
    assert_eq!(arrived["messages"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&message["message"], &message["errcode"], &message["account"]),
        (&link, &0.into(), &"paper".into())
    );
    assert!(message["received_at"].as_i64().unwrap() >= T0);
    let sends = harness.get("/sim/sends?account=paper").await;
    let codes: Vec<i64> =
        sends["sends"].as_array().unwrap().iter().map(|send| send["errcode"].as_i64().unwrap()).collect();
    assert_eq!(codes, [48008, 0, 44002, 47001, 43002]);
}
