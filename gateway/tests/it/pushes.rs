//! Good pushes: every mode, every format, each one durable event with its headers.

use proto::event::event::Kind;
use runtime::trace::TraceParent;
use wechat::{
    Mode,
    push::{Credentials, seal_url_check},
};

use crate::{
    house::{House, OTHER_KEY, credentials},
    wire,
};

const TEXT_XML: &str = "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oReader]]></FromUserName>\
    <CreateTime>1754000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[台湾]]></Content>\
    <MsgId>23637352235060880</MsgId></xml>";
const TEXT_JSON: &str = "{\"ToUserName\":\"gh_1\",\"FromUserName\":\"oReader\",\"CreateTime\":1754000000,\
    \"MsgType\":\"text\",\"Content\":\"台湾\",\"MsgId\":23637352235060880}";
const MODES: [Mode; 3] = [Mode::Plain, Mode::Compatible, Mode::Safe];

#[tokio::test]
async fn every_mode_and_format_becomes_one_durable_event() {
    let house = House::open().await;
    for mode in MODES {
        for document in [TEXT_XML, TEXT_JSON] {
            let reply = house.push(mode, document.as_bytes()).await;
            assert_eq!((reply.status, reply.body.as_str()), (200, "success"), "{mode}");
        }
    }
    for received in house.events(6).await {
        let event = &received.event;
        let Some(Kind::TextReceived(text)) = &event.kind else { panic!("{event:?}") };
        assert_eq!((text.content.as_str(), text.message_id.as_str()), ("台湾", "23637352235060880"));
        assert_eq!((event.occurred_at_ms, event.to_user_name.as_str()), (1_754_000_000_000, "gh_1"));
        assert_eq!(event.app_id, format!("wx-{}", event.account));
        assert_eq!(received.key, format!("{}:oReader", event.app_id));
        let headers = &received.headers;
        assert_eq!(headers["ce_id"], event.id);
        assert_eq!(headers["ce_type"], "yingbin.event.text_received.v1");
        assert_eq!(headers["ce_source"], format!("/wechat/{}", event.app_id));
        assert_eq!(headers["ce_partitionkey"], received.key);
        assert_eq!(headers["ce_time"], "2025-07-31T22:13:20.000Z");
        assert_eq!(headers["content-type"], "application/protobuf");
        headers["traceparent"].parse::<TraceParent>().unwrap();
    }
    assert_eq!(house.metric("gateway_pushes_total{account=\"safe\",result=\"accepted\"}").await, 2.0);
    assert_eq!(house.metric("gateway_pushes_in_flight").await, 0.0);
    house.end().await;
}

