//! `account.yaml`: what WeChat and the services have to agree on about an account.

use serde::Deserialize;
use simulator::config::{MenuAction, MenuButton};
use wechat::{AccountKind, Mode, RuleSet, push::Format};

/// One account, with its example credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Name in the configuration, as in `/wechat/{name}`.
    pub name: String,
    /// Name for its readers.
    pub title: String,
    /// What it is.
    pub kind: AccountKind,
    /// Which generation of send rules holds.
    #[serde(default)]
    pub rules: RuleSet,
    /// How its pushes are protected.
    pub mode: Mode,
    /// How its pushes are written.
    pub format: Format,
    /// AppId.
    pub app_id: String,
    /// Original id, `gh_…`.
    pub original_id: String,
    /// Its `AppSecret`, an example's.
    pub app_secret: String,
    /// Token, an example's.
    pub token: String,
    /// Its `EncodingAESKey`, an example's.
    pub aes_key: String,
    /// Where a link leads whose item is gone.
    pub home_url: String,
    /// The menu, left to right.
    #[serde(default)]
    pub menu: Vec<Button>,
}

/// A button of the menu.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What stands on it.
    pub name: String,
    /// Key that a tap pushes.
    pub key: Option<String>,
    /// Page that a tap opens.
    pub url: Option<String>,
    /// Buttons below it.
    #[serde(default)]
    pub buttons: Vec<Button>,
}

impl Account {
    /// The account as the simulator keeps it.
    #[must_use]
    pub fn simulated(&self, gateway: &str) -> simulator::config::Account {
        let url = format!("{gateway}/wechat/{}", self.name);
        simulator::config::Account {
            title: self.title.clone(),
            app_secret: self.app_secret.as_str().into(),
            token: self.token.as_str().into(),
            aes_key: Some(self.aes_key.clone()),
            mode: self.mode,
            rules: self.rules,
            format: self.format,
            menu: self.menu.iter().map(Button::simulated).collect(),
            ..simulator::config::Account::new(&self.name, &url, &self.app_id, &self.original_id, self.kind)
        }
    }
}

impl Button {
    fn simulated(&self) -> MenuButton {
        let action = match (&self.key, &self.url) {
            (Some(key), _) => MenuAction::Click(key.clone()),
            (None, Some(url)) => MenuAction::View(url.clone()),
            (None, None) => MenuAction::Open(self.buttons.iter().map(Self::simulated).collect()),
        };
        MenuButton { name: self.name.clone(), action }
    }
}
