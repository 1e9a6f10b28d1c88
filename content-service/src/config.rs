//! The settings of content-service, and what has to hold between them.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use runtime::{
    config::{Secret, Settings},
    kafka::Kafka,
    redis::RedisConfig,
};
use wechat::account::{AccountKind, RuleSet};

/// Nobody may send later than this after the event: the longest window of any right.
const LATEST: Duration = Duration::from_secs(48 * 3600);
/// A send that has not begun after this time, for want of a token, counts as not sent.
pub const BEGIN_WITHIN: Duration = Duration::from_secs(2);
/// What a lease has to be longer than a send.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Everything that content-service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which cluster.
    pub kafka: Kafka,
    /// The ledger's Redis.
    pub redis: RedisConfig,
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

/// The way to the profiles.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `http://host:port`, several separated by commas; a name with many addresses is balanced over all.
    pub endpoint: String,
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
    /// How long the ledger remembers an event; longer than `max_age`, so that what it has forgotten is too old to be sent.
    pub ledger_ttl: Duration,
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
}

/// How much is under way at a time.
#[derive(Clone, Copy, Debug)]
pub struct Concurrency {
    /// Events over all accounts.
    pub events: usize,
    /// Sends over all accounts.
    pub sends: usize,
    /// Events that may wait per partition before it is paused.
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
            ledger_ttl: Duration::from_secs(50 * 3600),
            tries: 8,
            margin: Duration::from_secs(3),
            connect: Duration::from_secs(1),
            write: Duration::from_secs(1),
            read: Duration::from_secs(4),
            drain: Duration::from_secs(4),
        }
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { events: 256, sends: 64, buffer: 256 }
    }
}

impl Delivery {
    /// Bound on one send as a whole: until it begins, and the call itself.
    #[must_use]
    pub fn send_budget(&self) -> Duration {
        BEGIN_WITHIN + wechat::api::longest_call(self.connect, self.write, self.read)
    }

    /// A part under way longer than this is `unknown`.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.send_budget() + LEASE_MARGIN + Duration::from_secs(1)
    }
}

impl Concurrency {
    /// The share of one account: all of it if there is only one, half otherwise, so that a sick one leaves room.
    #[must_use]
    pub fn share(&self, accounts: usize) -> Self {
        let of = |all: usize| if accounts > 1 { (all / 2).max(1) } else { all };
        Self { events: of(self.events), sends: of(self.sends), buffer: self.buffer }
    }
}

impl Config {
    /// Reads the settings; every problem is collected there.
    pub fn read(settings: &mut Settings) -> Self {
        let config = Self {
            kafka: Kafka::read(settings),
            redis: RedisConfig::read(settings),
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

    /// What does not fit together: setting and sentence.
    #[must_use]
    pub fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, key, sentence: &str| {
            if !holds {
                wrong.push((key, sentence.to_owned()));
            }
        };
        let (delivery, concurrency) = (&self.delivery, &self.concurrency);
        must(delivery.max_age <= LATEST, "delivery.max_age", "no right lasts longer than 48h; choose less");
        must(
            delivery.max_age + Duration::from_secs(3600) <= delivery.ledger_ttl,
            "delivery.max_age",
            "must be an hour less than the ledger remembers (50h), or an old event could be sent twice",
        );
        must(
            delivery.drain + Duration::from_secs(1) < Duration::from_secs(6),
            "delivery.drain",
            "draining a partition must end well within the group's session timeout (6s)",
        );
        must(
            delivery.lease() > delivery.send_budget() + LEASE_MARGIN,
            "delivery.read",
            "the lease must be longer than a whole send",
        );
        must(concurrency.events > 0, "concurrency.events", "must be at least 1");
        must(
            (1..=concurrency.events).contains(&concurrency.sends),
            "concurrency.sends",
            "must be between 1 and concurrency.events",
        );
        wrong
    }
}

impl Profile {
    fn read(settings: &mut Settings) -> Self {
        Self {
            endpoint: settings.address(
                "profile.endpoint",
                "http://127.0.0.1:50051",
                "Where profile-service is, several separated by commas; a name with many addresses is balanced over all.",
            ),
            deadline: Duration::from_millis(150),
        }
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
                .require("links.base_url", "The gateway as users reach it: https://go.example.com."),
            secret: secret.unwrap_or_else(|| Secret::new("")),
            lifetime: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Delivery {
    fn read(settings: &mut Settings) -> Self {
        let default = Self::default();
        let meaning = "Events older than this get no reply.";
        Self { max_age: settings.get("delivery.max_age", default.max_age, meaning), ..default }
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
        let base: String = settings.require(&format!("sources.{name}.base"), meaning);
        sources.insert(name, base);
    }
    sources
}

fn accounts(settings: &mut Settings) -> Vec<Account> {
    let prefixes = settings.tables("accounts");
    if prefixes.is_empty() {
        settings.problem("accounts", "there is none; add an [[accounts]] table");
    }
    prefixes.iter().map(|prefix| account(settings, prefix)).collect()
}

fn account(settings: &mut Settings, prefix: &str) -> Account {
    let key = |name: &str| format!("{prefix}.{name}");
    let kinds = [("official", AccountKind::Official), ("mini_program", AccountKind::MiniProgram)];
    let rules = [("today", RuleSet::Today), ("wechat-4.5", RuleSet::WeChat45)];
    let secret = settings.secret(&key("secret"), "AppSecret of the account.");
    if secret.is_none() {
        settings.problem(&key("secret"), "is missing; give it, or name its file with secret_file");
    }
    Account {
        name: settings.require(&key("name"), "Name of the account, as in /wechat/{account}."),
        app_id: settings.require(&key("app_id"), "AppId of the account, wx…"),
        secret: secret.unwrap_or_else(|| Secret::new("")),
        kind: settings.choice(&key("kind"), AccountKind::Official, &kinds, "Kind of the account."),
        rules: settings.choice(&key("rules"), RuleSet::Today, &rules, "Which send rules hold."),
        api: settings.address(
            &key("api"),
            "https://api.weixin.qq.com",
            "The platform's API; the simulator's address for a local run.",
        ),
        playbook: settings.require(&key("playbook"), "File of the account's playbook."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_told_at_once() {
        let flags: Vec<String> =
            ["delivery.max_age=49h", "concurrency.sends=0"].into_iter().map(str::to_owned).collect();
        let mut settings = Settings::load("content-service", None, [], &flags);
        let wrong: Vec<_> =
            Config::read(&mut settings).contradictions().into_iter().map(|(key, _)| key).collect();
        assert_eq!(wrong, ["delivery.max_age", "concurrency.sends"]);
        let told = settings.finish().unwrap_err().to_string();
        for key in ["delivery.max_age", "concurrency.sends", "links.secret", "links.base_url", "accounts"] {
            assert!(told.contains(key), "{key} is missing in {told}");
        }
    }

    #[test]
    fn one_account_may_use_everything_and_of_several_each_the_half() {
        let all = Concurrency::default();
        assert_eq!((all.share(1).events, all.share(1).sends), (256, 64));
        assert_eq!((all.share(2).events, all.share(9).sends), (128, 32));
    }
}
