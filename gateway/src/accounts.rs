//! The accounts by name and by AppId, each with what is counted of it.

use std::collections::HashMap;

use prometheus_client::metrics::counter::Counter;
use runtime::trace::TraceParent;
use wechat::{Mode, Secret, envelope::AesKey, push::Credentials};

use crate::{address::Address, config, metrics::Metrics, report::Reports};

/// One account while the process runs.
#[derive(Debug)]
pub(crate) struct Account {
    /// Its name in the configuration, or `unknown`.
    pub(crate) name: String,
    /// What its pushes are checked with.
    pub(crate) credentials: Credentials,
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
        let (by_name, by_app_id) = (index(|a| &a.name), index(|a| &a.credentials.app_id));
        Self { by_name, by_app_id, stranger: Account::new(stranger(), metrics), all }
    }

    /// The account of that name, or the stranger: no request to it verifies, and it costs what a wrong signature costs.
    pub(crate) fn named(&self, name: &str) -> &Account {
        self.by_name.get(name).map_or(&self.stranger, |&index| &self.all[index])
    }

    /// What a request is checked with that is refused before its signature is looked at, so that it costs what a wrong signature costs.
    pub(crate) fn stranger(&self) -> &Credentials {
        &self.stranger.credentials
    }

    /// The account of that AppId.
    pub(crate) fn of_app(&self, app_id: &str) -> Option<&Account> {
        self.by_app_id.get(app_id).map(|&index| &self.all[index])
    }
}

impl Account {
    /// With two Tokens in any case: by how long a wrong signature takes, nobody learns whether there are two.
    fn new(account: config::Account, metrics: &Metrics) -> Self {
        let mut credentials = account.credentials;
        credentials.previous_token.get_or_insert_with(never_told);
        Self {
            accepted: metrics.push(&account.name, "accepted"),
            name: account.name,
            credentials,
            home_url: account.home_url,
            reports: Reports::default(),
        }
    }
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
    config::Account { name: "unknown".to_owned(), credentials, home_url: None }
}

/// A token of 192 random bits that nobody has ever been told.
fn never_told() -> Secret {
    Secret::new(TraceParent::new_root().to_string())
}
