//! Links of replies: to the item's own address, by id, with or without Kafka.

use std::time::Duration;

use proto::{
    content::{Item, Topic},
    event::event::Kind,
};
use tokio::time::Instant;

use crate::{
    house::{House, PRODUCE_TIMEOUT, until},
    wire::{self, Reply},
};

fn item(url: &str) -> Item {
    Item {
        id: "taiwan-1".into(),
        url: url.into(),
        topics: vec![Topic { name: "taiwan".into(), kind: 2 }],
        ..Item::default()
    }
}

async fn tap(house: &House, token: &str) -> Reply {
    wire::get(house.public, &format!("/c/{token}")).await
}

async fn with_item() -> House {
    let house = House::open().await;
    house.publish(&item("https://paper.example/台湾?id=1")).await;
    until(async || house.metric("gateway_items").await == 1.0).await;
    house
}

#[tokio::test]
async fn a_tap_leads_to_the_item_and_becomes_an_event() {
    let house = with_item().await;
    let token = house.token("wx-safe", "taiwan-1", 60);
    let reply = tap(&house, &token).await;
    assert_eq!(reply.status, 302);
    assert_eq!(reply.header("location"), Some("https://paper.example/%E5%8F%B0%E6%B9%BE?id=1"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    let received = house.events(1).await.remove(0);
    let Some(Kind::LinkClicked(click)) = &received.event.kind else { panic!("{received:?}") };
    assert_eq!((click.item_id.as_str(), click.slot.as_str()), ("taiwan-1", "lead"));
    assert_eq!(click.reply_event_id, "0123456789abcdef0123456789abcdef");
    assert_eq!(click.topics[0].name, "taiwan");
    assert_eq!((received.key.as_str(), received.event.account.as_str()), ("wx-safe:oReader", "safe"));
    assert_eq!(received.headers["ce_type"], "yingbin.event.link_clicked.v1");
    house.end().await;
}

#[tokio::test]
async fn a_preview_leads_there_too_and_is_no_tap() {
    let house = with_item().await;
    let token = house.token("wx-safe", "taiwan-1", 60);
    let preview = wire::request("HEAD", &format!("/c/{token}"), "", b"");
    assert_eq!(wire::exchange(house.public, &preview).await.status, 302);
    assert_eq!(house.metric("gateway_clicks_total{account=\"safe\",result=\"previewed\"}").await, 1.0);
    assert_eq!(house.recorded(), 0);
    house.end().await;
}

#[tokio::test]
async fn taps_of_one_second_carry_one_id() {
    let house = with_item().await;
    let token = house.token("wx-safe", "taiwan-1", 600);
    house.clock.set_ms((house.clock.now_ms() / 1000 + 1) * 1000);
    tap(&house, &token).await;
    tap(&house, &token).await;
    house.clock.advance(Duration::from_secs(2));
    tap(&house, &token).await;
    let mut ids: Vec<String> = house.events(3).await.into_iter().map(|received| received.event.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    house.end().await;
}

#[tokio::test]
async fn links_that_lead_nowhere_end_on_a_page_or_at_home() {
    let house = House::open().await;
    let gone = tap(&house, &house.token("wx-plain", "gone-1", 60)).await;
    assert_eq!(gone.status, 404);
    assert!(gone.body.contains("这篇内容已经下线"));
    let home = tap(&house, &house.token("wx-safe", "gone-1", 60)).await;
    assert_eq!((home.status, home.header("location")), (302, Some("https://home.example/?a=1&b=2")));
    let expired = tap(&house, &house.token("wx-safe", "gone-1", 0)).await;
    assert_eq!(expired.status, 410);
    assert!(expired.body.contains("这个链接已经过期"));
    assert!(expired.body.contains("href=\"https://home.example/?a=1&amp;b=2\""));
    assert!(!tap(&house, &house.token("wx-plain", "gone-1", 0)).await.body.contains("href"));
    let token = house.token("wx-safe", "gone-1", 60);
    for forged in
        ["", "x", "../../etc/passwd", token.get(1..).unwrap(), &format!("{token}A"), "https://evil.example"]
    {
        assert_eq!(tap(&house, forged).await, gone, "{forged}");
    }
    assert_eq!(tap(&house, &house.token("wx-of-nobody", "gone-1", 60)).await, gone);
    assert_eq!(house.recorded(), 0);
    house.end().await;
}

#[tokio::test]
async fn an_item_that_moves_is_followed_and_a_bad_address_never_is() {
    let house = with_item().await;
    let token = house.token("wx-plain", "taiwan-1", 60);
    house.publish(&item("https://paper.example/2")).await;
    until(async || tap(&house, &token).await.header("location") == Some("https://paper.example/2")).await;
    house.publish(&item("javascript:alert(1)")).await;
    until(async || tap(&house, &token).await.status == 404).await;
    house.end().await;
}

#[tokio::test]
async fn a_link_is_not_dead_because_kafka_is_away() {
    let house = with_item().await;
    house.cluster.broker_down(-1).unwrap();
    let started = Instant::now();
    assert_eq!(tap(&house, &house.token("wx-safe", "taiwan-1", 60)).await.status, 302);
    assert!(started.elapsed() < PRODUCE_TIMEOUT, "{:?}", started.elapsed());
    let lost = "gateway_clicks_total{account=\"safe\",result=\"not_recorded\"}";
    until(async || house.metric(lost).await == 1.0).await;
    house.end().await;
}
