//! The state of the platform, behind small locks that are never held across an await.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use axum::Router;
use runtime::clock::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wechat::Secret;
use wechat::account::Mode;
use wechat::envelope::AesKey;
use wechat::push::Credentials;

use crate::config::{Account, Config, Person};
use crate::faults::{Fault, Faults, Path};
use crate::platform::{Quotas, Tokens, Users};
use crate::record::{Arrival, Record};
use crate::{accept, routes};

/// A running WeChat. Clones are the same one.
#[derive(Clone)]
pub struct Simulator(Arc<World>);

/// What the clones share. Lists run along `config.accounts`.
pub(crate) struct World {
    config: Config,
    credentials: Mutex<Vec<Credentials>>,
    clock: Clock,
    record: Record,
    http: reqwest::Client,
    /// The last `MsgId`.
    message_id: AtomicI64,
    pub(crate) people: Mutex<Vec<Person>>,
    pub(crate) tokens: Mutex<Tokens>,
    pub(crate) quotas: Mutex<Vec<Quotas>>,
    pub(crate) users: Mutex<Vec<Users>>,
    pub(crate) faults: Mutex<Faults>,
}

/// Locks; what a panic elsewhere left behind is still whole, for every change is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// A platform with these accounts and people, on this clock.
    ///
    /// # Errors
    /// When an account's key is none, a person's account is unknown, or the HTTP client can not be built.
    pub fn new(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let credentials = config.accounts.iter().map(credentials).collect::<anyhow::Result<_>>()?;
        let simulator = Self(Arc::new(World {
            credentials: Mutex::new(credentials),
            record: Record::new(config.keep),
            http: client(&config)?,
            message_id: AtomicI64::new(clock.now_ms() * 10_000),
            people: Mutex::default(),
            tokens: Mutex::default(),
            quotas: Mutex::new(vec![Quotas::default(); config.accounts.len()]),
            users: Mutex::new(config.accounts.iter().map(|_| Users::default()).collect()),
            faults: Mutex::default(),
            clock,
            config,
        }));
        for person in simulator.config().people.clone() {
            let name = person.account.clone();
            simulator.add_person(person).with_context(|| format!("people: there is no account `{name}`"))?;
        }
        Ok(simulator)
    }

    /// Serves platform, control and phone until `shutdown`; `extra` is merged into the routes.
    pub async fn serve(self, listener: TcpListener, extra: Router, shutdown: CancellationToken) {
        let routes = routes::routes(self, shutdown.clone()).merge(extra);
        accept::serve(listener, routes, shutdown).await;
    }

    /// Messages that arrived after number `since`, oldest first; for one user if `openid` is given.
    #[must_use]
    pub fn arrivals(&self, since: u64, openid: Option<&str>) -> Vec<Arrival> {
        self.record().arrivals(since, |arrival| openid.is_none_or(|openid| arrival.openid == openid))
    }

    /// Waits until something arrived after number `since` that [`Simulator::arrivals`] would return, and returns it.
    ///
    /// Never returns when nothing arrives: put a deadline around it. Cancel safe.
    pub async fn next_arrivals(&self, since: u64, openid: Option<&str>) -> Vec<Arrival> {
        let mut last = self.record().last();
        loop {
            last.mark_unchanged();
            let found = self.arrivals(since, openid);
            if !found.is_empty() {
                return found;
            }
            if last.changed().await.is_err() {
                return found;
            }
        }
    }

    /// Adds somebody; who is known already gets the new name.
    ///
    /// # Errors
    /// Gives the person back when there is no such account.
    pub fn add_person(&self, person: Person) -> Result<(), UnknownAccount> {
        let account = self.account(&person.account)?;
        lock(&self.0.users)[account].add(&person.openid);
        let mut people = lock(&self.0.people);
        let same = |known: &&mut Person| known.account == person.account && known.openid == person.openid;
        match people.iter_mut().find(same) {
            Some(known) => *known = person,
            None => people.push(person),
        }
        Ok(())
    }

    pub(crate) fn account(&self, name: &str) -> Result<usize, UnknownAccount> {
        self.config().accounts.iter().position(|account| account.name == name).ok_or(UnknownAccount)
    }

    pub(crate) fn fault(&self, path: Path, account: Option<usize>, openid: Option<&str>) -> Option<Fault> {
        let name = account.map(|account| self.config().accounts[account].name.as_str());
        lock(&self.0.faults).take(path, name, openid)
    }

    /// A `MsgId` that was never given before; like the real ones it exceeds 2^53 (`facts.md` §1.7).
    pub(crate) fn next_message_id(&self) -> i64 {
        self.0.message_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn credentials(&self, account: usize) -> Credentials {
        lock(&self.0.credentials)[account].clone()
    }

    /// What somebody changes in the account's server settings: later pushes are sealed with it. What is left out stays.
    pub(crate) fn change_credentials(&self, account: usize, token: Option<Secret>, aes_key: Option<AesKey>) {
        let credentials = &mut lock(&self.0.credentials)[account];
        if let Some(token) = token {
            credentials.token = token;
        }
        if aes_key.is_some() {
            credentials.aes_key = aes_key;
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.0.record
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0.http
    }

    pub(crate) fn world(&self) -> &World {
        &self.0
    }
}

/// No account has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such account: GET /sim/accounts lists them")]
pub struct UnknownAccount;

fn credentials(account: &Account) -> anyhow::Result<Credentials> {
    let name = &account.name;
    let aes_key = account.aes_key.as_deref().map(AesKey::parse).transpose();
    let aes_key = aes_key.with_context(|| format!("account `{name}`"))?;
    anyhow::ensure!(
        account.mode == Mode::Plain || aes_key.is_some(),
        "account `{name}`: its mode needs an aes_key"
    );
    Ok(Credentials {
        app_id: account.app_id.clone(),
        token: account.token.clone(),
        previous_token: None,
        aes_key,
        previous_aes_key: None,
        mode: account.mode,
    })
}

fn client(config: &Config) -> anyhow::Result<reqwest::Client> {
    // The second installation in a process is refused, and the first one serves.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(config.step)
        .pool_idle_timeout(std::time::Duration::from_secs(1))
        .build()
        .context("build the HTTP client")
}
