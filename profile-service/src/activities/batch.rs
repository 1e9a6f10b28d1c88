//! Takes records from the consumer, several at once where they are there already.

use std::collections::VecDeque;

use futures::FutureExt as _;
use rdkafka::{consumer::Consumer as _, error::KafkaError, message::OwnedMessage};

use super::Consumer;

/// Records of one batch.
const MOST: usize = 256;

/// The records carried over, or the next one and whatever else is there. Cancel safe: what was taken is in `carried`.
///
/// # Errors
/// The member is broken for good.
pub(super) async fn next(
    consumer: &Consumer,
    carried: &mut VecDeque<OwnedMessage>,
) -> Result<Vec<OwnedMessage>, KafkaError> {
    while carried.is_empty() {
        carried.extend(one(consumer).await?);
    }
    while carried.len() < MOST
        && let Some(record) = one(consumer).now_or_never()
    {
        carried.extend(record?);
    }
    let most = carried.len().min(MOST);
    Ok(carried.drain(..most).collect())
}

/// The next record; `None` after a failure that librdkafka gets over by itself.
///
/// # Errors
/// The member is broken for good.
pub(super) async fn one(consumer: &Consumer) -> Result<Option<OwnedMessage>, KafkaError> {
    match consumer.recv().await {
        Ok(record) => {
            consumer.context().reads(None);
            Ok(Some(record.detach()))
        }
        Err(error) if consumer.client().fatal_error().is_some() => Err(error),
        Err(error) => {
            consumer.context().reads(Some(&error));
            Ok(None)
        }
    }
}
