//! The accounts by name and by AppId, each with what is counted of it.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::trace::TraceParent;
use wechat::{Mode, Secret, envelope::AesKey, push::Credentials};

use crate::{
    address::Address,
    config::{self, Secrets},
    metrics::Metrics,
    report::Reports,
};

/// One account while the process runs.
#[derive(Debug)]
pub(crate) struct Account {
    /// Its name in the configuration, or `unknown`.
    pub(crate) name: String,
    /// `wx…`.
    pub(crate) app_id: String,
    pub(crate) mode: Mode,
    /// What its pushes are checked with.
    pub(crate) credentials: ArcSwap<Credentials>,
    /// Tokens and keys at the start.
    pub(crate) secrets: Secrets,
    /// Changes of them that were taken over, and that were not.
    pub(crate) rotated: Counter,
    pub(crate) not_rotated: Counter,
    /// 1 while what stands in their files cannot be used.
    pub(crate) unusable: Gauge,
    /// Where a reader goes whose link leads nowhere.
    pub(crate) home_url: Option<Address>,
    /// Pushes that are in Kafka and could be read.
    pub(crate) accepted: Counter,
    /// What was logged of it lately.
    pub(crate) reports: Reports,
}

/// All accounts, and a stand-in for those that nobody has.
#[derive(Debug)]
pub(crate) struct Accounts {
    all: Vec<Account>,
    by_name: HashMap<String, usize>,
    by_app_id: HashMap<String, usize>,
    stranger: Account,
}

impl Accounts {
    pub(crate) fn new(configured: Vec<config::Account>, metrics: &Metrics) -> Self {
        let all: Vec<Account> =
            configured.into_iter().map(|account| Account::new(account, metrics)).collect();
        let index =
            |key: fn(&Account) -> &str| all.iter().enumerate().map(|(i, a)| (key(a).to_owned(), i)).collect();
        let (by_name, by_app_id) = (index(|a| &a.name), index(|a| &a.app_id));
        Self { by_name, by_app_id, stranger: Account::new(stranger(), metrics), all }
    }

    /// The account of that name, or the stranger: no request to it verifies, and it costs what a wrong signature costs.
    pub(crate) fn named(&self, name: &str) -> &Account {
        self.by_name.get(name).map_or(&self.stranger, |&index| &self.all[index])
    }

    /// What a request is checked with that is refused before its signature is looked at, so that it costs what a wrong signature costs.
    pub(crate) fn stranger(&self) -> &ArcSwap<Credentials> {
        &self.stranger.credentials
    }

    /// Those whose tokens or keys may change while the process runs.
    pub(crate) fn followed(&self) -> impl Iterator<Item = &Account> {
        self.all.iter().filter(|account| account.secrets.may_change())
    }

    /// The account of that AppId.
    pub(crate) fn of_app(&self, app_id: &str) -> Option<&Account> {
        self.by_app_id.get(app_id).map(|&index| &self.all[index])
    }
}

impl Account {
    fn new(account: config::Account, metrics: &Metrics) -> Self {
        Self {
            accepted: metrics.push(&account.name, "accepted"),
            rotated: metrics.rotation(&account.name, "taken"),
            not_rotated: metrics.rotation(&account.name, "refused"),
            unusable: metrics.secrets_unusable(&account.name),
            name: account.name,
            app_id: account.credentials.app_id.clone(),
            mode: account.credentials.mode,
            credentials: ArcSwap::from_pointee(with_two_tokens(account.credentials)),
            secrets: account.secrets,
            home_url: account.home_url,
            reports: Reports::default(),
        }
    }

    /// From now on pushes are checked with these, which can be used.
    pub(crate) fn rotate(&self, secrets: &Secrets) {
        self.credentials.store(Arc::new(with_two_tokens(secrets.credentials(&self.app_id, self.mode))));
    }
}

/// By how long a wrong signature takes, nobody learns whether there is a Token before.
fn with_two_tokens(mut credentials: Credentials) -> Credentials {
    credentials.previous_token.get_or_insert_with(never_told);
    credentials
}

/// An account whose pushes would come in any form, and whose token nobody has.
fn stranger() -> config::Account {
    let credentials = Credentials {
        app_id: String::new(),
        token: never_told(),
        previous_token: None,
        aes_key: AesKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").ok(),
        previous_aes_key: None,
        mode: Mode::Plain,
    };
    config::Account { name: "unknown".to_owned(), credentials, secrets: Secrets::default(), home_url: None }
}

/// A token of 192 random bits that nobody has ever been told.
fn never_told() -> Secret {
    Secret::new(TraceParent::new_root().to_string())
}
