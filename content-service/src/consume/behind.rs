//! Reads again what had to be left behind, as far as there is room for it.

use std::{sync::Arc, time::Duration};

use rdkafka::error::KafkaError;
use runtime::{backoff::Backoff, kafka::read_again};
use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, lost};
use crate::{
    intake::{Again, Behind, Place, Wanted},
    record::Record,
};

/// So many clients read at a time.
pub(super) const READERS: usize = 4;

impl Shared {
    /// Follows an account that was left behind until it has caught up, or its partition is given up.
    pub(super) async fn follow(self: Arc<Self>, reader: Behind) {
        let (partition, account) = (reader.partition, self.name(reader.account));
        tracing::info!(
            partition,
            account,
            "much of the account waits: its newer events are left behind, and read again as there is room"
        );
        tokio::select! {
            () = reader.mine.stopped() => {}
            () = self.catch_up(&reader) => tracing::info!(partition, account, "the account has caught up"),
        }
    }

    async fn catch_up(self: &Arc<Self>, reader: &Behind) {
        let calm = || Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = calm();
        loop {
            let wanted = self.intake().wanted(reader);
            let places = match wanted {
                Wanted::Over => return,
                Wanted::Nothing => {
                    reader.room.notified().await;
                    continue;
                }
                Wanted::Places(places) => places,
            };
            // It comes to its turn only while the partition is ours, and keeps it for as long as it reads.
            let Ok(turn) = Arc::clone(&self.readers).acquire_owned().await else { return };
            match Arc::clone(self).read(reader.partition, places, turn).await {
                Ok(all) => {
                    backoff = calm();
                    self.take_again(reader, all);
                }
                Err(error) => {
                    tracing::warn!(%error, partition = reader.partition, "what was left behind cannot be read now");
                    backoff.wait().await;
                }
            }
        }
    }

    /// Reads in a task of its own, which ends in its own time: its client must not be taken apart where others wait.
    async fn read(
        self: Arc<Self>,
        partition: i32,
        places: Vec<Place>,
        turn: OwnedSemaphorePermit,
    ) -> Result<Vec<Again>, KafkaError> {
        let reading = tokio::spawn(async move {
            let _turn = turn;
            let offsets: Vec<i64> = places.iter().map(|place| place.offset).collect();
            let found = read_again(&self.kafka, &self.topic, partition, &offsets).await?;
            let found = found.into_iter().map(|record| record.map(Record::read));
            Ok(places.into_iter().zip(found).map(|(place, record)| Again { place, record }).collect())
        });
        reading.await.unwrap_or(Err(KafkaError::Canceled))
    }

    fn take_again(self: &Arc<Self>, reader: &Behind, all: Vec<Again>) {
        let first = all.first().map_or(0, |again| again.place.offset);
        let next = self.intake().take_again(reader, all);
        if next.gone > 0 {
            lost(&self.metrics, reader.partition, first, next.gone);
        }
        self.start(next);
    }

    fn name(&self, index: usize) -> &str {
        let named = self.rooms.accounts.iter().find(|(_, account)| account.index == index);
        named.map_or("not configured", |(_, account)| &account.name)
    }
}
