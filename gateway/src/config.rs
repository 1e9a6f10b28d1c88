//! The settings of the gateway.

mod secrets;
mod spool;

use std::{net::SocketAddr, time::Duration};

use runtime::{
    config::{Secret, Settings},
    kafka::Kafka,
};
use wechat::{Mode, push::Credentials};

use crate::{address::Address, body};

pub use secrets::Secrets;
pub use spool::Spool;

/// After so long the platform hangs up and sends the push again (`facts.md` §3).
pub(crate) const PLATFORM_PATIENCE: Duration = Duration::from_secs(5);
/// What Kubernetes leaves a pod by default between the signal and the kill.
const GRACE: Duration = Duration::from_secs(30);

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Public address: pushes and links.
    pub listen: SocketAddr,
    /// Address of probes and metrics.
    pub admin: SocketAddr,
    /// The accounts whose pushes are taken.
    pub accounts: Vec<Account>,
    /// The secret of links, which content-service has too.
    pub link_secret: Secret,
    /// Bounds.
    pub limits: Limits,
    /// Where events wait while Kafka is away.
    pub spool: Option<Spool>,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// The cluster.
    pub kafka: Kafka,
}

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name, as in `/wechat/{name}`.
    pub name: String,
    /// AppId, tokens, keys and mode.
    pub credentials: Credentials,
    /// Where tokens and keys come from, to follow those that stand in files.
    pub secrets: Secrets,
    /// Where a reader goes whose link leads nowhere.
    pub home_url: Option<Address>,
}

/// Bounds on what strangers and brokers can do to the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Pushes handled at once.
    pub in_flight: usize,
    /// How far the timestamp of a push may be from now, either way.
    pub replay_tolerance: Duration,
    /// How long Kafka may take; then the event goes into the spool, or without one the push is answered 503.
    pub produce_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            in_flight: 2048,
            replay_tolerance: Duration::from_secs(300),
            produce_timeout: Duration::from_millis(2500),
        }
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// How long connections are still accepted after readiness went off, so that routing notices first.
    pub announce: Duration,
    /// How long requests in flight may then take.
    pub drain: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { announce: Duration::from_secs(5), drain: Duration::from_secs(10) }
    }
}

impl Config {
    /// Reads everything and notes every problem in `settings`.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            listen: settings.get(
                "gateway.listen",
                ([0, 0, 0, 0], 8080).into(),
                "Public address: pushes and links.",
            ),
            admin: settings.get(
                "admin.listen",
                ([0, 0, 0, 0], 9090).into(),
                "Address of probes and metrics.",
            ),
            accounts: accounts(settings),
            link_secret: link_secret(settings),
            limits: Limits::read(settings),
            spool: Spool::read(settings),
            shutdown: Shutdown::read(settings),
            kafka: Kafka::read(settings),
        }
    }
}

impl Limits {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let limits = Self {
            connections: settings.get(
                "limits.connections",
                default.connections,
                "Connections at once; one more closes the oldest that has sent nothing, or waits.",
            ),
            in_flight: settings.get(
                "limits.in_flight",
                default.in_flight,
                "Pushes handled at once; more wait for half a second and are then answered 503, before they are decrypted.",
            ),
            replay_tolerance: settings.get(
                "limits.replay_tolerance",
                default.replay_tolerance,
                "How far the timestamp of a push may be from now, either way.",
            ),
            produce_timeout: settings.get(
                "limits.produce_timeout",
                default.produce_timeout,
                "How long Kafka may take; then the event goes into the spool, or without one the push is answered 503.",
            ),
        };
        limits.check(settings);
        limits
    }

    fn check(self, settings: &mut Settings) {
        if self.connections == 0 || self.connections > tokio::sync::Semaphore::MAX_PERMITS {
            settings.problem("limits.connections", "must be at least 1");
        }
        if self.in_flight == 0 || self.in_flight > tokio::sync::Semaphore::MAX_PERMITS {
            settings.problem("limits.in_flight", "must be at least 1");
        }
        if self.produce_timeout.is_zero() || body::WITHIN + self.produce_timeout >= PLATFORM_PATIENCE {
            settings.problem(
                "limits.produce_timeout",
                "must be less than 3s: the platform hangs up after 5 s, and the body may take 2 s of them",
            );
        }
    }
}

impl Shutdown {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let shutdown = Self {
            announce: settings.get(
                "shutdown.announce",
                default.announce,
                "How long connections are still accepted after readiness went off, so that routing notices first.",
            ),
            drain: settings.get(
                "shutdown.drain",
                default.drain,
                "How long requests in flight may then take.",
            ),
        };
        if shutdown.announce + shutdown.drain + PLATFORM_PATIENCE > GRACE {
            settings.problem(
                "shutdown.drain",
                "with shutdown.announce it must not be more than 25s: a pod is killed 30 s after the signal, and the \
                 producer needs the rest",
            );
        }
        shutdown
    }
}

fn link_secret(settings: &mut Settings) -> Secret {
    let secret =
        settings.secret("links.secret", "Seals the links of replies; the same as content-service's.");
    if secret.as_ref().is_none_or(|secret| secret.expose().len() < 16) {
        settings.problem(
            "links.secret",
            "must have at least 16 characters: make one with `openssl rand -hex 32` and give it to content-service too",
        );
    }
    secret.unwrap_or_else(|| Secret::new(""))
}

fn accounts(settings: &mut Settings) -> Vec<Account> {
    let tables = settings.tables("accounts");
    if tables.is_empty() {
        settings.problem(
            "accounts",
            "there is none: add an [[accounts]] table with name, app_id, token_file and mode",
        );
    }
    let accounts: Vec<Account> = tables.iter().map(|table| Account::read(settings, table)).collect();
    settings.distinct(&tables, "name", accounts.iter().map(|account| account.name.as_str()));
    settings.distinct(&tables, "app_id", accounts.iter().map(|account| account.credentials.app_id.as_str()));
    accounts
}

impl Account {
    fn read(settings: &mut Settings, table: &str) -> Self {
        let key = |name: &str| format!("{table}.{name}");
        let name: String = settings.require(&key("name"), "Name of the account, as in /wechat/{name}.");
        if !name.is_empty() && !is_name(&name) {
            settings.problem(&key("name"), "may hold a-z, A-Z, 0-9, - and _ only, at most 40 of them");
        }
        let home: Option<String> =
            settings.optional(&key("home_url"), "Where a reader goes whose link leads nowhere.");
        let home_url = home.and_then(|text| {
            text.parse().map_err(|error| settings.problem(&key("home_url"), &format!("{error}"))).ok()
        });
        let modes = [Mode::Plain, Mode::Compatible, Mode::Safe].map(|mode| (mode.as_str(), mode));
        let meaning = "How the account's pushes are protected, as set at the platform.";
        let mode = settings.choice(&key("mode"), Mode::Safe, &modes, meaning);
        let secrets = Secrets::read(settings, table, mode);
        let app_id: String = settings.require(&key("app_id"), "AppId of the account.");
        Self { name, credentials: secrets.credentials(&app_id, mode), secrets, home_url }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() <= 40 && name.bytes().all(allowed)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
