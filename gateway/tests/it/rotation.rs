//! Tokens and keys that stand in files change while the gateway runs.

use std::fs;

use gateway::Config;
use runtime::config::Settings;
use wechat::{
    Mode,
    envelope::AesKey,
    push::{Credentials, seal_url_check},
};

use crate::{
    house::{House, KEY, LINK_SECRET, OTHER_KEY, text, until},
    volume::{NAMES, Volume},
    wire,
};

type Secrets = [&'static str; 4];

const BEFORE: Secrets = ["token-1", KEY, "", ""];
const BOTH: Secrets = ["token-2", OTHER_KEY, "token-1", KEY];
const UNUSABLE: &str = "gateway_secrets_unusable{account=\"safe\"}";
const AFTER: Secrets = ["token-2", OTHER_KEY, "", ""];

/// A gateway whose account `safe` has its secrets there.
async fn house(volume: &Volume) -> House {
    let file = |name| format!("accounts.0.{name}_file={}", volume.file(name).display());
    let own = ["accounts.0.name=safe", "accounts.0.app_id=wx-safe"].map(str::to_owned);
    let secret = format!("links.secret={LINK_SECRET}");
    let flags: Vec<_> = own.into_iter().chain(NAMES.map(file)).chain([secret]).collect();
    let mut settings = Settings::load("gateway", None, [], &flags);
    let accounts = Config::read(&mut settings).accounts;
    settings.finish().unwrap();
    House::with(|config| config.accounts = accounts).await
}

/// What the platform has been told.
fn platform(token: &str, key: &str) -> Credentials {
    Credentials {
        app_id: "wx-safe".into(),
        token: token.into(),
        previous_token: None,
        aes_key: Some(AesKey::parse(key).unwrap()),
        previous_aes_key: None,
        mode: Mode::Safe,
    }
}

/// The status of a push that the platform seals with this Token and key.
async fn pushed(house: &House, token: &str, key: &str) -> u16 {
    house.post("safe", &house.seal_as(&platform(token, key), &text("oReader", 1), 0)).await.status
}

async fn counts(house: &House, result: &str, count: f64) {
    let line = format!("gateway_rotations_total{{account=\"safe\",result=\"{result}\"}}");
    until(async || house.metric(&line).await >= count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_are_changed_at_the_platform_without_a_restart_and_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::at(folder.path());
    volume.holds(BEFORE);
    let house = house(&volume).await;
    assert_eq!(
        [pushed(&house, "token-1", KEY).await, pushed(&house, "token-2", OTHER_KEY).await],
        [200, 403]
    );
    volume.holds(BOTH);
    counts(&house, "taken", 1.0).await;
    assert_eq!(
        [pushed(&house, "token-1", KEY).await, pushed(&house, "token-2", OTHER_KEY).await],
        [200, 200]
    );
    let now = house.clock.now_ms() / 1000;
    let query = seal_url_check(&platform("token-2", OTHER_KEY), "123", now, "n", None).unwrap();
    let asked = wire::get(house.public, &format!("/wechat/safe?{query}")).await;
    assert_eq!(asked.body, "123", "the platform asks before it takes the new ones");
    volume.holds(AFTER);
    counts(&house, "taken", 2.0).await;
    assert_eq!(
        [pushed(&house, "token-1", KEY).await, pushed(&house, "token-2", OTHER_KEY).await],
        [403, 200]
    );
    assert_eq!(pushed(&house, "", OTHER_KEY).await, 403, "a blank token before the last change is none");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_replace_nothing_and_are_told_until_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let volume = Volume::at(folder.path());
    volume.holds(BEFORE);
    let house = house(&volume).await;
    volume.holds(["", KEY, "", ""]);
    counts(&house, "refused", 1.0).await;
    volume.holds(["token-2", "half of a k", "", ""]);
    counts(&house, "refused", 2.0).await;
    fs::remove_file(volume.file("token")).unwrap();
    counts(&house, "refused", 3.0).await;
    assert_eq!(
        [pushed(&house, "token-1", KEY).await, pushed(&house, "token-2", OTHER_KEY).await],
        [200, 403]
    );
    volume.holds(AFTER);
    counts(&house, "taken", 1.0).await;
    assert_eq!(house.metric(UNUSABLE).await, 0.0);
    assert_eq!(house.metric("gateway_rotations_total{account=\"safe\",result=\"refused\"}").await, 3.0);
    assert_eq!(pushed(&house, "token-2", OTHER_KEY).await, 200);
    house.end().await;
}
