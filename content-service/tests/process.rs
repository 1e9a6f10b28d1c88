//! The process: a configuration that cannot be used ends it with code 64 before anything is bound, playbooks included.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, net::TcpListener, path::Path, process::Command};

/// Exit code and standard error of content-service in `folder`.
fn refused(folder: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let service = env!("CARGO_BIN_EXE_content-service");
    let ended = Command::new(service).args(flags).current_dir(folder).env_clear().output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_usual_build_has_no_failpoints() {
    let found = Command::new("grep")
        .args(["-q", "FAILPOINTS", env!("CARGO_BIN_EXE_content-service")])
        .status()
        .unwrap();
    assert_eq!(found.code(), Some(1), "it would die when somebody sets a variable");
}

#[test]
fn playbooks_and_settings_that_are_wrong_are_told_at_once_and_nothing_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let account = |name: &str| {
        format!(
            "[[accounts]]\nname = '{name}'\napp_id = 'wx{name}'\nsecret = 's'\nplaybook = '{name}.yaml'\n"
        )
    };
    let settings = format!(
        "[admin]\nlisten = '{}'\n[links]\nsecret = 's'\nbase_url = 'go.example.com'\n{}{}{}",
        taken.local_addr().unwrap(),
        account("one"),
        account("two"),
        account("three"),
    );
    write("settings.toml", &settings);
    write("one.yaml", "account: one\nreplies: [{name: r, on: [nowhere], messages: [{text: x}]}]\n");
    write("two.yaml", "account: two\nreplys: []\n");
    for flags in [&["--config", "settings.toml"][..], &["--config", "settings.toml", "config", "check"]] {
        let (code, told) = refused(folder.path(), flags);
        assert_eq!(code, Some(64), "{told}");
        for problem in [
            "settings.toml:5: links.base_url: ",
            "one.yaml:2:26: `nowhere` is no trigger",
            "two.yaml:2:1: unknown field `replys`",
            "two.yaml:1:1: missing field `replies`",
            "settings.toml:20: accounts.2.playbook: three.yaml cannot be read: ",
        ] {
            assert!(told.contains(problem), "{problem} is not in\n{told}");
        }
        assert!(!told.contains("cannot listen"), "{told}");
    }
}

#[test]
fn a_file_that_is_no_toml_and_a_flag_that_is_none_end_it_with_64_and_say_no_more() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("settings.toml"), "[links]\nsecret = = 's'\n").unwrap();
    let (code, told) = refused(folder.path(), &["--config", "settings.toml"]);
    assert_eq!((code, told.lines().count()), (Some(64), 1), "{told}");
    assert!(told.starts_with("settings.toml:2:10: "), "{told}");
    let (code, told) = refused(folder.path(), &["--confg", "settings.toml"]);
    assert_eq!(code, Some(64), "{told}");
    assert!(told.contains("--confg"), "{told}");
}
