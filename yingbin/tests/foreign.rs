//! Clients that nobody here wrote: the Python package `wechatpy` on both sides of WeChat's protocol, and Kafka's own console
//! consumer on the events.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "foreign/broker.rs"]
mod broker;
#[path = "support/processes.rs"]
#[allow(dead_code, reason = "it starts its own processes")]
mod processes;
#[path = "foreign/python.rs"]
mod python;
mod support;

use std::time::Duration;

use broker::Broker;
use prost::Message as _;
use proto::event::{Event, event::Kind};
use python::python;
use serde_json::{Value, json};
use simulator::Act;
use support::{Record, Stand, Watched, example};
use tokio::time::timeout;
use yingbin::{
    example::Account,
    infrastructure::Outside,
    up::{Ports, Setup, System},
};

/// An account and one of its readers, who has just written something: the platform lets the account answer him for two days.
struct Talk {
    stand: Stand,
    account: Account,
    openid: String,
    watched: Watched,
}

impl Talk {
    async fn begin(name: &str) -> Self {
        let stand = Stand::fresh(&[name]).await;
        let guest = stand.guest(name, 0);
        let openid = guest.person.openid.clone();
        guest.does(&Act::Text { content: "你好".into() }).await.unwrap();
        let watched = stand.watch(&[proto::EVENTS]).await;
        Self { account: example(name).account, openid, watched, stand }
    }

    /// A push's inner document about the reader.
    fn document(&self, rest: &str) -> String {
        let now = self.stand.system.clock.now_ms() / 1000;
        format!(
            "<xml><ToUserName><![CDATA[{}]]></ToUserName><FromUserName><![CDATA[{}]]></FromUserName>\
             <CreateTime>{now}</CreateTime>{rest}</xml>",
            self.account.original_id, self.openid,
        )
    }

    fn text(&self, content: &str, id: u64) -> String {
        self.document(&format!(
            "<MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{content}]]></Content><MsgId>{id}</MsgId>"
        ))
    }

    fn address(&self) -> String {
        format!("{}/wechat/{}", self.stand.system.addresses.gateway, self.account.name)
    }

    /// Lets wechatpy encrypt and push documents, each with what compatible mode shows beside it.
    async fn pushed(&self, documents: &[(String, String)]) -> Vec<Event> {
        let sent: Vec<Value> =
            documents.iter().map(|(sent, clear)| json!({"sent": sent, "clear": clear})).collect();
        let asked = json!({
            "url": self.address(),
            "token": self.account.token,
            "aes_key": self.account.aes_key,
            "app_id": self.account.app_id,
            "openid": self.openid,
            "mode": self.account.mode.as_str(),
            "documents": sent,
        });
        let taken = json!({"status": 200, "body": "success"});
        assert_eq!(python("push.py", &asked).await, json!(vec![taken; documents.len()]));
        let records = timeout(Duration::from_secs(5), self.watched.records(documents.len())).await.unwrap();
        records.iter().map(|Record { value, .. }| Event::decode(value.as_slice()).unwrap()).collect()
    }

    /// What has arrived at the reader's phone once there are so many.
    async fn messages(&self, count: usize) -> Vec<Value> {
        let arrived = async {
            let mut messages = self.stand.messages(&self.openid).await;
            while messages.len() < count {
                let last = messages.last().map_or(0, |message| message["seq"].as_u64().unwrap());
                let base = &self.stand.system.addresses.simulator;
                let url = format!("{base}/sim/messages?openid={}&since={last}&wait=5000", self.openid);
                let more: Value =
                    self.stand.system.plays.http.get(url).send().await.unwrap().json().await.unwrap();
                messages.extend(more["messages"].as_array().unwrap().clone());
            }
            messages
        };
        timeout(Duration::from_secs(10), arrived).await.expect("an answer on the phone")
    }
}

