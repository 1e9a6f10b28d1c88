//! What happens when partitions come and go: drain, commit, fence, in this order and within the session.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rdkafka::{
    Offset, Statistics, TopicPartitionList,
    client::ClientContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};
use runtime::kafka::{HearsRebalances, Rounds, blocking};

use super::{Shared, partitions::see, told};

/// A coordinator that has just assigned partitions answers within this time.
const COMMITTED: Duration = Duration::from_secs(1);

/// Hears of rebalances. It is called while the consuming loop polls.
pub(super) struct Rebalancing(pub(super) Arc<Shared>);

impl ClientContext for Rebalancing {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.0.topic) else { return };
        let partitions = topic.partitions.keys().filter(|partition| **partition >= 0).count();
        see(&self.0.partitions, partitions);
        for (number, partition) in
            topic.partitions.iter().filter(|(_, partition)| partition.consumer_lag >= 0)
        {
            self.0.metrics.lag(*number, partition.consumer_lag);
        }
    }
}

impl ConsumerContext for Rebalancing {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.0.rounds.hear(rebalance);
        self.0.quiet.store(0, Ordering::Relaxed);
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = numbers(list);
                tracing::info!(?partitions, "partitions assigned");
                let committed = committed(consumer, list);
                let mut intake = self.0.intake();
                for partition in partitions {
                    intake.assign(partition, committed.get(&partition).copied());
                }
            }
            Rebalance::Revoke(list) => self.give_up(consumer, &numbers(list)),
            Rebalance::Error(error) => tracing::error!(%error, "rebalance failed"),
        }
    }
}

impl HearsRebalances for Rebalancing {
    fn rounds(&self) -> &Rounds {
        &self.0.rounds
    }
}

impl Rebalancing {
    fn give_up(&self, consumer: &BaseConsumer<Self>, partitions: &[i32]) {
        if consumer.assignment_lost() {
            tracing::warn!(?partitions, "partitions lost: whatever runs there must not send any more");
        } else {
            let drained = blocking(|| {
                let drained = self.0.drain(partitions);
                let marks = self.0.intake().marks(partitions);
                self.0.commit_last(consumer, &marks);
                drained
            });
            tracing::info!(?partitions, drained, "partitions given up");
        }
        // librdkafka remembers a pause of ours beyond the assignment: without this the partition would stay silent when it comes back.
        let given_up: Vec<_> = partitions.iter().map(|partition| (*partition, None)).collect();
        told(consumer.resume(&self.0.list(&given_up)), "resume what is given up");
        let mut intake = self.0.intake();
        intake.stop(partitions);
        intake.lose(partitions);
        partitions.iter().for_each(|partition| self.0.metrics.partition_gone(*partition));
    }
}

/// What the group has committed, as far as the coordinator tells in time: from there on nothing may be missing.
fn committed(consumer: &BaseConsumer<Rebalancing>, assigned: &TopicPartitionList) -> HashMap<i32, i64> {
    let committed = blocking(|| consumer.committed_offsets(assigned.clone(), COMMITTED));
    let committed = committed.map_err(|error| {
        tracing::warn!(%error, "what is committed is not known: a loss before the first record would not be seen");
    });
    let committed = committed.unwrap_or_default();
    let elements = committed.elements();
    let offset = |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    };
    elements.iter().filter_map(|element| Some((element.partition(), offset(element.offset())?))).collect()
}

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}
