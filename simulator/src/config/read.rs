//! The configuration from settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runtime::config::Settings;
use serde_json::Value;
use wechat::account::{AccountKind, Mode, RuleSet};
use wechat::envelope::AesKey;
use wechat::push::Format;

use super::{Account, Config, Limits, MenuAction, MenuButton, Person};
use crate::tap::is_address;

impl Config {
    /// Reads the settings; every problem is collected there.
    pub fn read(settings: &mut Settings) -> Self {
        let usual = Self::default();
        let config = Self {
            listen: settings.get(
                "listen",
                usual.listen,
                "Where the platform, its control and the phone listen.",
            ),
            limits: Limits::read(settings),
            step: settings.get(
                "push.step",
                usual.step,
                "Time for one delivery of a push; the next one starts when it is over.",
            ),
            keep: settings.get(
                "record.keep",
                usual.keep,
                "Messages, sends and pushes that are remembered, each.",
            ),
            weather: read_weather(settings),
            accounts: settings.tables("accounts").iter().map(|at| Account::read(settings, at)).collect(),
            people: settings.tables("people").iter().map(|at| Person::read(settings, at)).collect(),
        };
        config.check(settings);
        config
    }

    /// People need an account, and every account a name and an `AppId` of its own.
    fn check(&self, settings: &mut Settings) {
        for (n, account) in self.accounts.iter().enumerate() {
            let before = &self.accounts[..n];
            let mut own = |key: &str, text: &str, taken: bool| {
                if taken && !text.is_empty() {
                    let key = format!("accounts.{n}.{key}");
                    settings.problem(&key, "another account has the same: give it its own");
                }
            };
            own("name", &account.name, before.iter().any(|other| other.name == account.name));
            own("app_id", &account.app_id, before.iter().any(|other| other.app_id == account.app_id));
        }
        for (n, person) in self.people.iter().enumerate() {
            if !self.accounts.iter().any(|account| account.name == person.account) {
                settings.problem(&format!("people.{n}.account"), "there is no account of this name");
            }
        }
    }
}

impl Limits {
    fn read(settings: &mut Settings) -> Self {
        let usual = Self::default();
        Self {
            sends_per_day: settings.get(
                "limits.sends_per_day",
                usual.sends_per_day,
                "Calls of custom/send per account and day; raise it for load tests.",
            ),
            sends_per_minute: settings.get(
                "limits.sends_per_minute",
                usual.sends_per_minute,
                "Calls of custom/send per account and minute; raise it for load tests.",
            ),
            tokens_per_day: settings.get(
                "limits.tokens_per_day",
                usual.tokens_per_day,
                "Calls of cgi-bin/token per account and day.",
            ),
        }
    }
}

impl Account {
    fn read(settings: &mut Settings, at: &str) -> Self {
        let key = |name: &str| format!("{at}.{name}");
        let modes = [("plain", Mode::Plain), ("compatible", Mode::Compatible), ("safe", Mode::Safe)];
        let kinds = [("official", AccountKind::Official), ("mini_program", AccountKind::MiniProgram)];
        let rules = [("today", RuleSet::Today), ("wechat-4.5", RuleSet::WeChat45)];
        let formats = [("xml", Format::Xml), ("json", Format::Json)];
        let mode = settings.choice(&key("mode"), Mode::Safe, &modes, "How its pushes are protected.");
        let aes_key = settings.secret(&key("aes_key"), "EncodingAESKey, 43 characters.");
        if mode != Mode::Plain && aes_key.is_none() {
            settings.problem(
                &key("aes_key"),
                "is needed in compatible and safe mode: give it, or set mode to plain",
            );
        }
        if aes_key.as_ref().is_some_and(|key| AesKey::parse(key.expose()).is_err()) {
            settings.problem(&key("aes_key"), "is no EncodingAESKey: copy the 43 characters");
        }
        let name: String = settings.require(&key("name"), "Name in requests.");
        Self {
            title: settings.get(&key("title"), name.clone(), "How the phone calls it."),
            name,
            gateway: read_address(settings, &key("gateway"), "Address of the gateway for its pushes."),
            app_id: settings.require(&key("app_id"), "AppId, wx…."),
            app_secret: secret(settings, &key("app_secret"), "AppSecret for the token endpoints."),
            original_id: settings.require(&key("original_id"), "Original id, gh_…."),
            token: secret(settings, &key("token"), "Token that signs its pushes."),
            aes_key: aes_key.map(|key| key.expose().to_owned()),
            mode,
            kind: settings.choice(&key("kind"), AccountKind::Official, &kinds, "What it is."),
            rules: settings.choice(&key("rules"), RuleSet::Today, &rules, "Under which rules it lives."),
            format: settings.choice(&key("format"), Format::Xml, &formats, "How its pushes are written."),
            verified: settings.get(&key("verified"), true, "Whether it may use custom/send at all."),
            menu: read_menu(settings, &key("menu")),
        }
    }
}

fn secret(settings: &mut Settings, key: &str, meaning: &'static str) -> wechat::Secret {
    match settings.secret(key, meaning) {
        Some(secret) => secret.expose().into(),
        None => {
            settings.problem(key, &format!("is missing: give it, or {key}_file"));
            wechat::Secret::default()
        }
    }
}

const NO_ADDRESS: &str = "is not an address such as http://host:port/path";

fn read_address(settings: &mut Settings, key: &str, meaning: &'static str) -> String {
    let address: String = settings.require(key, meaning);
    if !address.is_empty() && !is_address(&address) {
        settings.problem(key, NO_ADDRESS);
    }
    address
}

