//! The commands that speak to Kafka, against librdkafka's in-process cluster: `items`, `activity`, `tail`, `why`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use cli::{command, yingbin, yingbin_with};
use prost::Message as _;
use proto::{
    CloudEvent,
    event::{Event, MenuClicked, event::Kind},
    reply::{Decision, Outcome, Reply, UnknownPolicy},
};
use rdkafka::mocking::MockCluster;
use runtime::kafka::{GroupProtocol, Kafka};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A cluster with the topics and three partitions each; the items have one, as they should.
fn with_cluster(test: impl FnOnce(&str, &Kafka)) {
    let cluster = MockCluster::new(1).unwrap();
    for topic in proto::ALL_TOPICS {
        cluster.create_topic(topic.name, topic.partitions.min(3), 1).unwrap();
    }
    let bootstrap = cluster.bootstrap_servers();
    let kafka = Kafka {
        bootstrap: bootstrap.clone(),
        namespace: String::new(),
        group_protocol: GroupProtocol::Classic,
        properties: Vec::new(),
        consumer_properties: Vec::new(),
    };
    test(&bootstrap, &kafka);
}

fn event(id: &str) -> Event {
    Event {
        id: id.into(),
        app_id: "wx1".into(),
        openid: "o1".into(),
        occurred_at_ms: 1_754_000_000_000,
        kind: Some(Kind::MenuClicked(MenuClicked { key: "checkin".into() })),
        ..Event::default()
    }
}

fn produce_event(kafka: &Kafka, event: &Event) {
    let attributes = CloudEvent::of_event(event, TRACE);
    let (key, payload) = (attributes.key.as_bytes(), event.encode_to_vec());
    Runtime::new().unwrap().block_on(async {
        let producer = kafka.producer("test").unwrap();
        let sent = producer.send(proto::EVENTS.name, key, &attributes.headers(), Some(&payload));
        sent.unwrap().await.unwrap();
    });
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_tail_from_the_beginning_shows_events_with_their_headers() {
    with_cluster(|bootstrap, kafka| {
        for id in ["e1", "e2"] {
            produce_event(kafka, &event(id));
        }
        let ended = yingbin(&["tail", "events", "--from-beginning", "--count", "2", "--kafka", bootstrap]);
        assert_eq!(ended.code, 0, "{ended:?}");
        let shown = lines(&ended.out);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0]["key"], "wx1:o1");
        assert_eq!(shown[0]["headers"]["ce_type"], "yingbin.event.menu_clicked.v1");
        assert_eq!(shown[0]["headers"]["traceparent"], TRACE);
        let expected = json!({
            "id": "e1", "appId": "wx1", "openid": "o1", "occurredAtMs": "1754000000000",
            "menuClicked": { "key": "checkin" }
        });
        assert_eq!(shown[0]["value"], expected);
        assert_eq!(shown[1]["offset"], 1);
    });
}

#[test]
fn a_tail_shows_what_comes_after_its_start_and_nothing_before() {
    with_cluster(|bootstrap, kafka| {
        produce_event(kafka, &event("before"));
        let mut child = command(&["tail", "wechat.events.v1", "--count", "1", "--kafka", bootstrap])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.contains("3 partition(s) from the end"), "{ready}");
        produce_event(kafka, &event("after"));
        let output = child.wait_with_output().unwrap();
        let shown = lines(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(shown[0]["value"]["id"], "after");
        assert_eq!(shown.len(), 1);
    });
}

