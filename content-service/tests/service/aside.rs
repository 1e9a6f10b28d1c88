//! Records that nobody can read, and records that a topic does not take: nothing is lost and nothing blocks.

use std::{borrow::Cow, time::Duration};

use proto::{
    event::{Unrecognised, event::Kind},
    reply::Outcome,
};
use rdkafka::{
    Message as _,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use crate::world::{APP, World, header, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_last_in_its_partition_is_set_aside_and_the_offset_moves_past_it() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    let raw = Unrecognised { raw: b"<xml".to_vec(), reason: "cut".into(), ..Unrecognised::default() };
    world.push(&world.event("", "push", Kind::Unrecognised(raw))).await;
    let key = format!("{APP}:o2");
    let headers = [("ce_id", Cow::Borrowed("poison")), ("mine", Cow::Borrowed("\u{7}"))];
    world.push_raw(key.as_bytes(), &headers, b"\xff\xff\xff").await;

    let reply = world.outcome("poison").await;
    assert_eq!(reply.outcome(), Outcome::SetAside);
    assert!(reply.reason.starts_with("protobuf: "), "{}", reply.reason);
    assert_eq!(world.outcome("push").await.outcome(), Outcome::SetAside);
    until("both are in the DLQ", async || world.dlq.records().len() == 2).await;
    let records = world.dlq.records();
    let copy = records.iter().find(|record| header(record, "ce_id").as_deref() == Some("poison")).unwrap();
    assert_eq!((copy.key(), copy.payload()), (Some(key.as_bytes()), Some(&b"\xff\xff\xff"[..])));
    assert_eq!(header(copy, "mine").as_deref(), Some("\u{7}"));
    assert_eq!(header(copy, "dlq_reason").as_deref(), Some("protobuf"));
    assert_eq!(
        (header(copy, "dlq_partition"), header(copy, "dlq_offset")),
        (Some("0".into()), Some("2".into()))
    );
    world.committed(3).await;
    world.stop().await;
}

/// A record with the id of an event, and nothing of it.
async fn damaged(world: &World, id: &'static str) {
    let key = format!("{APP}:o1");
    world.push_raw(key.as_bytes(), &[("ce_id", Cow::Borrowed(id))], b"\xff\xff").await;
}

fn outcomes(world: &World, id: &str) -> Vec<Outcome> {
    let all = world.replies.replies();
    all.iter().filter(|reply| reply.event_id == id).map(|reply| reply.outcome()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_of_a_handled_event_is_set_aside_all_the_same() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    damaged(&world, "e1").await;
    until("the copy is in the DLQ", async || world.dlq.records().len() == 1).await;
    world.committed(2).await;
    assert_eq!(outcomes(&world, "e1"), [Outcome::Sent, Outcome::SetAside]);
    let ids: Vec<_> = world.replies.records().iter().map(|record| header(record, "ce_id").unwrap()).collect();
    assert_eq!(ids, ["e1", "aside:wechat.events.v1/0/1"], "each is one of its own to whoever drops repeats");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_that_comes_first_does_not_block_the_event_whose_id_it_carries() {
    let mut world = World::start(1).await;
    damaged(&world, "e1").await;
    until("it is in the DLQ", async || world.dlq.records().len() == 1).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.committed(2).await;
    until("both have ended", async || outcomes(&world, "e1").len() == 2).await;
    assert_eq!(outcomes(&world, "e1"), [Outcome::SetAside, Outcome::Sent]);
    assert_eq!(world.api.contents("o1"), ["hello"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_a_topic_is_written_shorter_and_says_so() {
    let mut world = World::new(1).await;
    world.config.kafka.properties.push(("message.max.bytes".into(), "1500".into()));
    world.run().await;
    let key = format!("{APP}:o1");
    let headers = [("ce_id", Cow::Borrowed("large")), ("mine", Cow::Borrowed("kept"))];
    world.push_raw(key.as_bytes(), &headers, &[0xff; 9_000]).await;
    let heavy = [("ce_id", Cow::Borrowed("heavy")), ("mine", Cow::Owned("x".repeat(9_000)))];
    world.push_raw(key.as_bytes(), &heavy, &[0xff; 20]).await;
    world.push(&world.text("o1", "long", &"word ".repeat(300))).await;
    world.committed(3).await;
    until("both are in the DLQ", async || world.dlq.records().len() == 2).await;

    let records = world.dlq.records();
    let told = |index: usize, name: &str| header(&records[index], name);
    assert_eq!((records[0].payload(), records[0].key()), (None, Some(key.as_bytes())));
    assert_eq!(
        (told(0, "mine").as_deref(), told(0, "dlq_left_out").as_deref()),
        (Some("kept"), Some("value"))
    );
    assert_eq!(
        (told(0, "dlq_value_bytes").as_deref(), told(0, "dlq_offset").as_deref()),
        (Some("9000"), Some("0"))
    );
    assert_eq!((told(1, "mine"), told(1, "dlq_left_out").as_deref()), (None, Some("value, headers, key")));
    assert_eq!(told(1, "dlq_offset").as_deref(), Some("1"));

    let reply = world.outcome("long").await;
    assert!(reply.shortened && reply.decision.is_none());
    assert_eq!((reply.outcome(), reply.parts[0].message.as_str()), (Outcome::Sent, ""));
    assert_eq!(world.api.contents("o1").len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_the_broker_finds_too_large_loses_the_bulk_of_its_decision_and_no_more() {
    let mut world = World::start(1).await;
    world.api.lock().delay = Duration::from_millis(300);
    world.push(&world.text("o1", "e1", "hello")).await;
    until("the send is under way", async || world.api.lock().calls == 1).await;
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    world.cluster.request_errors(RDKafkaApiKey::Produce, &[too_large]);
    let reply = world.outcome("e1").await;
    let decision = reply.decision.expect("it fits without its bulk");
    assert!(reply.shortened && decision.enrichment.is_none() && !decision.rules.is_empty());
    assert_eq!(reply.parts[0].outcome(), Outcome::Sent);
    assert!(reply.parts[0].message.contains("hello"));

    world.push(&world.text("o1", "e2", "again")).await;
    assert!(!world.outcome("e2").await.shortened, "the producer is as good as before");
    world.committed(2).await;
    assert_eq!(world.replies.records().len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dlq_that_refuses_us_holds_the_partition_and_loses_nothing() {
    let mut world = World::new(1).await;
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    world.cluster.topic_error(proto::DLQ.name, refused).unwrap();
    world.run().await;
    damaged(&world, "poison").await;
    world.push(&world.text("o2", "e1", "hello")).await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent, "others are answered");
    until("it shows", async || {
        let metrics = world.metrics().await;
        world.readyz().await.contains("wechat.events.dlq.v1: kafka refuses")
            && metrics.contains("content_publish_refused 1")
    })
    .await;
    world.stop().await;
    assert_eq!((world.committed_now().await, world.dlq.records().len()), (0, 0), "nothing passed it by");

    world.cluster.topic_error(proto::DLQ.name, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    world.run().await;
    world.committed(2).await;
    until("it is in the DLQ", async || world.dlq.records().len() == 1).await;
    until("its outcome is told", async || outcomes(&world, "poison") == [Outcome::SetAside]).await;
    assert_eq!(world.api.contents("o2"), ["hello"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_refuses_us_holds_the_partition_and_shows_in_readiness() {
    let mut world = World::new(1).await;
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    world.cluster.topic_error(proto::REPLIES.name, refused).unwrap();
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    until("it shows", async || {
        let metrics = world.metrics().await;
        world.readyz().await.contains("wechat.replies.v1: kafka refuses")
            && metrics.contains("content_publish_refused 1")
    })
    .await;
    assert_eq!(world.api.contents("o1"), ["hello"]);
    let mended = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
    world.cluster.topic_error(proto::REPLIES.name, mended).unwrap();
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    until("it is ready again", async || world.readyz().await.contains("ready\n")).await;
    world.committed(1).await;
    assert_eq!(world.api.contents("o1"), ["hello"]);
    world.stop().await;
}
