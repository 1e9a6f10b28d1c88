//! Kafka away, slow or full: nothing is answered 200 that is not in the topic, and nothing hangs.

use std::time::Duration;

use tokio::time::Instant;
use wechat::Mode;

use crate::{
    house::{House, PRODUCE_TIMEOUT, until},
    wire::{self, sent},
};

fn document(n: u32) -> Vec<u8> {
    format!("<xml><FromUserName>oReader</FromUserName><MsgType>text</MsgType><MsgId>{n}</MsgId></xml>")
        .into_bytes()
}

#[tokio::test]
async fn a_push_that_kafka_does_not_take_is_refused_in_time_and_taken_when_it_is_back() {
    let house = House::open().await;
    house.cluster.broker_down(-1).unwrap();
    let started = Instant::now();
    let reply = house.push(Mode::Safe, &document(1)).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "try again"));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(
        wire::get(house.admin, "/readyz").await.status,
        200,
        "there is no better place for a push to go"
    );
    house.cluster.broker_up(-1).unwrap();
    until(async || house.push(Mode::Safe, &document(1)).await.status == 200).await;
    let ids: Vec<String> = house.events(1).await.into_iter().map(|received| received.event.id).collect();
    assert_eq!(ids.len(), 1);
    house.end().await;
}

#[tokio::test]
async fn a_full_queue_is_answered_at_once() {
    let full = ("queue.buffering.max.messages".to_owned(), "1".to_owned());
    let house = House::with(|config| config.kafka.properties.push(full)).await;
    house.cluster.broker_down(-1).unwrap();
    let timed = async |n| {
        let started = Instant::now();
        (house.push(Mode::Safe, &document(n)).await.status, started.elapsed())
    };
    let (one, two) = tokio::join!(timed(1), timed(2));
    assert_eq!((one.0, two.0), (503, 503));
    assert!(one.1.min(two.1) < PRODUCE_TIMEOUT, "{one:?} {two:?}");
    assert_eq!(house.metric("gateway_pushes_total{account=\"safe\",result=\"queue_full\"}").await, 1.0);
    house.end().await;
}

#[tokio::test]
async fn a_request_that_is_dropped_does_not_take_its_event_back() {
    let house = House::open().await;
    house.cluster.broker_round_trip_time(1, Duration::from_millis(400)).unwrap();
    let push = house.seal(Mode::Safe, &document(1));
    let request = wire::request("POST", &format!("/wechat/safe?{}", push.query), "", &push.body);
    let stream = sent(house.public, &request).await;
    until(async || house.metric("gateway_pushes_in_flight").await == 1.0).await;
    drop(stream);
    until(async || house.metric("gateway_pushes_in_flight").await == 0.0).await;
    assert_eq!(house.metric("gateway_pushes_total{account=\"safe\",result=\"accepted\"}").await, 0.0);
    assert_eq!(house.events(1).await[0].event.openid, "oReader");
    house.end().await;
}
