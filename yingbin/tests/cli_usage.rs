//! Commands that were not understood: what is missing, unknown or malformed is named, with an example that is right, and code 64.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;

use cli::{yingbin, yingbin_in};

const ID: &str = "bc61184489c792ec224c23aabbcdcd1c";
const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

/// Arguments, what is to be said of them, and the example below.
fn cases() -> Vec<(Vec<&'static str>, &'static [&'static str], &'static str)> {
    let send = |flags: &[&'static str]| [&["push", "send"], flags].concat();
    let away = "http://127.0.0.1:1/wechat/a";
    let full = ["--token", "t", "--app-id", "wx1", "--text", "a", "--from", "o1"];
    let with = |flags: &[&'static str]| send(&[&full[..], flags].concat());
    let pushes = "Example: yingbin push send --account qianjiang --from ";
    let who = "Example: yingbin who oQj";
    let why = "Example: yingbin why bc61184489c792ec224c23aabbcdcd1c";
    vec![
        (send(&[]), &["--account NAME", "--url, --token, --app-id, --mode"], pushes),
        (send(&["--text", "a", "--from", "o1"]), &["--account NAME", "instead of it --url"], pushes),
        (with(&["--url", away]), &["is missing, or instead of it --mode"], pushes),
        (
            send(&["--account", "a", "--text", "a", "--from", "o1"]),
            &["--account a needs a `yingbin up`"],
            pushes,
        ),
        (
            with(&["--mode", "plain", "--url", "shop"]),
            &["--url \"shop\" is no address", "/wechat/NAME"],
            pushes,
        ),
        (with(&["--mode", "loud", "--url", away]), &["'loud'", "plain, compatible, safe"], pushes),
        (with(&["--mode", "safe", "--url", away]), &["give --aes-key, or --mode plain"], pushes),
        (
            with(&["--mode", "safe", "--url", away, "--aes-key", "k"]),
            &["--aes-key: ", "43 characters"],
            pushes,
        ),
        (send(&["--colour", "red"]), &["--colour"], pushes),
        (vec!["who"], &["<USER>"], who),
        (vec!["who", "o1"], &["--account APP_ID is missing"], who),
        (vec!["who", "李大爷", "--account", "wx1"], &["李大爷", "is no openid"], who),
        (vec!["who", "skypearl:"], &["skypearl:", "no NAMESPACE:ID"], who),
        (
            vec!["who", "o1", "--account", "wx1", "--profile", "there"],
            &["--profile \"there\" is no address"],
            who,
        ),
        (vec!["who", "o1", "--colour"], &["--colour"], who),
        (vec!["why"], &["<EVENT_ID>"], why),
        (vec!["why", "123", "--kafka", "127.0.0.1:1"], &["32 hex digits", "has 3 in 3"], why),
        (vec!["why", ID, "--kafka-property", "x", "--kafka", "h:1"], &["write it as key=value"], why),
        (vec!["why", ID, "--colour"], &["--colour"], why),
    ]
}

#[test]
fn what_is_missing_unknown_or_malformed_is_named_with_an_example() {
    for (arguments, says, example) in cases() {
        let ended = yingbin(&arguments);
        assert_eq!((ended.code, ended.out.as_str()), (64, ""), "{arguments:?}: {ended:?}");
        for word in says {
            assert!(ended.err.contains(word), "{arguments:?} without {word:?}: {}", ended.err);
        }
        let told = ended.err.lines().filter(|line| line.starts_with(example)).count();
        assert_eq!(told, 1, "{arguments:?}: {}", ended.err);

        let ended = yingbin(&[&arguments[..], &["--json"]].concat());
        let answer = ended.json();
        assert_eq!(
            (ended.code, &answer["ok"], &answer["failed"]),
            (64, &false.into(), &"usage".into()),
            "{arguments:?}: {answer}"
        );
        assert!(answer["say"].as_str().unwrap().contains(says[0]), "{arguments:?}: {answer}");
    }
}

/// What a person forgets after the address has been found.
#[test]
fn a_push_without_words_or_writer_says_so() {
    let address = ["push", "send", "--url", "http://127.0.0.1:1/wechat/a", "--token", "t", "--app-id", "wx1"];
    for (rest, says) in [
        (&["--mode", "plain"][..], "--text WORDS --from OPENID is missing, or instead of it --document FILE"),
        (&["--mode", "safe", "--aes-key", KEY, "--text", "a"], "--from OPENID is missing"),
        (&["--mode", "plain", "--text", "a", "--from", ""], "--from OPENID is missing"),
    ] {
        let ended = yingbin(&[&address[..], rest].concat());
        assert_eq!(ended.code, 64, "{ended:?}");
        assert!(ended.err.contains(says), "{}", ended.err);
    }
}

#[test]
fn an_account_that_is_none_is_told_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let account = |name| format!(r#"{{"name":"{name}","path":"","app_id":"wx1","token":"","mode":"plain"}}"#);
    let up = format!(
        r#"{{"gateway":"","simulator":"","profile":"http://127.0.0.1:1","kafka":"","redis":"","accounts":[{},{}]}}"#,
        account("paper"),
        account("air")
    );
    let _runs = cli::running(folder.path(), &up);
    for arguments in [
        &["push", "send", "--account", "x", "--text", "a", "--from", "o1"][..],
        &["who", "o1", "--account", "x"],
        &["who", "o1"],
    ] {
        let ended = yingbin_in(folder.path(), arguments);
        assert_eq!(ended.code, 64, "{ended:?}");
        assert!(ended.err.contains("has paper, air"), "{}", ended.err);
    }
}

#[test]
fn help_is_no_mistake() {
    let help = yingbin(&["push", "send", "--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""), "{help:?}");
    assert!(help.out.contains("45015") && help.out.contains("/sim/push"), "{}", help.out);
    let nothing = yingbin(&["push"]);
    assert_eq!(nothing.code, 64, "{nothing:?}");
    assert!(nothing.err.contains("Usage: yingbin push <COMMAND>"), "{}", nothing.err);
}
