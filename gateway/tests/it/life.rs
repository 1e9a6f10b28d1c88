//! Start and end: ready when it is, and ending in order.

use std::time::Duration;

use rdkafka::{mocking::MockCluster, types::RDKafkaRespErr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wechat::Mode;

use crate::{
    house::{House, until},
    wire,
};

const DOCUMENT: &[u8] =
    b"<xml><FromUserName>oReader</FromUserName><MsgType>text</MsgType><MsgId>1</MsgId></xml>";

#[tokio::test]
async fn a_shutdown_finishes_what_is_in_flight() {
    let house = House::open().await;
    assert_eq!(house.push_text("oReader", 0).await.status, 200, "the producer is connected");
    house.cluster.broker_round_trip_time(1, Duration::from_millis(500)).unwrap();
    let push = house.seal(Mode::Safe, DOCUMENT);
    let request = wire::request("POST", &format!("/wechat/safe?{}", push.query), "", &push.body);
    let answer = tokio::spawn(wire::exchange_owned(house.public, request));
    until(async || house.metric("gateway_pushes_in_flight").await == 1.0).await;
    house.shutdown.cancel();
    assert_eq!(answer.await.unwrap().body, "success");
    let (public, admin) = (house.public, house.admin);
    house.end().await;
    assert!(TcpStream::connect(public).await.is_err(), "the door is closed");
    assert!(TcpStream::connect(admin).await.is_err(), "and so is the admin port");
}

#[tokio::test]
async fn readiness_goes_first_and_the_door_stays_open_for_a_while() {
    let house = House::with(|config| config.shutdown.announce = Duration::from_secs(2)).await;
    house.shutdown.cancel();
    until(async || wire::get(house.admin, "/readyz").await.status == 503).await;
    assert_eq!(house.push(Mode::Safe, DOCUMENT).await.status, 200);
    assert_eq!(wire::get(house.admin, "/livez").await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn whoever_keeps_a_connection_is_told_to_leave_it_before_the_door_closes() {
    let house = House::with(|config| config.shutdown.announce = Duration::from_secs(2)).await;
    let ask = b"GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut kept = wire::sent(house.public, ask).await;
    let mut first = Vec::new();
    kept.read_buf(&mut first).await.unwrap();
    assert!(!String::from_utf8_lossy(&first).contains("connection: close"), "it may be kept");
    house.shutdown.cancel();
    until(async || wire::get(house.admin, "/readyz").await.status == 503).await;
    kept.write_all(ask).await.unwrap();
    let last = wire::rest(&mut kept).await;
    assert!(String::from_utf8_lossy(&last).contains("connection: close"));
    house.end().await;
}

#[tokio::test]
async fn it_takes_pushes_before_the_items_are_read_and_is_ready_after() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(proto::EVENTS.name, 3, 1).unwrap();
    cluster.create_topic(proto::ITEMS.name, 1, 1).unwrap();
    let house = House::on(cluster, |_| {}).await;
    let ready = wire::get(house.admin, "/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    let metrics = wire::get(house.admin, "/metrics").await.body;
    assert!(metrics.contains("# TYPE gateway_pushes counter"), "{metrics}");
    house.end().await;
}

#[tokio::test]
async fn items_that_cannot_be_read_do_not_keep_pushes_out() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(proto::EVENTS.name, 3, 1).unwrap();
    cluster.create_topic(proto::ITEMS.name, 1, 1).unwrap();
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error(proto::ITEMS.name, refused).unwrap();
    let house = House::on(cluster, |_| {}).await;
    assert_eq!(house.push(Mode::Safe, DOCUMENT).await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let house = House::open().await;
    let mut idle = wire::sent(house.public, b"").await;
    until(async || house.metric("gateway_connections").await == 1.0).await;
    house.shutdown.cancel();
    assert_eq!(wire::rest(&mut idle).await, b"");
    house.end().await;
}
