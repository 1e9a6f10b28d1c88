//! The settings of content-service, and what has to hold between them.

mod read;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use runtime::{config::Secret, kafka::Kafka, redis::RedisConfig, tls::TlsFiles};
use wechat::account::{AccountKind, RuleSet};

use crate::lanes::Bounds;
pub use crate::ledger::guard::Durability;

/// Nobody may send later than this after the event: the longest window of any right.
pub const LATEST: Duration = Duration::from_secs(48 * 3600);
/// A send that has not begun after this time, for want of a token, counts as not sent.
pub const BEGIN_WITHIN: Duration = Duration::from_secs(2);
/// By how much a lease is longer than a whole send.
const LEASE_MARGIN: Duration = Duration::from_secs(3);
/// How long the ledger remembers. What it has forgotten must be too old to be sent, or an old event could be sent twice.
pub const LEDGER_TTL: Duration = Duration::from_secs(50 * 3600);
const _: () = assert!(LATEST.as_secs() + 3600 <= LEDGER_TTL.as_secs());
/// Draining a partition has to end well within the session of the group: six seconds, or what the settings say.
const DRAIN: Duration = Duration::from_secs(4);
/// For the commit after the drain.
const LAST_COMMIT: Duration = Duration::from_secs(1);

/// Everything that content-service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which cluster.
    pub kafka: Kafka,
    /// The ledger's Redis.
    pub redis: RedisConfig,
    /// How far it is to be trusted.
    pub keeping: Keeping,
    /// The way to the profiles.
    pub profile: Profile,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub admin: SocketAddr,
    /// Links in replies.
    pub links: Links,
    /// How replies leave.
    pub delivery: Delivery,
    /// How much is under way at a time.
    pub concurrency: Concurrency,
    /// Base addresses of sources by the name that playbooks give them.
    pub sources: BTreeMap<String, String>,
    /// The accounts.
    pub accounts: Vec<Account>,
}

/// How far the ledger's Redis is to be trusted.
#[derive(Clone, Copy, Debug)]
pub struct Keeping {
    /// Whether it is looked at.
    pub durability: Durability,
    /// So many replicas must have what arms a send before its first byte leaves.
    pub replicas: u32,
}

/// The way to the profiles.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `http://host:port` or `https://…`, several separated by commas; a name with many addresses is balanced over all.
    pub endpoint: String,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// For one answer; later, the neutral edition is sent.
    pub deadline: Duration,
}

/// Links in replies.
#[derive(Clone, Debug)]
pub struct Links {
    /// The gateway as users reach it: `https://go.example.com`.
    pub base_url: String,
    /// The secret that the gateway shares.
    pub secret: Secret,
    /// How long a link can be opened.
    pub lifetime: Duration,
}

/// How replies leave.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Older events get no reply.
    pub max_age: Duration,
    /// Tries of a part that was definitely not sent.
    pub tries: u32,
    /// Taken off the end of every send window, for the way and for clocks that differ.
    pub margin: Duration,
    /// Connecting to the platform.
    pub connect: Duration,
    /// Writing a request to the platform.
    pub write: Duration,
    /// Waiting for the platform's answer.
    pub read: Duration,
    /// For work under way when a partition or the process ends.
    pub drain: Duration,
    /// Whether the platform is asked at the start which accounts may send.
    pub check_right: bool,
}

/// How much is under way at a time.
#[derive(Clone, Copy, Debug)]
pub struct Concurrency {
    /// Events over all accounts.
    pub events: usize,
    /// Sends over all accounts.
    pub sends: usize,
    /// Events of a partition that may wait in memory, for all its accounts; an event takes about 2 KiB. Once half of it is taken, who
    /// has an eighth is left behind; when all is, the partition is paused.
    pub buffer: usize,
}

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// As in `/wechat/{account}`.
    pub name: String,
    /// `wx…`.
    pub app_id: String,
    /// `AppSecret`.
    pub secret: Secret,
    /// What it can show.
    pub kind: AccountKind,
    /// Which rights it has.
    pub rules: RuleSet,
    /// The platform's API.
    pub api: String,
    /// Its playbook.
    pub playbook: PathBuf,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(600),
            tries: 8,
            margin: Duration::from_secs(3),
            connect: Duration::from_secs(1),
            write: Duration::from_secs(1),
            read: Duration::from_secs(4),
            drain: DRAIN,
            check_right: false,
        }
    }
}

impl Default for Keeping {
    fn default() -> Self {
        Self { durability: Durability::Checked, replicas: 0 }
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { events: 256, sends: 64, buffer: 2048 }
    }
}

/// In milliseconds.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Delivery {
    /// Bound on one send as a whole: until it begins, and the call itself.
    fn send_budget(&self) -> Duration {
        BEGIN_WITHIN + wechat::api::longest_call(self.connect, self.write, self.read)
    }

    /// A part under way longer than this is `unknown`: longer than a whole send can be.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.send_budget() + LEASE_MARGIN
    }
}

impl Config {
    /// Places for events: one share more than there are accounts, for the events of accounts that are not configured.
    #[must_use]
    pub fn event_places(&self) -> Bounds {
        Bounds::divide(self.concurrency.events, self.accounts.len() + 1)
    }

    /// Places for sends.
    #[must_use]
    pub fn send_places(&self) -> Bounds {
        Bounds::divide(self.concurrency.sends, self.accounts.len())
    }

    /// What does not fit together: setting and sentence.
    #[must_use]
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, key, sentence: String| {
            if !holds {
                wrong.push((key, sentence));
            }
        };
        let (age, Concurrency { events, sends, .. }) = (self.delivery.max_age, self.concurrency);
        must(
            !age.is_zero() && age <= LATEST,
            "delivery.max_age",
            "must be more than 0 and at most 48h: no right lasts longer".to_owned(),
        );
        let session = self.kafka.session_timeout();
        must(
            session.is_none_or(|session| self.delivery.drain + LAST_COMMIT <= session),
            "kafka.consumer_properties.session.timeout.ms",
            format!(
                "must be at least {} s, which giving up a partition takes",
                (self.delivery.drain + LAST_COMMIT).as_secs()
            ),
        );
        let accounts = self.accounts.len();
        let least = accounts + 1;
        must(
            events >= least,
            "concurrency.events",
            format!("must be at least {least}: one for each account, and one for events of no account"),
        );
        let least = accounts.max(1);
        must(
            (least..=events.max(least)).contains(&sends),
            "concurrency.sends",
            format!("must be at least {least}, one for each account, and not more than concurrency.events"),
        );
        wrong
    }
}