fn text_of(event: &Event) -> &str {
    match &event.kind {
        Some(Kind::TextReceived(text)) => &text.content,
        other => panic!("no text: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_wechatpy_encrypted_is_answered_on_the_phone() {
    let talk = Talk::begin("qianjiang").await;
    let before = talk.messages(1).await.len();
    let texts = ["波士顿今天下雪吗？🌨️👨‍👩‍👧 & <b>", "天气\u{8}怎么样"];
    let documents: Vec<_> =
        texts.iter().zip(1..).map(|(text, id)| (talk.text(text, id), String::new())).collect();
    let events = talk.pushed(&documents).await;
    assert_eq!(events.iter().map(text_of).collect::<Vec<_>>(), texts);
    let messages = talk.messages(before + 2).await;
    for message in &messages[before..] {
        let said = message["message"]["text"]["content"].as_str().unwrap();
        assert!(said.starts_with("杭州：") && message["errcode"] == 0, "the weather: {message}");
    }
    talk.stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_compatible_mode_what_wechatpy_encrypted_counts_and_not_the_clear_copy() {
    let talk = Talk::begin("csair").await;
    let before = talk.messages(1).await.len();
    let tap = "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[CLICK]]></Event><EventKey><![CDATA[CHECK_IN]]></EventKey>";
    let tap = talk.document(tap);
    let forged = talk.text("我不要这个座位", 7);
    let events = talk.pushed(&[(tap.clone(), tap), (talk.text("靠窗 🪟", 7), forged)]).await;
    assert!(matches!(&events[0].kind, Some(Kind::MenuClicked(tapped)) if tapped.key == "CHECK_IN"));
    assert_eq!(text_of(&events[1]), "靠窗 🪟");
    assert!(talk.messages(before + 2).await.iter().all(|message| message["errcode"] == 0));
    talk.stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wechatpys_url_verification_gets_its_echo_and_a_wrong_token_does_not() {
    let talk = Talk::begin("qianjiang").await;
    let echo = "5904166245109345+迎宾/&a=b";
    let asked =
        json!({"url": talk.address(), "tokens": [talk.account.token, "another token"], "echostr": echo});
    let answers = python("verify.py", &asked).await;
    assert_eq!(answers[0], json!({"status": 200, "body": echo}));
    assert_eq!(answers[1]["status"], 403);
    talk.stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wechatpys_client_sends_inside_the_window_and_is_refused_outside() {
    let talk = Talk::begin("csair").await;
    let before = talk.messages(1).await.len();
    let stranger = talk.stand.guest("csair", 1).person.openid.clone();
    let said = "您的航班 CZ3101 准时起飞 ✈️ \"<a>\" \\u4f60";
    let asked = |access_token: Value| {
        json!({
            "api": talk.stand.system.addresses.simulator,
            "app_id": talk.account.app_id,
            "secret": talk.account.app_secret,
            "access_token": access_token,
            "texts": [{"openid": talk.openid, "content": said}, {"openid": stranger, "content": said}],
        })
    };
    let answered = python("client.py", &asked(Value::Null)).await;
    let fetched = ["access_token", "expires_in"];
    assert_eq!(answered, json!({"fetched": fetched, "tokens": 2, "sent": [0, 45015]}));
    // A token that nobody gave out: it understands the refusal, fetches a good one and repeats by itself.
    let answered = python("client.py", &asked(json!("worn out"))).await;
    assert_eq!(answered, json!({"fetched": [], "tokens": 2, "sent": [0, 45015]}));
    let messages = talk.messages(before + 2).await;
    for message in &messages[before..] {
        let text = json!({"touser": talk.openid, "msgtype": "text", "text": {"content": said}});
        assert_eq!(message["message"], text);
    }
    assert_eq!(talk.stand.messages(&stranger).await, Vec::<Value>::new());
    talk.stand.stop_having_forced(&[45_015]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkas_console_consumer_shows_key_and_headers_of_the_events() {
    let broker = Broker::start().await;
    let namespace = format!("t{:08x}.", rand::random::<u32>());
    let outside = Outside { kafka: Some(broker.bootstrap.clone()), ..Outside::from_environment(&namespace) };
    let setup = Setup { examples: vec![example("qianjiang")], ports: Ports::ANY, outside };
    let stand = Stand { system: System::start(setup).await.unwrap() };
    let guest = stand.guest("qianjiang", 0);
    let entered = guest.does(&Act::Enter { session_from: String::new() }).await.unwrap();
    let shown = broker.console(&stand.system.kafka().topic(proto::EVENTS.name), 1).await;
    let (headers, key) = shown[0].split_once(" | ").unwrap();
    let (app_id, openid) = (&example("qianjiang").account.app_id, &guest.person.openid);
    assert_eq!(key, format!("{app_id}:{openid}"));
    for header in [
        "ce_specversion:1.0".to_owned(),
        format!("ce_id:{}", entered.reply.event_id),
        format!("ce_source:/wechat/{app_id}"),
        "ce_type:yingbin.event.entered.v1".to_owned(),
        format!("ce_subject:{openid}"),
        format!("ce_partitionkey:{key}"),
        "content-type:application/protobuf".to_owned(),
    ] {
        assert!(headers.split(',').any(|shown| shown == header), "{header} is not in {headers}");
    }
    assert!(headers.contains("ce_time:") && headers.contains("traceparent:00-"), "{headers}");
    stand.stop().await;
}
