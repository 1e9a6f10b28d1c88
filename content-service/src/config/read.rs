//! The configuration from settings, playbooks included.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use runtime::{
    config::{Secret, Settings},
    kafka::Kafka,
    redis::RedisConfig,
    tls::TlsFiles,
};
use wechat::account::{AccountKind, RuleSet};

use super::{Account, Concurrency, Config, Delivery, Durability, Keeping, Links, Profile};
use crate::playbook::{LoadError, Playbook, Problems};

impl Config {
    /// Reads the settings; every problem is collected there.
    pub fn read(settings: &mut Settings) -> Self {
        let config = Self {
            kafka: Kafka::read(settings),
            redis: RedisConfig::read(settings),
            keeping: Keeping::read(settings),
            profile: Profile::read(settings),
            admin: settings.get(
                "admin.listen",
                SocketAddr::from(([0, 0, 0, 0], 9092)),
                "Where /livez, /readyz and /metrics are.",
            ),
            links: Links::read(settings),
            delivery: Delivery::read(settings),
            concurrency: Concurrency::read(settings),
            sources: sources(settings),
            accounts: accounts(settings),
        };
        for (key, wrong) in config.contradictions() {
            settings.problem(key, &wrong);
        }
        config
    }
}

impl Keeping {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let choices = [("checked", Durability::Checked), ("assumed", Durability::Assumed)];
        let meaning = "Whether the ledger's Redis has to say that it evicts nothing and keeps an append-only file (checked), or whoever runs it answers for that (assumed).";
        let durability = settings.choice("redis.durability", default.durability, &choices, meaning);
        let meaning = "So many replicas of Redis must have the ledger's entry before the first byte of a message leaves; they have 50 ms. 0: none.";
        Self { durability, replicas: settings.get("redis.wait_replicas", default.replicas, meaning) }
    }
}

impl Profile {
    fn read(settings: &mut Settings) -> Self {
        let meaning = "Where profile-service is (`https://` with TLS), several separated by commas; a name with many addresses is balanced over all.";
        let endpoint = settings.addresses("profile.endpoint", "http://127.0.0.1:50051", meaning);
        let secure = |address: &str| address.trim().starts_with("https://");
        let tls = endpoint.split(',').any(secure);
        if tls && !endpoint.split(',').all(secure) {
            settings
                .problem("profile.endpoint", "asks for TLS here and not there; write https:// everywhere");
        }
        let tls = TlsFiles::read(settings, "profile", "profile-service", tls);
        Self { endpoint, tls, deadline: Duration::from_millis(150) }
    }
}

impl Links {
    fn read(settings: &mut Settings) -> Self {
        let meaning = "The secret that the gateway opens links with; both must have the same.";
        let secret = settings.secret("links.secret", meaning);
        if secret.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
            settings.problem("links.secret", "is missing; give it, or name its file with links.secret_file");
        }
        Self {
            base_url: settings
                .required_address("links.base_url", "The gateway as users reach it: https://go.example.com."),
            secret: secret.unwrap_or_else(|| Secret::new("")),
            lifetime: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Delivery {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let meaning = "Events older than this get no reply.";
        Self {
            max_age: settings.get("delivery.max_age", default.max_age, meaning),
            check_right: settings.get(
                "delivery.check_right",
                true,
                "Whether each account is asked at the start if it may send: one message to nobody, which the platform refuses.",
            ),
            ..default
        }
    }
}

impl Concurrency {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        Self {
            events: settings.get("concurrency.events", default.events, "Events under way at a time."),
            sends: settings.get("concurrency.sends", default.sends, "Sends under way at a time."),
            ..default
        }
    }
}

fn sources(settings: &mut Settings) -> BTreeMap<String, String> {
    let meaning = "Base address of a source, to which the playbook's path is added.";
    let mut sources = BTreeMap::new();
    for name in settings.names("sources") {
        let base = settings.required_address(&format!("sources.{name}.base"), meaning);
        sources.insert(name, base);
    }
    sources
}

fn accounts(settings: &mut Settings) -> Vec<Account> {
    let prefixes = settings.tables("accounts");
    if prefixes.is_empty() {
        settings.problem("accounts", "there is none; add an [[accounts]] table");
    }
    let accounts: Vec<Account> = prefixes.iter().map(|prefix| account(settings, prefix)).collect();
    settings.distinct(&prefixes, "name", accounts.iter().map(|account| account.name.as_str()));
    settings.distinct(&prefixes, "app_id", accounts.iter().map(|account| account.app_id.as_str()));
    accounts
}

fn account(settings: &mut Settings, prefix: &str) -> Account {
    let key = |name: &str| format!("{prefix}.{name}");
    let kinds = [("official", AccountKind::Official), ("mini_program", AccountKind::MiniProgram)];
    let rules = [("today", RuleSet::Today), ("wechat-4.5", RuleSet::WeChat45)];
    let secret = settings.secret(&key("secret"), "AppSecret of the account.");
    if secret.as_ref().is_none_or(|secret| secret.expose().is_empty()) {
        settings.problem(&key("secret"), "is missing; give it, or name its file with secret_file");
    }
    let account = Account {
        name: settings.require(&key("name"), "Name of the account, as in /wechat/{account}."),
        app_id: settings.require(&key("app_id"), "AppId of the account, wx…"),
        secret: secret.unwrap_or_else(|| Secret::new("")),
        kind: settings.choice(&key("kind"), AccountKind::Official, &kinds, "Kind of the account."),
        rules: settings.choice(&key("rules"), RuleSet::Today, &rules, "Which send rules hold."),
        api: settings.get(
            &key("api"),
            "https://api.weixin.qq.com".to_owned(),
            "The platform's API; the simulator's address for a local run.",
        ),
        playbook: settings.require(&key("playbook"), "File of the account's playbook."),
    };
    if wechat::api::check_base_url(&account.api).is_err() {
        // Without its text, which may hold a password.
        settings.problem(&key("api"), "is no address of the API; write it like https://api.weixin.qq.com");
    }
    check_playbook(settings, &key("playbook"), &account);
    account
}

/// The playbook is read once more when the service starts; here every mistake of every account is told before anything does.
fn check_playbook(settings: &mut Settings, key: &str, account: &Account) {
    if account.playbook.as_os_str().is_empty() {
        return;
    }
    match Playbook::load(&account.playbook, &account.name, account.kind) {
        Ok(_) => {}
        Err(error @ LoadError::Unreadable { .. }) => settings.problem(key, &error.to_string()),
        Err(LoadError::Wrong(Problems(problems))) => {
            problems.iter().for_each(|problem| settings.problem_elsewhere(&problem.to_string()));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
