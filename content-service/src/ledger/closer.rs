//! Closes entries whose outcome Kafka has: off the way of the event, many in one round trip.

use std::time::Duration;

use moka::future::Cache;
use redis::{Pipeline, Script};
use runtime::redis::{Redis, RedisError};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Place, scripts::CLOSE};
use crate::metrics::Metrics;

/// Entries that may wait; more are left as they are, which costs memory in Redis until they lapse and nothing else.
const WAITING: usize = 4096;
/// Entries in one round trip.
const BATCH: usize = 64;
/// What has waited so long goes, however few there are.
const GATHER: Duration = Duration::from_millis(5);

/// Entries whose outcome was published here lately: a repeat that comes before its entry is closed must not publish again.
const REMEMBERED: u64 = 20_000;
/// How long that is remembered; the platform's repeats come within seconds.
const LATELY: Duration = Duration::from_secs(60);

/// Takes entries to close.
#[derive(Clone, Debug)]
pub struct Closer {
    queue: mpsc::Sender<(String, String)>,
    published: Cache<String, ()>,
    metrics: Metrics,
}

impl Closer {
    /// The closer and the task that does its work; the task ends with `shutdown`, after what is waiting.
    pub fn new(
        redis: Redis,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(WAITING);
        let published = Cache::builder().max_capacity(REMEMBERED).time_to_live(LATELY).build();
        (Self { queue, published, metrics: metrics.clone() }, work(redis, waiting, metrics, shutdown))
    }

    /// This process has just published the outcome of the entry.
    #[must_use]
    pub fn published(&self, place: &Place) -> bool {
        self.published.contains_key(&place.entry)
    }

    /// Kafka has the outcome with these bytes. Does not wait for the ledger.
    pub async fn close(&self, place: &Place, outcome: &[u8]) {
        fail::fail_point!("c10", |_| std::process::abort());
        self.published.insert(place.entry.clone(), ()).await;
        let hash = hex::encode(&Sha256::digest(outcome)[..16]);
        if self.queue.try_send((place.entry.clone(), hash)).is_err() {
            self.metrics.close_dropped(1);
        }
    }
}

async fn work(
    redis: Redis,
    mut waiting: mpsc::Receiver<(String, String)>,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let script = Script::new(CLOSE);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let first = tokio::select! {
            biased;
            first = waiting.recv() => first,
            () = shutdown.cancelled() => None,
        };
        let Some(first) = first else { return };
        batch.push(first);
        let fill = async {
            while batch.len() < BATCH {
                let Some(next) = waiting.recv().await else { break };
                batch.push(next);
            }
        };
        // Late is as good as full.
        tokio::time::timeout(GATHER, fill).await.unwrap_or_default();
        match close(&redis, &script, &batch).await {
            Ok(states) => lost(&metrics, &states),
            Err(error) => {
                tracing::debug!(%error, entries = batch.len(), "ledger entries stay open until they lapse");
                metrics.close_dropped(batch.len() as u64);
            }
        }
        batch.clear();
    }
}

/// An entry that is not there, or not ended, was so when its outcome was published: Redis has lost that.
fn lost(metrics: &Metrics, states: &[Option<String>]) {
    let behind =
        |state: &Option<String>| state.as_deref().is_none_or(|is| matches!(is, "reserved" | "sending"));
    let entries = states.iter().filter(|state| behind(state)).count();
    if entries > 0 {
        metrics.ledger_lost("ended", entries as u64);
        tracing::error!(
            entries,
            "the ledger's redis has lost entries of published outcomes: if their events come again, their replies are sent again"
        );
    }
}

/// The states in which the entries were found.
async fn close(
    redis: &Redis,
    script: &Script,
    batch: &[(String, String)],
) -> Result<Vec<Option<String>>, RedisError> {
    let mut pipeline = Pipeline::with_capacity(batch.len());
    for (entry, hash) in batch {
        pipeline.cmd("EVALSHA").arg(script.get_hash()).arg(1).arg(entry).arg(hash);
    }
    let unknown =
        |error: &RedisError| matches!(error, RedisError::Refused { code, .. } if code == "NOSCRIPT");
    match redis.pipeline(&pipeline).await {
        Err(error) if unknown(&error) => {
            redis.query::<String>(redis::cmd("SCRIPT").arg("LOAD").arg(CLOSE)).await?;
            redis.pipeline(&pipeline).await
        }
        result => result,
    }
}
