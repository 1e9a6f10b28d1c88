//! Settings: what a good file gives, and that a bad one is told all its faults at once.

use super::*;

const GOOD: &[&str] = &[
    "accounts.0.name=qianjiang",
    "accounts.0.app_id=wx1",
    "accounts.0.token=AAAAA",
    "accounts.0.aes_key=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    "accounts.0.home_url=https://example.com/",
    "links.secret=0123456789abcdef",
];

fn read(flags: &[&str]) -> (Config, Result<(), String>) {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut settings = Settings::load("gateway", None, [], &flags);
    let config = Config::read(&mut settings);
    (config, settings.finish().map_err(|problems| problems.to_string()))
}

#[test]
fn few_settings_are_needed() {
    let (config, problems) = read(GOOD);
    assert_eq!(problems, Ok(()));
    assert_eq!(config.accounts[0].name, "qianjiang");
    assert_eq!(config.accounts[0].credentials.mode, Mode::Safe);
    assert_eq!(config.limits.produce_timeout, Duration::from_millis(2500));
    assert!(!format!("{config:?}").contains("AAAAA"), "a secret is never printed");
}

#[test]
fn a_folder_makes_a_spool() {
    assert!(read(GOOD).0.spool.is_none());
    let spool = read(&[GOOD, &["spool.dir=/data/spool", "spool.max_age=2h"]].concat()).0.spool.unwrap();
    assert_eq!((spool.dir.to_str(), spool.max_bytes), (Some("/data/spool"), 1024 * 1024 * 1024));
    assert_eq!(spool.max_age, Duration::from_secs(2 * 3600));
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = [
        "accounts.0.aes_key=short",
        "accounts.0.home_url=example.com",
        "accounts.1.name=qianjiang",
        "accounts.1.mode=plain",
        "links.secret=short",
        "limits.produce_timeout=3s",
        "limits.connections=0",
        "limits.in_flight=0",
        "spool.max_bytes=4096",
        "shutdown.announce=25s",
    ];
    let problems = read(&[GOOD, &faults].concat()).1.expect_err("there are faults");
    for key in [
        "accounts.0.aes_key",
        "accounts.0.home_url",
        "accounts.1.name: accounts.0 has the same",
        "accounts.1.app_id",
        "accounts.1.token: is missing",
        "links.secret",
        "limits.produce_timeout: must be less than 3s",
        "limits.connections",
        "limits.in_flight",
        "spool.max_bytes",
        "shutdown.drain",
    ] {
        assert!(problems.contains(key), "{key} is not in\n{problems}");
    }
}

#[test]
fn a_name_fits_into_a_path() {
    assert!(is_name("qianjiang-2_A"));
    for name in ["a/b", "钱江", "a b", "a%20", &"a".repeat(41)] {
        assert!(!is_name(name), "{name}");
    }
}

#[test]
fn a_blank_secret_is_none_and_its_file_may_be_there_before_it_is_needed() {
    let blank = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(blank.path(), " \n").unwrap();
    let file = |name: &str| format!("accounts.0.{name}_file={}", blank.path().display());
    let (token, key) = (file("previous_token"), file("previous_aes_key"));
    let (config, problems) = read(&[GOOD, &[&token, &key]].concat());
    assert_eq!(problems, Ok(()));
    let credentials = &config.accounts[0].credentials;
    assert!(
        credentials.previous_token.is_none() && credentials.previous_aes_key.is_none(),
        "{credentials:?}"
    );
    assert!(config.accounts[0].secrets.may_change());
}

#[test]
fn a_token_that_nobody_has_is_told_and_one_that_may_change_takes_its_previous_one_along() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "\u{feff}AAAAA").unwrap();
    let token = format!("accounts.0.token_file={}", file.path().display());
    let told = read(&[GOOD, &[&token, "accounts.0.previous_token=a b"]].concat()).1.unwrap_err();
    for problem in
        ["accounts.0.token: may hold", "previous_token: may hold", "previous_token: has to stand in a file"]
    {
        assert!(told.contains(problem), "{problem} is not in\n{told}");
    }
}