#[tokio::test]
async fn a_repeat_is_the_same_event_and_another_push_is_not() {
    let house = House::open().await;
    let credentials = credentials(Mode::Safe);
    for seconds_ago in [10, 5] {
        let repeat = house.seal_as(&credentials, TEXT_XML.as_bytes(), seconds_ago);
        assert_eq!(house.post("safe", &repeat).await.status, 200);
    }
    let other = TEXT_XML.replace("23637352235060880", "23637352235060881");
    assert_eq!(house.push(Mode::Safe, other.as_bytes()).await.status, 200);
    let mut ids: Vec<String> = house.events(3).await.into_iter().map(|received| received.event.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    house.end().await;
}

#[tokio::test]
async fn the_previous_token_and_key_still_hold() {
    let house = House::open().await;
    let mut before = credentials(Mode::Safe);
    before.token = "token-before".into();
    before.aes_key = wechat::envelope::AesKey::parse(OTHER_KEY).ok();
    let push = house.seal_as(&before, TEXT_XML.as_bytes(), 0);
    assert_eq!(house.post("safe", &push).await.status, 200);
    assert_eq!(house.events(1).await[0].event.kind_name(), "text_received");
    house.end().await;
}

#[tokio::test]
async fn a_control_character_stays_in_the_text() {
    let house = House::open().await;
    let json = TEXT_JSON.replace("台湾", "a\\u0008b");
    for document in [TEXT_XML.replace("台湾", "a\u{8}b"), json] {
        assert_eq!(house.push(Mode::Safe, document.as_bytes()).await.body, "success");
    }
    for received in house.events(2).await {
        let Some(Kind::TextReceived(text)) = received.event.kind else { panic!("not a text") };
        assert_eq!(text.content, "a\u{8}b");
    }
    house.end().await;
}

#[tokio::test]
async fn what_verifies_is_never_refused_even_if_nobody_can_read_it() {
    let house = House::open().await;
    let deep = format!("<xml>{}{}</xml>", "<a>".repeat(500), "</a>".repeat(500));
    let many = format!("<xml>{}</xml>", "<a/>".repeat(9_000));
    let documents: [&[u8]; 6] = [
        b"<!DOCTYPE xml [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><xml><Content>&a;</Content></xml>",
        b"<xml><Content>\xff\xfe</Content></xml>",
        b"\x00\x01\x02",
        b"<xml><Content>cut",
        deep.as_bytes(),
        many.as_bytes(),
    ];
    for mode in MODES {
        for document in documents {
            // Never in clear beside the envelope, which would make the envelope itself unreadable.
            let envelope = if mode == Mode::Plain { Mode::Plain } else { Mode::Safe };
            let push = house.seal_as(&Credentials { mode: envelope, ..credentials(mode) }, document, 0);
            let reply = house.post(mode.as_str(), &push).await;
            assert_eq!((reply.status, reply.body.as_str()), (200, "success"), "{mode} {document:?}");
        }
    }
    let events = house.events(18).await;
    for document in documents {
        let raw: Vec<_> = events
            .iter()
            .filter(|received| match &received.event.kind {
                Some(Kind::Unrecognised(kept)) => kept.raw == document && !kept.reason.is_empty(),
                _ => false,
            })
            .collect();
        assert_eq!(raw.len(), 3, "{document:?}");
        assert!(raw.iter().all(|received| received.key == format!("{}:", received.event.app_id)));
    }
    assert_eq!(house.metric("gateway_pushes_total{account=\"safe\",result=\"unreadable\"}").await, 6.0);
    house.end().await;
}

#[tokio::test]
async fn strangers_do_not_choose_our_trace() {
    let house = House::open().await;
    let push = house.seal(Mode::Safe, TEXT_XML.as_bytes());
    let theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let target = format!("/wechat/safe?{}", push.query);
    let bytes = wire::request("POST", &target, &format!("traceparent: {theirs}\r\n"), &push.body);
    assert_eq!(wire::exchange(house.public, &bytes).await.status, 200);
    assert!(!house.events(1).await[0].headers["traceparent"].contains("0af7651916cd43dd8448eb211c80319c"));
    house.end().await;
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let house = House::open().await;
    let push = house.seal(Mode::Safe, TEXT_XML.as_bytes());
    let chunks: String = push.body.chunks(100).fold(String::new(), |all, chunk| {
        format!("{all}{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
    });
    let request = format!(
        "POST /wechat/safe?{} HTTP/1.1\r\nHost: g\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n",
        push.query
    );
    assert_eq!(wire::exchange(house.public, request.as_bytes()).await.body, "success");
    house.end().await;
}

#[tokio::test]
async fn the_platform_can_verify_the_address() {
    let house = House::open().await;
    let now = house.clock.now_ms() / 1000;
    let ask = async |mode: Mode, random16| {
        let query =
            seal_url_check(&credentials(mode), "5927782489442352469", now, "1514711492", random16).unwrap();
        wire::get(house.public, &format!("/wechat/{mode}?{query}")).await
    };
    for mode in MODES {
        let reply = ask(mode, None).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "5927782489442352469"), "{mode}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
    let encrypted = ask(Mode::Safe, Some(*b"0123456789abcdef")).await;
    assert_eq!((encrypted.status, encrypted.body.as_str()), (200, "5927782489442352469"));
    house.end().await;
}

#[tokio::test]
async fn where_a_simulation_moves_the_clock_its_time_and_the_machines_are_both_fresh() {
    const HELLO: &[u8] =
        b"<xml><FromUserName>o1</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>";
    let house = House::open().await;
    let by_machine = house.seal(Mode::Safe, HELLO);
    house.clock.advance(std::time::Duration::from_secs(3_600));
    let by_simulation = house.seal(Mode::Safe, HELLO);
    let in_between = house.seal_as(&credentials(Mode::Safe), HELLO, 1_800);
    for (push, status) in [(by_machine, 200), (by_simulation, 200), (in_between, 403)] {
        assert_eq!(house.post("safe", &push).await.status, status);
    }
    house.end().await;
}
