//! What the simulator is told: accounts, people, weather, limits.

mod read;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wechat::account::{AccountKind, Mode, RuleSet};
use wechat::push::Format;

pub use read::weather_of;

/// Everything the simulator is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the binary listens; ignored by [`crate::serve`], which is handed a listener.
    pub listen: SocketAddr,
    /// The accounts, in the order in which the phone lists them.
    pub accounts: Vec<Account>,
    /// The people, in the order of `GET /sim/people`.
    pub people: Vec<Person>,
    /// City → what `GET /sim/sources/weather?city=…` answers.
    pub weather: BTreeMap<String, Value>,
    /// Quotas of the platform.
    pub limits: Limits,
    /// How long one delivery of a push may take; the next one starts when it is over. The platform's: 5 s.
    pub step: Duration,
    /// How many messages, sends and pushes are remembered, each.
    pub keep: usize,
}

/// One account of the platform.
#[derive(Debug, Clone)]
pub struct Account {
    /// Name in requests.
    pub name: String,
    /// How the phone calls it: `钱江晚报`.
    pub title: String,
    /// Where its pushes go: `http://127.0.0.1:8080/wechat/qianjiang`.
    pub gateway: String,
    /// AppId, `wx…`.
    pub app_id: String,
    /// `AppSecret`, for the token endpoints.
    pub app_secret: wechat::Secret,
    /// Original id, `gh_…`.
    pub original_id: String,
    /// Token that signs its pushes.
    pub token: wechat::Secret,
    /// `EncodingAESKey`; needed in compatible and safe mode.
    pub aes_key: Option<String>,
    /// How its pushes are protected.
    pub mode: Mode,
    /// What it is.
    pub kind: AccountKind,
    /// Under which rules it lives.
    pub rules: RuleSet,
    /// How its pushes are written.
    pub format: Format,
    /// Whether it may use `custom/send` at all; without it every send is refused with 48001.
    pub verified: bool,
    /// Its menu, left to right.
    pub menu: Vec<MenuButton>,
}

impl Account {
    /// An account with these names and the usual rest: safe mode, XML, today's rules, no menu.
    #[must_use]
    pub fn new(name: &str, gateway: &str, app_id: &str, original_id: &str, kind: AccountKind) -> Self {
        Self {
            name: name.to_owned(),
            title: name.to_owned(),
            gateway: gateway.to_owned(),
            app_id: app_id.to_owned(),
            app_secret: wechat::Secret::default(),
            original_id: original_id.to_owned(),
            token: wechat::Secret::default(),
            aes_key: None,
            mode: Mode::Safe,
            kind,
            rules: RuleSet::Today,
            format: Format::Xml,
            verified: true,
            menu: Vec::new(),
        }
    }
}

/// A button of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuButton {
    /// What stands on it.
    pub name: String,
    /// What a tap does.
    pub action: MenuAction,
}

/// What a tap on a menu button does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuAction {
    /// Pushes CLICK with this key.
    Click(String),
    /// Pushes VIEW with this address and opens it.
    View(String),
    /// Opens a submenu; pushes nothing (`facts.md` §2.1).
    Open(Vec<MenuButton>),
}

impl MenuButton {
    /// The button as the platform's menu API writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.action {
            MenuAction::Click(key) => json!({ "type": "click", "name": self.name, "key": key }),
            MenuAction::View(url) => json!({ "type": "view", "name": self.name, "url": url }),
            MenuAction::Open(buttons) => {
                json!({ "name": self.name, "sub_button": buttons.iter().map(Self::to_json).collect::<Vec<_>>() })
            }
        }
    }
}

/// Somebody who holds a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Name of the account.
    pub account: String,
    /// OpenID there.
    pub openid: String,
    /// How the phone calls the person.
    pub name: String,
    /// One line about the person, for who looks at the phone.
    #[serde(default)]
    pub about: String,
}

/// Quotas of one account (`facts.md` §4.5, §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `custom/send` per day (Beijing).
    pub sends_per_day: u64,
    /// `custom/send` per minute; the platform does not publish its number.
    pub sends_per_minute: u64,
    /// `cgi-bin/token` per day.
    pub tokens_per_day: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sends_per_day: 500_000, sends_per_minute: 30_000, tokens_per_day: 2_000 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8090)),
            accounts: Vec::new(),
            people: Vec::new(),
            weather: BTreeMap::new(),
            limits: Limits::default(),
            step: Duration::from_secs(5),
            keep: 20_000,
        }
    }
}
