//! The accounts: playbook, API client, and whether the account is stopped.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use runtime::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wechat::{
    account::{AccountKind, RuleSet},
    api,
};

use crate::{config, metrics::Metrics, places::Places, playbook::Playbook};

/// How often the playbooks' files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// So many events in a row that the platform could not be reached for, and the account is stopped for a while.
const FAILURES: u32 = 16;

/// An account that gets nothing for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Until when, Unix milliseconds.
    pub until_ms: i64,
    /// Why.
    pub why: String,
}

/// One account.
#[derive(Debug)]
pub struct Account {
    /// Position among the accounts.
    pub index: usize,
    /// As in `/wechat/{account}`.
    pub name: String,
    /// What it can show.
    pub kind: AccountKind,
    /// Which rights it has.
    pub rules: RuleSet,
    /// The platform's API.
    pub client: api::Client,
    /// Sends under way at a time.
    pub sends: Places,
    playbook: ArcSwap<Playbook>,
    file: PathBuf,
    stop: watch::Sender<Option<Stop>>,
    failures: AtomicU32,
    metrics: Metrics,
}

/// All accounts by AppId.
#[derive(Debug, Default)]
pub struct Accounts(HashMap<String, Arc<Account>>);

impl Accounts {
    /// Makes clients and reads playbooks. Blocks the thread.
    ///
    /// # Errors
    /// An address that is none, or a playbook that cannot be read, with everything that is wrong with it.
    pub fn open(config: &config::Config, metrics: &Metrics) -> anyhow::Result<Self> {
        let mut accounts = HashMap::new();
        let places = Places::divide(config.send_places(), config.accounts.len());
        for (index, (account, places)) in config.accounts.iter().zip(places).enumerate() {
            let opened = Account::open(index, account, places, config, metrics)
                .with_context(|| format!("account {} cannot be used", account.name))?;
            let twice = accounts.insert(account.app_id.clone(), Arc::new(opened)).is_some();
            anyhow::ensure!(!twice, "two accounts have the app_id {}: keep one", account.app_id);
        }
        Ok(Self(accounts))
    }

    /// The account of an AppId.
    #[must_use]
    pub fn get(&self, app_id: &str) -> Option<&Arc<Account>> {
        self.0.get(app_id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes changed playbooks over until `shutdown`. A bad file never replaces a good one; it is told once.
    pub async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        let mut seen: HashMap<&str, Stamp> = HashMap::new();
        loop {
            for (app_id, account) in &self.0 {
                let stamp = stamp(&account.file).await;
                if seen.insert(app_id, stamp) != Some(stamp) {
                    account.reload().await;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

impl Account {
    fn open(
        index: usize,
        account: &config::Account,
        sends: Places,
        config: &config::Config,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let client = api::Client::new(api::Config {
            base_url: account.api.clone(),
            app_id: account.app_id.clone(),
            secret: wechat::Secret::new(account.secret.expose()),
            connect_timeout: config.delivery.connect,
            write_timeout: config.delivery.write,
            read_timeout: config.delivery.read,
            max_connections: config.concurrency.sends,
        })?;
        let playbook = Playbook::load(&account.playbook, &account.name, account.kind)?;
        Ok(Self {
            index,
            name: account.name.clone(),
            kind: account.kind,
            rules: account.rules,
            client,
            sends,
            playbook: ArcSwap::from_pointee(playbook),
            file: account.playbook.clone(),
            stop: watch::Sender::new(None),
            failures: AtomicU32::new(0),
            metrics: metrics.clone(),
        })
    }

    /// The playbook in force.
    #[must_use]
    pub fn playbook(&self) -> Arc<Playbook> {
        self.playbook.load_full()
    }

    /// Whether the account is stopped at `now_ms`.
    #[must_use]
    pub fn stopped(&self, now_ms: i64) -> Option<Stop> {
        self.stop.borrow().clone().filter(|stop| now_ms < stop.until_ms)
    }

    /// Stops the account; the longer stop holds. Whoever waits with a send is woken.
    pub fn stop(&self, stop: Stop) {
        let changed = self.stop.send_if_modified(|held| {
            let longer = held.as_ref().is_none_or(|held| held.until_ms < stop.until_ms);
            if longer {
                *held = Some(stop.clone());
            }
            longer
        });
        if changed {
            self.metrics.stopped(&self.name);
            tracing::error!(account = self.name, why = stop.why, until_ms = stop.until_ms, "account stopped");
        }
    }

    /// Resolves when the account is stopped, at once if it is. Cancel safe.
    pub async fn until_stopped(&self, clock: &Clock) {
        let mut stops = self.stop.subscribe();
        while self.stopped(clock.now_ms()).is_none() {
            if stops.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The platform answered, whatever it said.
    pub fn reached(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// An event ended because the platform could not be reached; many in a row stop the account for ten seconds.
    pub fn not_reached(&self, clock: &Clock, why: &str) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.failures.store(0, Ordering::Relaxed);
            self.stop(Stop { until_ms: clock.now_ms() + 10_000, why: why.to_owned() });
        }
    }

    async fn reload(&self) {
        let parsed = match tokio::fs::read_to_string(&self.file).await {
            Ok(text) if *self.playbook().hash() == hash(&text) => return,
            Ok(text) => Playbook::of(&self.name, &self.file, &text, self.kind)
                .map_err(|problems| problems.to_string()),
            Err(error) => Err(format!("{}: {error}", self.file.display())),
        };
        match parsed {
            Ok(playbook) => {
                tracing::info!(account = self.name, playbook = playbook.hash(), "playbook taken over");
                self.playbook.store(Arc::new(playbook));
            }
            Err(problems) => {
                self.metrics.playbook_refused(&self.name);
                tracing::error!(
                    account = self.name,
                    problems,
                    "the changed playbook is not taken: correct it"
                );
            }
        }
    }
}

fn hash(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(text))
}

/// When a file was changed and how long it is; `None`: it cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

async fn stamp(file: &Path) -> Stamp {
    let about = tokio::fs::metadata(file).await.ok()?;
    Some((about.modified().ok()?, about.len()))
}
