//! Values from outside (weather and the like): fetched under a deadline each, cached, one fetch at a time per address.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::join_all};
use moka::future::Cache;
use proto::reply::SourceState;
use reqwest::redirect;
use runtime::clock::Clock;

use crate::{config::millis, decide::Gathered, metrics::Metrics, playbook::SourceRequest, watchdog::step};

/// Largest answer in bytes.
const LARGEST: usize = 64 * 1024;
/// Addresses whose answers are kept.
const KEPT: u64 = 10_000;
/// A failure is remembered so long, so that a source that is down is not asked for every event.
const FAILED_FOR_MS: i64 = 1_000;
/// A fetch may outlive the event that began it, for the cache, up to this time.
const LONGEST: Duration = Duration::from_secs(3);

/// Fetches sources. Clones share the cache.
#[derive(Clone, Debug)]
pub struct Gatherer {
    client: reqwest::Client,
    bases: Arc<BTreeMap<String, String>>,
    cache: Cache<String, Kept>,
    clock: Clock,
    metrics: Metrics,
}

#[derive(Clone, Debug)]
struct Kept {
    value: Option<Arc<serde_json::Value>>,
    /// By the common clock, so that moving it ages what is kept.
    until_ms: i64,
}

impl Gatherer {
    /// A gatherer for these base addresses. No redirects, no proxy.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(bases: BTreeMap<String, String>, clock: Clock, metrics: Metrics) -> reqwest::Result<Self> {
        // A provider that somebody else has installed serves as well.
        rustls::crypto::ring::default_provider().install_default().unwrap_or_default();
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(LONGEST)
            .connect_timeout(Duration::from_secs(1))
            .build()?;
        Ok(Self { client, bases: Arc::new(bases), cache: Cache::new(KEPT), clock, metrics })
    }

    /// Fetches everything that is needed, side by side; what is late or wrong comes back without a value.
    ///
    /// Cancel safe: a fetch that has begun goes on for the cache.
    pub async fn gather(&self, needed: Vec<SourceRequest>) -> Vec<Gathered> {
        step("gather");
        let gathered = join_all(needed.into_iter().map(|request| self.one(request))).await;
        step("decide");
        gathered
    }

    async fn one(&self, request: SourceRequest) -> Gathered {
        let (value, state) = match self.value(&request).await {
            Some((value, SourceState::Cached)) => (Some(value), SourceState::Cached),
            Some((value, _)) => (Some(value), SourceState::Fetched),
            None => {
                self.metrics.fallback("source");
                (None, SourceState::Fallback)
            }
        };
        Gathered { source: request.source, argument: request.argument, value, state }
    }

    async fn value(&self, request: &SourceRequest) -> Option<(Arc<serde_json::Value>, SourceState)> {
        let base = self.bases.get(&request.base)?;
        let address = format!("{}{}", base.trim_end_matches('/'), request.path);
        let now_ms = self.clock.now_ms();
        if let Some(kept) = self.cache.get(&address).await.filter(|kept| now_ms < kept.until_ms) {
            return Some((kept.value?, SourceState::Cached));
        }
        let fetching = tokio::spawn(self.clone().fetch_once(address, request.cache));
        let kept = tokio::time::timeout(request.deadline, fetching).await.ok()?.ok()?;
        Some((kept.value?, SourceState::Fetched))
    }

    /// Fetches unless somebody is fetching the same address: then that one's answer serves.
    async fn fetch_once(self, address: String, keep: Duration) -> Kept {
        let now_ms = self.clock.now_ms();
        let fetch = async {
            let value = self.fetch(&address).await.map(Arc::new);
            let kept_for = if value.is_some() { millis(keep) } else { FAILED_FOR_MS };
            Kept { value, until_ms: self.clock.now_ms().saturating_add(kept_for) }
        };
        let entry = self.cache.entry(address.clone());
        entry.or_insert_with_if(fetch, |kept| kept.until_ms <= now_ms).await.into_value()
    }

    async fn fetch(&self, address: &str) -> Option<serde_json::Value> {
        match self.read(address).await {
            Ok(value) => Some(value),
            Err(why) => {
                tracing::info!(why, "a source did not answer usefully");
                None
            }
        }
    }

    async fn read(&self, address: &str) -> Result<serde_json::Value, String> {
        // `without_url`: the address may hold what a user told.
        let told = |error: reqwest::Error| error.without_url().to_string();
        let answer = self.client.get(address).send().await.map_err(told)?.error_for_status().map_err(told)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("status {}", answer.status()));
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(told)?);
            if body.len() > LARGEST {
                return Err(format!("more than {LARGEST} bytes"));
            }
        }
        serde_json::from_slice(&body).map_err(|error| format!("no JSON: {error}"))
    }
}
