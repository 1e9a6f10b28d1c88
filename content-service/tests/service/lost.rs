//! The ledger's Redis loses what it had acknowledged: it is noticed, counted, and nothing is sent again that may have arrived (F36, F39).

use std::time::Duration;

use proto::reply::Outcome;

use crate::world::{APP, World, until};

async fn asks<T: redis::FromRedisValue>(world: &World, command: &[&str]) -> T {
    let mut all = redis::cmd(command[0]);
    all.arg(&command[1..]);
    world.redis.client().query(&all).await.unwrap()
}

fn entry(event: &str) -> String {
    format!("l:{{{APP}:o1}}:{event}")
}

fn line(name: &str, times: u32) -> String {
    format!("content_ledger_writes_lost_total{{name=\"{name}\"}} {times}\n")
}

async fn shows(world: &World, name: &str, times: u32) {
    let line = line(name, times);
    until(&line, async || world.metrics().await.contains(&line)).await;
}

/// An event whose message is on its way.
async fn under_way(world: &World) {
    world.push(&world.text("o1", "warm", "up")).await;
    world.outcome("warm").await;
    world.api.lock().delay = Duration::from_millis(500);
    world.push(&world.text("o1", "e1", "hello")).await;
    until("the send is under way", async || world.api.lock().calls == 2).await;
}

async fn is_unknown_and_arrived_once(world: &World) {
    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.parts[0].outcome()), (Outcome::Unknown, Outcome::Unknown));
    assert!(reply.reason.contains("redis has lost it"), "{}", reply.reason);
    assert_eq!(world.api.contents("o1"), ["up", "hello"]);
    shows(world, "under_way", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_gone_while_its_message_is_on_its_way_is_unknown_and_counted() {
    let mut world = World::start(1).await;
    under_way(&world).await;
    assert!(world.metrics().await.contains(&line("under_way", 0)), "it is there before anything is lost");
    assert_eq!(asks::<u32>(&world, &["DEL", &entry("e1")]).await, 1);
    is_unknown_and_arrived_once(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_stands_where_it_stood_before_its_message_left_is_unknown_and_not_sent_again() {
    let mut world = World::start(1).await;
    under_way(&world).await;
    let before = ["HSET", &entry("e1"), "s", "reserved", "a", "0"];
    assert_eq!(asks::<u32>(&world, &before).await, 0, "the entry is there");
    is_unknown_and_arrived_once(&world).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_gone_when_its_outcome_is_published_is_counted() {
    let mut world = World::start(1).await;
    under_way(&world).await;
    world.cluster.broker_down(1).unwrap();
    let state = async || asks::<Option<String>>(&world, &["HGET", &entry("e1"), "s"]).await;
    until("it is settled", async || state().await.as_deref() == Some("settled")).await;
    assert_eq!(asks::<u32>(&world, &["DEL", &entry("e1")]).await, 1);
    world.cluster.broker_up(1).unwrap();
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    shows(&world, "ended", 1).await;
    shows(&world, "under_way", 0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_comes_soon_after_its_entry_is_gone_is_not_sent_again() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    let state = async || asks::<Option<String>>(&world, &["HGET", &entry("e1"), "s"]).await;
    until("it is closed", async || state().await.as_deref() == Some("closed")).await;
    assert_eq!(asks::<u32>(&world, &["DEL", &entry("e1")]).await, 1);
    world.push(&world.text("o1", "e1", "hello")).await;
    world.push(&world.text("o1", "e2", "again")).await;
    world.outcome("e2").await;
    assert_eq!(world.api.contents("o1"), ["hello", "again"]);
    world.stop().await;
}

/// Waits until the mark has moved beyond `after`, and says where it is.
async fn marked(world: &World, after: u64) -> u64 {
    let marks = async || asks::<Vec<String>>(world, &["KEYS", "mark:*"]).await;
    until("the mark is there", async || marks().await.len() == 1).await;
    let mark = async || asks::<u64>(world, &["GET", &marks().await[0]]).await;
    until("the mark moves", async || mark().await > after).await;
    mark().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_everything_is_noticed_though_nothing_is_under_way() {
    let mut world = World::start(1).await;
    let mark = marked(&world, 0).await;
    shows(&world, "mark", 0).await;
    asks::<()>(&world, &["FLUSHALL"]).await;
    shows(&world, "mark", 1).await;
    world.redis.kill();
    world.redis.restart().await;
    // Twice, since the first may have been on its way.
    marked(&world, marked(&world, mark).await).await;
    shows(&world, "mark", 1).await;
    world.stop().await;
}
