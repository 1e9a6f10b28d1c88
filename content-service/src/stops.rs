//! Which accounts are stopped, for all replicas: hash `stops` in the ledger's Redis, AppId → [`Stop`].
//!
//! Whoever learns of a stop writes it at once; every replica reads the hash once a second, so the others know within that second.
//! A stop stays until an answer lifts it: from time to time one event of the whole fleet may try (the right to do so is taken in
//! one script), and one that gets through opens the account everywhere.

use std::{collections::HashMap, sync::Arc, time::Duration};

use redis::Script;
use runtime::{
    clock::Clock,
    redis::{Redis, RedisError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    accounts::Accounts,
    breaker::{News, Stop},
    metrics::Metrics,
};

/// How often the hash is read.
const EVERY: Duration = Duration::from_secs(1);

/// What a stopped account's event may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// The account is no longer stopped.
    Open,
    /// Ours to try; the stop as it is now.
    Mine(Stop),
    /// Another event tries, or it is too early.
    Others(Stop),
}

/// The hash. Clones share it.
#[derive(Clone, Debug)]
pub struct Stops {
    redis: Redis,
    key: String,
    scripts: Arc<Scripts>,
}

#[derive(Debug)]
struct Scripts {
    stop: Script,
    probe: Script,
    lift: Script,
    back: Script,
}

impl Stops {
    /// The stops in this Redis.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        let scripts = Scripts {
            stop: Script::new(include_str!("stops/stop.lua")),
            probe: Script::new(include_str!("stops/probe.lua")),
            lift: Script::new(include_str!("stops/lift.lua")),
            back: Script::new(include_str!("stops/back.lua")),
        };
        Self { key: redis.key("stops"), redis, scripts: Arc::new(scripts) }
    }

    /// Takes the right to try an account that is stopped, as often as the stop says in the whole fleet.
    ///
    /// # Errors
    /// No answer; the right may have been taken, and is free again after that time.
    pub async fn probe(&self, app_id: &str, now_ms: i64) -> Result<Right, RedisError> {
        let script = &self.scripts.probe;
        let (tag, stop): (String, String) = self
            .redis
            .script(script, |script| {
                script.key(&self.key).arg(app_id).arg(now_ms);
            })
            .await?;
        Ok(match (Stop::read(&stop), tag.as_str()) {
            (Some(stop), "mine") => Right::Mine(stop),
            (Some(stop), "others") => Right::Others(stop),
            _ => Right::Open,
        })
    }

    async fn tell(&self, app_id: &str, news: &News) -> Result<(), RedisError> {
        let script = match news {
            News::Stopped(_) => &self.scripts.stop,
            News::Lifted { .. } => &self.scripts.lift,
            News::Returned { .. } => &self.scripts.back,
        };
        self.redis
            .script(script, |script| {
                script.key(&self.key).arg(app_id);
                match news {
                    News::Stopped(Stop { until_ms, probe_ms, every_ms, why }) => {
                        script.arg(*until_ms).arg(*probe_ms).arg(*every_ms).arg(why)
                    }
                    News::Lifted { probe_ms } => script.arg(*probe_ms),
                    News::Returned { probe_ms, now_ms } => script.arg(*probe_ms).arg(*now_ms),
                };
            })
            .await
    }

    async fn all(&self) -> Result<HashMap<String, String>, RedisError> {
        self.redis.query(redis::cmd("HGETALL").arg(&self.key)).await
    }

    /// Tells what happened here, then takes over what stands there.
    ///
    /// # Errors
    /// No answer; what happened here is told again the next time.
    async fn exchange(&self, accounts: &Accounts, clock: &Clock) -> Result<(), RedisError> {
        for (app_id, account) in accounts.iter() {
            if let Some(news) = account.breaker.news() {
                self.tell(app_id, &news).await?;
                account.breaker.told(&news);
            }
        }
        let all = self.all().await?;
        for (app_id, account) in accounts.iter() {
            account.learn(all.get(app_id).and_then(|stop| Stop::read(stop)), clock.now_ms());
        }
        Ok(())
    }

    /// Keeps the accounts and the hash alike until `shutdown`: every second, and at once when something happens here. `known` is
    /// told when they are.
    pub async fn share(
        &self,
        accounts: &Accounts,
        metrics: &Metrics,
        clock: &Clock,
        known: &Notify,
        shutdown: &CancellationToken,
    ) {
        loop {
            match self.exchange(accounts, clock).await {
                Ok(()) => known.notify_one(),
                Err(error) => metrics.ledger_waits(&error),
            }
            for (_, account) in accounts.iter() {
                account.count(clock.now_ms());
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = accounts.news() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}
