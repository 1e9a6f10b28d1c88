//! The end of consuming: what is under way drains, its marks are committed, and the group is left.

use std::{sync::Arc, time::Instant};

use rdkafka::consumer::StreamConsumer;
use runtime::kafka;

use super::{Shared, rebalance::Rebalancing};

/// Takes no more, drains, commits, leaves the group.
pub(super) async fn leave(shared: Arc<Shared>, consumer: StreamConsumer<Rebalancing>) {
    let partitions: Vec<i32> = shared.intake().open().map(|(partition, ..)| partition).collect();
    shared.drained_by.set(Instant::now() + shared.drain).unwrap_or_default();
    let leaving = kafka::last(shared.drain + kafka::LEAVE, move || {
        let drained = shared.drain(&partitions);
        let left = kafka::leave(consumer, &shared.group, &shared.topic, |consumer| {
            // A rebalance on the way here may have taken partitions along, with their marks: what is left is still ours.
            let marks = shared.intake().marks(&partitions);
            shared.intake().lose(&partitions);
            shared.commit_last(consumer, &marks);
        });
        shared.intake().lose(&partitions);
        left.then_some(drained)
    });
    match leaving.await {
        Some(Some(true)) => tracing::info!("drained and left the group"),
        Some(Some(false)) => {
            tracing::warn!("left the group with work under way: its next owner goes on with it")
        }
        // Why it was not left has been said.
        Some(None) => {}
        None => tracing::warn!("the group was not left in time: it will notice by itself"),
    }
}
