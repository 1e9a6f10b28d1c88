//! Retention passes the group: the loss is counted and told, and the rest is handled (F25).

use std::{sync::Arc, time::Duration};

use content_service::consume::GROUP;
use proto::reply::Outcome;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _, StreamConsumer},
};

use crate::world::{World, until};

/// The mock cluster keeps the last 5 MiB of a partition.
const FILLER: usize = 900_000;

impl World {
    /// Commits an offset for the group, and says where the partition begins now.
    async fn group(&self, commit: Option<i64>) -> i64 {
        let consumer: Arc<StreamConsumer> = Arc::new(self.config.kafka.consumer(GROUP, &[]).unwrap());
        let asked = tokio::task::spawn_blocking(move || {
            if let Some(offset) = commit {
                let mut at = TopicPartitionList::new();
                at.add_partition_offset(proto::EVENTS.name, 0, Offset::Offset(offset)).unwrap();
                consumer.commit(&at, CommitMode::Sync).unwrap();
            }
            consumer.fetch_watermarks(proto::EVENTS.name, 0, Duration::from_secs(10)).unwrap().0
        });
        asked.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_retention_deleted_before_they_were_handled_are_counted_and_the_rest_is_handled() {
    let mut world = World::new(1).await;
    assert_eq!(world.group(Some(0)).await, 0);
    for _ in 0..9 {
        world.push_raw(b"wx1:o1", &[], &vec![b'x'; FILLER]).await;
    }
    world.push(&world.text("o1", "e1", "hello")).await;
    let begins = world.group(None).await;
    assert!(begins > 0, "the cluster has deleted something");
    world.run().await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    let lost = format!("content_events_lost_to_retention_total{{partition=\"0\"}} {begins}\n");
    let metrics = world.metrics().await;
    assert!(metrics.contains(&lost) && metrics.contains("content_offset_reset_total 1\n"), "{metrics}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_offset_that_the_topic_does_not_have_starts_at_its_beginning() {
    let mut world = World::new(1).await;
    world.group(Some(1_000)).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.run().await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    until("it is told", async || world.metrics().await.contains("content_offset_reset_total 1\n")).await;
    assert!(!world.metrics().await.contains("content_events_lost_to_retention_total{"), "nothing is lost");
    world.stop().await;
}
