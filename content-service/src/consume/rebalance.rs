//! What happens when partitions come and go: drain, commit, fence, in this order and within the session.

use std::sync::{Arc, atomic::Ordering};

use rdkafka::{
    Statistics, TopicPartitionList,
    client::ClientContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};
use runtime::kafka::blocking;

use super::{Shared, told};

/// Hears of rebalances. It is called while the consuming loop polls.
pub(super) struct Rebalancing(pub(super) Arc<Shared>);

impl ClientContext for Rebalancing {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }

    fn stats(&self, statistics: Statistics) {
        let Some(topic) = statistics.topics.get(&self.0.topic) else { return };
        for (number, partition) in
            topic.partitions.iter().filter(|(_, partition)| partition.consumer_lag >= 0)
        {
            self.0.metrics.lag(*number, partition.consumer_lag);
        }
    }
}

impl ConsumerContext for Rebalancing {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.0.quiet.store(0, Ordering::Relaxed);
        match rebalance {
            Rebalance::Assign(list) => {
                let partitions = numbers(list);
                tracing::info!(?partitions, "partitions assigned");
                let mut intake = self.0.intake();
                partitions.iter().for_each(|partition| intake.assign(*partition));
            }
            Rebalance::Revoke(list) => self.give_up(consumer, &numbers(list)),
            Rebalance::Error(error) => tracing::error!(%error, "rebalance failed"),
        }
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

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}
