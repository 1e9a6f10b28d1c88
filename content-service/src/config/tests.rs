//! What a person sees who configures content-service wrongly.

use std::fs;

use super::*;
use crate::config::BEGIN_WITHIN;

fn read(flags: &[&str]) -> (Config, String) {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    let mut settings = Settings::load("content-service", None, [], &flags);
    let config = Config::read(&mut settings);
    (config, settings.finish().map_or_else(|problems| problems.to_string(), |()| String::new()))
}

#[track_caller]
fn tells(flags: &[&str], problems: &[&str]) {
    let told = read(flags).1;
    for problem in problems {
        assert!(told.contains(problem), "{problem} is not in\n{told}");
    }
}

#[test]
fn what_contradicts_itself_is_told_at_once() {
    let flags = ["delivery.max_age=49h", "concurrency.sends=0", "concurrency.events=0"];
    let wrong: Vec<_> = read(&flags).0.contradictions().into_iter().map(|(key, _)| key).collect();
    assert_eq!(wrong, ["delivery.max_age", "concurrency.events", "concurrency.sends"]);
    let missing = ["links.secret: is missing", "links.base_url: is missing", "accounts: there is none"];
    tells(&flags, &[&wrong[..], &missing[..]].concat());
    assert!(read(&["delivery.max_age=48h"]).0.contradictions().is_empty());
}

#[test]
fn a_session_shorter_than_the_drain_is_refused_where_this_side_decides_it() {
    let session = "kafka.consumer_properties.session.timeout.ms=4500";
    tells(&[session], &["kafka.consumer_properties.session.timeout.ms: must be at least 5 s"]);
    assert!(read(&[]).0.contradictions().is_empty());
    assert!(read(&["kafka.group_protocol=consumer"]).0.contradictions().is_empty());
}

#[test]
fn every_account_has_a_place_or_the_settings_are_refused() {
    let accounts: Vec<String> = (0..5).map(|n| format!("accounts.{n}.name=a{n}")).collect();
    let mut flags: Vec<&str> = accounts.iter().map(String::as_str).collect();
    flags.extend(["concurrency.events=5", "concurrency.sends=4"]);
    tells(&flags, &["concurrency.events: must be at least 6", "concurrency.sends: must be at least 5"]);
}

#[test]
fn addresses_that_are_none_and_accounts_that_are_two_are_refused() {
    let flags = [
        "links.base_url=go.example.com",
        "sources.weather.base=weather",
        "profile.endpoint=http://a:1,https://b:2",
        "accounts.0.name=shop",
        "accounts.0.app_id=wx1",
        "accounts.0.api=https://user@api.example.com",
        "accounts.1.name=shop",
        "accounts.1.app_id=wx1",
    ];
    let told = [
        "links.base_url: \"go.example.com\" is not an address",
        "sources.weather.base: \"weather\" is not an address",
        "profile.endpoint: asks for TLS here and not there",
        "accounts.0.api: is no address of the API",
        "accounts.1.name: accounts.0 has the same",
        "accounts.1.app_id: accounts.0 has the same",
    ];
    tells(&flags, &told);
}

#[test]
fn the_mistakes_of_every_playbook_are_told_together_with_those_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let reply = "replies: [{name: r, on: [visit, nowhere], when: nobody, messages: [{text: x}]}]";
    let (one, two) =
        (write("one.yaml", &format!("account: one\n{reply}\n")), write("two.yaml", "account: [\n"));
    let other =
        write("other.yaml", "account: other\nreplies: [{name: r, on: [visit], messages: [{text: x}]}]\n");
    let missing = folder.path().join("none.yaml").display().to_string();
    let mut flags = vec!["concurrency.sends=0".to_owned()];
    for (n, (name, file)) in
        [("one", &one), ("two", &two), ("three", &other), ("four", &missing)].into_iter().enumerate()
    {
        flags.extend([format!("accounts.{n}.name={name}"), format!("accounts.{n}.playbook={file}")]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let told = [
        format!("{one}:2:33: `nowhere` is no trigger"),
        format!("{one}:2:49: `nobody` is not known"),
        format!("{two}:1:10: "),
        format!("{other}: it is written for the account `other`, not for `three`"),
        format!("accounts.3.playbook: {missing} cannot be read: "),
        "concurrency.sends: ".to_owned(),
    ];
    tells(&flags, &told.each_ref().map(String::as_str));
}

#[test]
fn a_lease_outlasts_the_longest_send_whatever_its_parts_may_take() {
    let odd = Delivery {
        connect: Duration::from_millis(1),
        write: Duration::from_secs(40),
        read: Duration::from_secs(90),
        ..Delivery::default()
    };
    for delivery in [Delivery::default(), odd] {
        let Delivery { connect, write, read, .. } = delivery;
        // A kept connection may turn out dead when all is written, and a fresh one take its time.
        let longest = BEGIN_WITHIN + connect + write + connect + write + read;
        assert!(delivery.lease() > longest + Duration::from_secs(2), "{delivery:?}");
    }
}
