//! A mark in the ledger's Redis that moves on every second: one that is older than what was acknowledged says that writes are lost.

use std::{convert::Infallible, time::Duration};

use redis::cmd;
use runtime::redis::Redis;
use tokio::time::Instant;

use crate::{config::millis, metrics::Metrics};

/// How often it moves.
const BEAT: Duration = Duration::from_secs(1);
/// What a process that has ended leaves behind is gone after this time.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The mark of this process.
#[derive(Debug)]
pub(super) struct Mark {
    redis: Redis,
    key: String,
    metrics: Metrics,
    tried: u64,
    /// The last one that Redis has acknowledged, and when.
    kept: Option<(u64, Instant)>,
}

impl Mark {
    pub(super) fn new(redis: Redis, metrics: Metrics) -> Self {
        let key = redis.key(&format!("mark:{:016x}", rand::random::<u64>()));
        Self { redis, key, metrics, tried: 0, kept: None }
    }

    pub(super) async fn keep(mut self) -> Infallible {
        loop {
            self.beat().await;
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Moves it on, and tells if the one before is gone. While Redis is away the ledger says so itself.
    async fn beat(&mut self) {
        self.tried += 1;
        let mut set = cmd("SET");
        set.arg(&self.key).arg(self.tried).arg("PX").arg(millis(KEPT)).arg("GET");
        let Ok(found) = self.redis.query::<Option<u64>>(&set).await else { return };
        if let Some((kept, at)) = self.kept
            && is_lost(found, kept, at.elapsed())
        {
            self.metrics.ledger_lost("mark", 1);
            let seconds = at.elapsed().as_secs();
            tracing::error!(
                seconds,
                "the ledger's redis has lost writes that it had acknowledged: replies of the last moments may be sent again if their events \
                 come again; see to its append-only file and its replica, and set redis.wait_replicas"
            );
        }
        self.kept = Some((self.tried, Instant::now()));
    }
}

/// A later mark than the one acknowledged stood in a write whose answer did not come; one too old to be kept is not lost.
fn is_lost(found: Option<u64>, kept: u64, ago: Duration) -> bool {
    found.map_or(ago < KEPT / 2, |found| found < kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_acknowledged_can_be_lost() {
        let second = Duration::from_secs(1);
        let lost = [Some(7), Some(8), Some(9), None].map(|found| is_lost(found, 8, second));
        assert_eq!(lost, [true, false, false, true]);
        assert!(!is_lost(None, 8, KEPT), "after so long a sleep it has lapsed");
    }
}
