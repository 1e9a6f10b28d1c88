//! The accounts: playbook, API client, and the breaker that stops them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use runtime::{
    clock::Clock,
    redis::{Redis, RedisError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wechat::{
    account::{AccountKind, RuleSet},
    api,
};

use crate::{
    breaker::{Breaker, Stop, Word, what_to_do},
    config,
    metrics::Metrics,
    places::Places,
    playbook::Playbook,
    stops::{Right, Stops},
    tokens::SharedToken,
};

/// How often the playbooks' files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// One account.
#[derive(Debug)]
pub struct Account {
    /// Position among the accounts.
    pub index: usize,
    /// As in `/wechat/{account}`.
    pub name: String,
    /// `wx…`.
    pub app_id: String,
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
    /// Whether it may send, as far as this process knows.
    pub breaker: Breaker,
    stops: Stops,
    metrics: Metrics,
}

/// All accounts by AppId.
#[derive(Debug)]
pub struct Accounts {
    all: HashMap<String, Arc<Account>>,
    stops: Stops,
    /// A breaker has something to tell.
    happened: Arc<Notify>,
}

impl Accounts {
    /// Makes clients and reads playbooks. Blocks the thread.
    ///
    /// # Errors
    /// An address that is none, or a playbook that cannot be read, with everything that is wrong with it.
    pub fn open(
        config: &config::Config,
        redis: &Redis,
        clock: &Clock,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let stops = Stops::new(redis.clone());
        let mut accounts = Self { all: HashMap::new(), stops: stops.clone(), happened: Arc::default() };
        let places = Places::divide(config.send_places(), config.accounts.len());
        for (index, (account, places)) in config.accounts.iter().zip(places).enumerate() {
            let breaker = Breaker::new(Arc::clone(&accounts.happened));
            let token = SharedToken::new(redis, &account.app_id, clock.clone());
            let client = client(account, config, token);
            let opened = client
                .and_then(|client| {
                    Account::open(index, account, places, client, metrics, breaker, stops.clone())
                })
                .with_context(|| format!("account {} cannot be used", account.name))?;
            let twice = accounts.all.insert(account.app_id.clone(), Arc::new(opened)).is_some();
            anyhow::ensure!(!twice, "two accounts have the app_id {}: keep one", account.app_id);
        }
        Ok(accounts)
    }

    /// The account of an AppId.
    #[must_use]
    pub fn get(&self, app_id: &str) -> Option<&Arc<Account>> {
        self.all.get(app_id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, by `AppId`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.all.iter().map(|(app_id, account)| (app_id.as_str(), &**account))
    }

    /// Which of them are stopped, for all replicas.
    #[must_use]
    pub fn stops(&self) -> &Stops {
        &self.stops
    }

    /// Resolves when a breaker has something to tell the other replicas, also if that was before. Cancel safe.
    pub async fn news(&self) {
        self.happened.notified().await;
    }

    /// Takes changed playbooks over until `shutdown`. A bad file never replaces a good one; it is told once.
    pub async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        let mut seen: HashMap<&str, Stamp> = HashMap::new();
        loop {
            for (app_id, account) in &self.all {
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
        client: api::Client,
        metrics: &Metrics,
        breaker: Breaker,
        stops: Stops,
    ) -> anyhow::Result<Self> {
        let playbook = Playbook::load(&account.playbook, &account.name, account.kind)?;
        Ok(Self {
            index,
            name: account.name.clone(),
            app_id: account.app_id.clone(),
            kind: account.kind,
            rules: account.rules,
            client,
            sends,
            playbook: ArcSwap::from_pointee(playbook),
            file: account.playbook.clone(),
            breaker,
            stops,
            metrics: metrics.clone(),
        })
    }

    /// The playbook in force.
    #[must_use]
    pub fn playbook(&self) -> Arc<Playbook> {
        self.playbook.load_full()
    }

    /// Which event may send at `now_ms`: at once, without a question to Redis, while the account is not stopped.
    ///
    /// # Errors
    /// As [`Stops::probe`].
    pub async fn right(&self, now_ms: i64) -> Result<Right, RedisError> {
        let Some(stop) = self.breaker.held() else { return Ok(Right::Open) };
        if now_ms < stop.probe_ms {
            return Ok(Right::Others(stop));
        }
        let right = self.stops.probe(&self.app_id, now_ms).await?;
        let known = match &right {
            Right::Open => None,
            Right::Mine(stop) | Right::Others(stop) => Some(stop.clone()),
        };
        self.learn(known, now_ms);
        Ok(right)
    }

    /// Takes what an answer for `user` says of the account; the right to try it, if the event had one, is named by `probe_ms`.
    pub fn hear(&self, word: &Word, user: &str, probe_ms: Option<i64>, now_ms: i64) {
        if let Some(stop) = self.breaker.hear(word, user, probe_ms, now_ms) {
            self.metrics.accounts().stop(&self.name);
            self.tell(&stop, word.errcode());
        }
    }

    /// Takes over what all replicas know. A stop that is new here is told here too: whoever looks for it may read this log only.
    pub fn learn(&self, known: Option<Stop>, now_ms: i64) {
        if let Some(stop) = self.breaker.learn(known, now_ms) {
            self.tell(&stop, stop.errcode());
        }
    }

    fn tell(&self, stop: &Stop, errcode: Option<i32>) {
        tracing::error!(
            account = self.name,
            why = stop.why,
            errcode,
            until_ms = stop.until_ms,
            what_to_do = what_to_do(errcode),
            "account stopped: its events are refused"
        );
    }

    /// Sets the gauges of the account.
    pub fn count(&self, now_ms: i64) {
        let metrics = self.metrics.accounts();
        metrics.stopped(&self.name, self.breaker.held().is_some_and(|stop| stop.lasts(now_ms)));
        metrics.token_calls(&self.name, self.client.token_calls());
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

fn client(
    account: &config::Account,
    config: &config::Config,
    token: SharedToken,
) -> anyhow::Result<api::Client> {
    Ok(api::Client::new(api::Config {
        base_url: account.api.clone(),
        app_id: account.app_id.clone(),
        secret: wechat::Secret::new(account.secret.expose()),
        tokens: Arc::new(token),
        connect_timeout: config.delivery.connect,
        write_timeout: config.delivery.write,
        read_timeout: config.delivery.read,
        max_connections: config.concurrency.sends,
    })?)
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
