//! The number of partitions changes while no content-service runs: whoever starts next tells it (F79).

use proto::reply::Outcome;
use rdkafka::mocking::MockCluster;

use crate::world::{World, until};

const NOTED: &str = "partitions:wechat.events.v1";

async fn note(world: &World, partitions: &str) {
    world.redis.client().query::<()>(redis::cmd("SET").arg(NOTED).arg(partitions)).await.unwrap();
}

/// Waits until a number is noted in just this form, and until so many changes are told.
async fn noted(world: &World, partitions: &str, changes: u32) {
    let noted =
        async || world.redis.client().query::<Option<String>>(redis::cmd("GET").arg(NOTED)).await.unwrap();
    until("the number is noted", async || noted().await.as_deref() == Some(partitions)).await;
    let told = format!("content_partitions_changed_total {changes}\n");
    let metrics = world.metrics().await;
    assert!(metrics.contains(&told), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_after_partitions_were_added_tells_it_once() {
    let mut world = World::start(2).await;
    noted(&world, "2", 0).await;
    world.stop().await;

    // The mock cluster cannot widen a topic; with another one the service meets the same.
    let wider = MockCluster::new(1).unwrap();
    for (topic, partitions) in [(proto::EVENTS, 3), (proto::REPLIES, 3), (proto::DLQ, 1), (proto::ITEMS, 1)] {
        wider.create_topic(topic.name, partitions, 1).unwrap();
    }
    world.config.kafka.bootstrap = wider.bootstrap_servers();
    world.run().await;
    noted(&world, "3", 1).await;
    world.stop().await;

    // The same number, written otherwise: once it is written anew it has been compared.
    note(&world, "03").await;
    world.run().await;
    noted(&world, "3", 0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_when_the_number_is_seen_is_asked_again() {
    let mut world = World::new(2).await;
    note(&world, "12").await;
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    world.redis.kill();
    // librdkafka tells lag and number at once, every five seconds.
    until("the number has been seen", async || world.metrics().await.contains("content_lag{")).await;
    world.redis.restart().await;
    noted(&world, "2", 1).await;
    world.stop().await;
}
