//! The number of partitions of the events topic. A record's partition is its key's hash by that number: with another one users move,
//! and the order of their events is not kept across the change.

use std::{convert::Infallible, time::Duration};

use runtime::{backoff::Backoff, redis::RedisError};
use tokio::sync::watch;

use crate::{ledger::Ledger, metrics::Metrics};

/// The number as librdkafka told it last; 0: not yet.
pub(super) type Seen = watch::Sender<usize>;

/// librdkafka tells a number; 0: it does not know (any more).
pub(super) fn see(seen: &Seen, now: usize) {
    seen.send_if_modified(|seen| {
        let another = now != 0 && now != *seen;
        if another {
            *seen = now;
        }
        another
    });
}

/// Compares every number that is seen with the one before: of this process, or of whoever looked last before it started.
pub(super) async fn compare(
    mut seen: watch::Receiver<usize>,
    topic: String,
    ledger: Ledger,
    metrics: Metrics,
) -> Option<Infallible> {
    let mut before = 0;
    loop {
        let now = *seen.wait_for(|seen| *seen != before).await.ok()?;
        if before == 0 {
            before = answered(&metrics, || ledger.partitions(&topic)).await.unwrap_or(now);
        }
        if before != now {
            changed(&metrics, &topic, before, now);
        }
        answered(&metrics, || ledger.note_partitions(&topic, now)).await;
        before = now;
    }
}

fn changed(metrics: &Metrics, topic: &str, before: usize, now: usize) {
    metrics.partitions_changed();
    tracing::error!(
        topic,
        before,
        now,
        "the number of partitions has changed: users have moved, and the order of events that waited then is not kept; it holds again once \
         these are handled (content_lag). Leave the number as it is now: each further change breaks the order again"
    );
}

/// Asks until Redis answers.
async fn answered<T, Calling: Future<Output = Result<T, RedisError>>>(
    metrics: &Metrics,
    call: impl Fn() -> Calling,
) -> T {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => metrics.ledger_waits(&error),
        }
        backoff.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_that_is_known_and_another_is_news() {
        let (seen, mut news) = watch::channel(0);
        let told = [0, 12, 12, 0, 24].map(|now| {
            see(&seen, now);
            let told = news.has_changed().unwrap();
            (told, *news.borrow_and_update())
        });
        assert_eq!(told, [(false, 0), (true, 12), (false, 12), (false, 12), (true, 24)]);
    }
}