#[test]
fn items_are_published_and_removed_under_their_ids() {
    with_cluster(|bootstrap, _| {
        let item = |id: &str| {
            json!({ "id": id, "account": "a", "title": "题", "url": "https://h/", "publishedHoursAgo": 1 })
                .to_string()
        };
        let file = format!("{}\n{}\n", item("one"), item("two"));
        let published =
            yingbin_with(&["items", "publish", "-", "--json", "--kafka", bootstrap], file.as_bytes());
        assert_eq!(
            (published.code, published.json()),
            (0, json!({ "ok": true, "published": 2 })),
            "{published:?}"
        );
        let removed = yingbin(&["items", "remove", "one", "--kafka", bootstrap]);
        assert_eq!((removed.code, removed.out.as_str()), (0, "1 items removed\n"));

        let ended = yingbin(&["tail", "items", "--from-beginning", "--count", "3", "--kafka", bootstrap]);
        let shown = lines(&ended.out);
        let keys: Vec<&str> = shown.iter().map(|line| line["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["one", "two", "one"]);
        assert_eq!(shown[0]["value"]["title"], "题");
        assert_eq!(shown[2]["value"], Value::Null);
    });
}

#[test]
fn a_file_with_one_bad_line_publishes_nothing() {
    with_cluster(|bootstrap, kafka| {
        let file = "{\"id\":\"good\",\"account\":\"a\",\"title\":\"t\",\"url\":\"https://h/\",\"publishedAtMs\":1}\n{\"id\":\"B\"}\n";
        let ended = yingbin_with(&["items", "publish", "-", "--json", "--kafka", bootstrap], file.as_bytes());
        assert_eq!(ended.code, 1);
        assert_eq!(ended.json()["problems"][0]["line"], 2);
        assert!(ended.err.contains("-: line 2: id \"B\""), "{}", ended.err);
        let next = Runtime::new().unwrap().block_on(async {
            let producer = kafka.producer("test").unwrap();
            producer.send(proto::ITEMS.name, b"next", &[], None).unwrap().await.unwrap()
        });
        assert_eq!(next, (0, 0), "nothing stands before it");
    });
}

#[test]
fn activities_are_sent_under_their_customers_keys() {
    with_cluster(|bootstrap, _| {
        let file = r#"{"id":"p1","customer":{"user":{"appId":"wx1","openid":"o1"}},"kind":"purchase","occurredHoursAgo":2}
            {"id":"p2","customer":{"external":{"namespace":"skypearl","id":"42"}},"kind":"check_in","occurredAtMs":1754000000000}"#;
        let arguments = ["activity", "send", "-", "--source", "/till", "--kafka", bootstrap];
        let ended = yingbin_with(&arguments, file.as_bytes());
        assert_eq!((ended.code, ended.out.as_str()), (0, "2 activities sent\n"), "{ended:?}");
        let ended = yingbin(&["tail", "activity", "--from-beginning", "--count", "2", "--kafka", bootstrap]);
        let mut shown = lines(&ended.out);
        shown.sort_by_key(|line| line["value"]["id"].as_str().unwrap().to_owned());
        assert_eq!([&shown[0]["key"], &shown[1]["key"]], ["wx1:o1", "skypearl:42"]);
        assert_eq!(shown[1]["headers"]["ce_source"], "/till");
        assert_eq!(shown[1]["headers"]["ce_time"], "2025-07-31T22:13:20.000Z");
        assert_eq!(shown[1]["value"]["kind"], "check_in");
    });
}

async fn produce_replies(kafka: &Kafka, count: u32) {
    let producer = kafka.producer("test").unwrap();
    for number in 0..count {
        let reply = Reply {
            event_id: format!("{number:032x}"),
            app_id: "wx1".into(),
            openid: format!("o{number}"),
            outcome: Outcome::Suppressed.into(),
            reason: format!("reason {number}"),
            ..Reply::default()
        };
        let attributes = CloudEvent::of_reply(&reply, TRACE);
        let (key, payload) = (attributes.key.as_bytes(), reply.encode_to_vec());
        let sent = producer.send(proto::REPLIES.name, key, &attributes.headers(), Some(&payload));
        sent.unwrap().await.unwrap();
    }
}

#[test]
fn why_finds_the_outcome_among_others() {
    with_cluster(|bootstrap, kafka| {
        Runtime::new().unwrap().block_on(produce_replies(kafka, 20));
        let id = format!("{:032x}", 13);
        let page = yingbin(&["why", &id, "--kafka", bootstrap]);
        assert_eq!(page.code, 0, "{page:?}");
        assert!(page.out.contains("The reason: reason 13."), "{}", page.out);
        let json = yingbin(&["why", &id, "--json", "--kafka", bootstrap]).json();
        assert_eq!((&json["outcome"], &json["openid"]), (&json!("OUTCOME_SUPPRESSED"), &json!("o13")));

        let missing = yingbin(&["why", &format!("{:032x}", 21), "--json", "--kafka", bootstrap]);
        assert_eq!((missing.code, &missing.json()["ok"]), (1, &json!(false)));
    });
}

async fn produce_reply(kafka: &Kafka, reply: &Reply) {
    let attributes = CloudEvent::of_reply(reply, TRACE);
    let (key, payload) = (attributes.key.as_bytes(), reply.encode_to_vec());
    let producer = kafka.producer("test").unwrap();
    let sent = producer.send(proto::REPLIES.name, key, &attributes.headers(), Some(&payload));
    sent.unwrap().await.unwrap();
}

#[test]
fn why_tells_the_last_word_of_an_event_that_was_sent_again() {
    with_cluster(|bootstrap, kafka| {
        let id = format!("{:032x}", 7);
        let decision = Decision { unknown: UnknownPolicy::Ask.into(), ..Decision::default() };
        let (outcome, decision) = (Outcome::Unknown.into(), Some(decision));
        let unknown =
            Reply { event_id: id.clone(), app_id: "wx1".into(), outcome, decision, ..Reply::default() };
        let again = Reply { revision: 1, outcome: Outcome::Sent.into(), ..unknown.clone() };
        let runtime = Runtime::new().unwrap();
        runtime.block_on(produce_reply(kafka, &unknown));
        let page = yingbin(&["why", &id, "--kafka", bootstrap]);
        assert!(page.out.contains("the user may or may not have it"), "{}", page.out);
        runtime.block_on(produce_reply(kafka, &again));
        let page = yingbin(&["why", &id, "--kafka", bootstrap]);
        assert!(page.out.contains("a person had it sent again"), "{}", page.out);
        assert!(page.out.contains("WeChat took the whole reply"), "{}", page.out);
    });
}

#[test]
fn kafka_that_is_not_found_or_away_is_told_with_what_to_do() {
    let nowhere = yingbin(&["tail", "events"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("start `yingbin up`, or give --kafka"), "{}", nowhere.err);
    let away = command(&["tail", "events"]).env("KAFKA_BOOTSTRAP", "127.0.0.1:1").output().unwrap();
    assert_eq!(away.status.code(), Some(1));
    let told = String::from_utf8(away.stderr).unwrap();
    assert!(told.starts_with("yingbin: Kafka at 127.0.0.1:1: "), "{told}");
}