impl Person {
    fn read(settings: &mut Settings, at: &str) -> Self {
        Self {
            account: settings.require(&format!("{at}.account"), "Name of the account."),
            openid: settings.personal(&format!("{at}.openid"), "OpenID of the person there."),
            name: settings.require(&format!("{at}.name"), "How the phone calls the person."),
            about: settings.get(&format!("{at}.about"), String::new(), "One line about the person."),
        }
    }
}

fn read_menu(settings: &mut Settings, at: &str) -> Vec<MenuButton> {
    settings.tables(at).iter().map(|at| read_button(settings, at)).collect()
}

fn read_button(settings: &mut Settings, at: &str) -> MenuButton {
    let name = settings.require(&format!("{at}.name"), "What stands on the button.");
    let key = settings.optional::<String>(&format!("{at}.key"), "Key that a tap pushes with CLICK.");
    let url =
        settings.optional::<String>(&format!("{at}.url"), "Page that a tap opens and pushes with VIEW.");
    if url.as_deref().is_some_and(|url| !is_address(url)) {
        settings.problem(&format!("{at}.url"), NO_ADDRESS);
    }
    let inner = read_menu(settings, &format!("{at}.buttons"));
    let action = match (key, url) {
        (Some(key), None) => MenuAction::Click(key),
        (None, Some(url)) => MenuAction::View(url),
        (None, None) => MenuAction::Open(inner),
        (Some(_), Some(_)) => {
            settings.problem(&format!("{at}.url"), "a button has a key or a url: take one of them out");
            MenuAction::Open(inner)
        }
    };
    MenuButton { name, action }
}

fn read_weather(settings: &mut Settings) -> BTreeMap<String, Value> {
    let Some(file) =
        settings.optional::<PathBuf>("weather_file", "File with a JSON object: city → its weather.")
    else {
        return BTreeMap::new();
    };
    match weather_of(&file) {
        Ok(weather) => weather,
        Err(error) => {
            settings.problem("weather_file", &format!("{}: {error}", file.display()));
            BTreeMap::new()
        }
    }
}

/// Reads a file of weather: a JSON object, city → anything.
///
/// # Errors
/// When the file can not be read or is no JSON object.
pub fn weather_of(file: &std::path::Path) -> std::io::Result<BTreeMap<String, Value>> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ACCOUNT: &str = "[[accounts]]\nname = 'air'\ngateway = 'http://g/air'\napp_id = 'wx1'\napp_secret = 's'\n\
                           original_id = 'gh_1'\ntoken = 't'\nmode = 'plain'\n";

    fn read(text: &str) -> (Config, Result<(), String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut settings = Settings::load("simulator", Some(file.path()), [], &[]);
        let config = Config::read(&mut settings);
        (config, settings.finish().map_err(|problems| problems.to_string()))
    }

    #[test]
    fn accounts_menus_and_people_are_read() {
        let menu = "[[accounts.menu]]\nname = '行程'\n[[accounts.menu.buttons]]\nname = '动态'\nkey = 'STATUS'\n\
                    [[accounts.menu.buttons]]\nname = '会员'\nurl = 'http://x'\n";
        let person = "[[people]]\naccount = 'air'\nopenid = 'o1'\nname = '陈女士'\n";
        let (config, finished) = read(&format!("push.step = '200ms'\n{ACCOUNT}{menu}{person}"));
        finished.unwrap();
        let button = |name: &str, action| MenuButton { name: name.to_owned(), action };
        let inner = vec![
            button("动态", MenuAction::Click("STATUS".to_owned())),
            button("会员", MenuAction::View("http://x".to_owned())),
        ];
        assert_eq!(config.accounts[0].menu, [button("行程", MenuAction::Open(inner))]);
        assert_eq!((config.step, config.accounts[0].title.as_str()), (Duration::from_millis(200), "air"));
        assert_eq!(config.people[0].name, "陈女士");
    }

    #[test]
    fn every_contradiction_is_told_at_once() {
        let person = "[[people]]\naccount = 'ship'\nopenid = 'o1'\nname = 'n'\n";
        let safe = ACCOUNT.replace("mode = 'plain'", "mode = 'safe'");
        let (_, finished) = read(&format!("weather_file = '/nowhere.json'\n{ACCOUNT}{safe}{person}"));
        let problems = finished.unwrap_err();
        for said in [
            ":11: accounts.1.name: another account has the same",
            ":13: accounts.1.app_id: another account has the same",
            "accounts.1.aes_key: is needed",
            ":19: people.0.account: there is no account of this name",
            "/nowhere.json",
        ] {
            assert!(problems.contains(said), "{said}: {problems}");
        }
    }

    #[test]
    fn what_is_no_address_and_no_key_is_refused_with_its_line() {
        let menu = "[[accounts.menu]]\nname = '会员'\nurl = 'csair.example'\n";
        let account = ACCOUNT.replace("http://g/air", "g/air").replace("mode = 'plain'", "aes_key = 'short'");
        let problems = read(&format!("{account}{menu}")).1.unwrap_err();
        for said in [
            ":3: accounts.0.gateway: is not an address",
            ":8: accounts.0.aes_key: is no EncodingAESKey",
            ":11: accounts.0.menu.0.url: is not an address",
        ] {
            assert!(problems.contains(said), "{said}: {problems}");
        }
        assert!(!problems.contains("short"), "{problems}");
    }

    #[test]
    fn the_settings_in_force_show_nobodys_openid() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let person = "[[people]]\naccount = 'air'\nopenid = 'oChen'\nname = '陈女士'\n";
        std::fs::write(file.path(), format!("{ACCOUNT}{person}")).unwrap();
        let mut settings = Settings::load("simulator", Some(file.path()), [], &[]);
        assert_eq!(Config::read(&mut settings).people[0].openid, "oChen");
        let printed = settings.print();
        assert!(printed.contains("陈女士") && !printed.contains("oChen"), "{printed}");
    }
}
