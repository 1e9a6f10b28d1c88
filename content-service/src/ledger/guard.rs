//! Looks whether the ledger's Redis keeps what it acknowledges: before the first event, and for as long as the service runs.

use std::{convert::Infallible, time::Duration};

use runtime::{
    backoff::Backoff,
    health::Hold,
    process::Misconfigured,
    redis::{Redis, Server, Trouble},
    telemetry::Seldom,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::mark::Mark;
use crate::metrics::Metrics;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// What is wrong is said so often.
const SAY: Duration = Duration::from_secs(60);

/// How far the ledger's Redis is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It must evict nothing and keep an append-only file, and say so.
    Checked,
    /// Whoever runs it answers for that.
    Assumed,
}

/// Releases `hold` once the server was found good, or is assumed to be; then watches until `shutdown`.
///
/// # Errors
/// [`Misconfigured`]: it is [`Durability::Checked`] and was found bad before the first event.
pub async fn guard(
    redis: Redis,
    durability: Durability,
    metrics: Metrics,
    hold: Hold,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut watch = Watch { metrics, evicted: None, assumed: Vec::new(), said: Seldom::every(SAY) };
    let Some(server) = shutdown.run_until_cancelled(first(&redis, &watch.metrics)).await else {
        return Ok(());
    };
    // What was evicted before this start is over.
    watch.evicted = server.evicted;
    let troubles = watch.look(&server);
    if let Some(Trouble { say, .. }) =
        troubles.iter().find(|trouble| !trouble.may_pass()).filter(|_| durability == Durability::Checked)
    {
        let unless = "or set redis.durability to assumed where whoever runs the server answers for it";
        return Err(Misconfigured(format!("the ledger's redis cannot be relied on: {say}; {unless}")).into());
    }
    if durability == Durability::Assumed {
        watch.assume(&troubles);
    }
    watch.say(&troubles);
    hold.release();
    let mark = Mark::new(redis.clone(), watch.metrics.clone());
    let both = async { tokio::join!(mark.keep(), watch.keep(&redis)) };
    shutdown.run_until_cancelled(both).await;
    Ok(())
}

/// What the server says when it answers first.
async fn first(redis: &Redis, metrics: &Metrics) -> Server {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        match redis.server().await {
            Ok(server) => return server,
            Err(error) => metrics.ledger_waits(&error),
        }
        backoff.wait().await;
    }
}

struct Watch {
    metrics: Metrics,
    evicted: Option<u64>,
    /// Troubles that somebody else answers for.
    assumed: Vec<&'static str>,
    said: Seldom,
}

impl Watch {
    async fn keep(&mut self, redis: &Redis) -> Infallible {
        loop {
            tokio::time::sleep(LOOK).await;
            // While it is away the ledger says so itself.
            if let Ok(server) = redis.server().await {
                let troubles = self.look(&server);
                self.say(&troubles);
            }
        }
    }

    fn look(&mut self, server: &Server) -> Vec<Trouble> {
        let troubles = server.troubles(self.evicted);
        self.metrics.ledger_redis(&troubles, server.evicted);
        self.evicted = server.evicted.or(self.evicted);
        troubles
    }

    /// What is so from the start is said once.
    fn assume(&mut self, troubles: &[Trouble]) {
        self.assumed = troubles.iter().map(|trouble| trouble.name).collect();
        if !troubles.is_empty() {
            let what = sentence(troubles.iter());
            tracing::warn!(
                what,
                "the ledger's redis is assumed to keep what it acknowledges: redis.durability says so"
            );
        }
    }

    fn say(&mut self, troubles: &[Trouble]) {
        let what = sentence(troubles.iter().filter(|trouble| !self.assumed.contains(&trouble.name)));
        if what.is_empty() || !self.said.is_due(Instant::now()) {
            return;
        }
        tracing::error!(what, "the ledger's redis is not as the ledger needs it");
    }
}

fn sentence<'a>(troubles: impl Iterator<Item = &'a Trouble>) -> String {
    troubles.map(|trouble| trouble.say.as_str()).collect::<Vec<_>>().join("; ")
}
