//! How long refusals take, without a socket between.

use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use wechat::{
    Mode,
    envelope::AesKey,
    push::{Credentials, Format, SealedPush, seal},
};

use super::*;
use crate::{config, metrics::Metrics};

const ROUNDS: usize = 1001;
const DOCUMENT: &[u8] =
    "<xml><FromUserName>oReader</FromUserName><MsgType>text</MsgType><Content>你好</Content></xml>"
        .as_bytes();

fn credentials(mode: Mode) -> Credentials {
    Credentials {
        app_id: format!("wx-{mode}"),
        token: "token-now".into(),
        previous_token: None,
        aes_key: (mode == Mode::Safe).then(|| AesKey::parse(&"k".repeat(43)).unwrap()),
        previous_aes_key: None,
        mode,
    }
}

/// `safe`, and `plain`, which has no key; `rotated` is `safe` with a Token before.
fn accounts() -> Accounts {
    let account = |name: &str, credentials| config::Account {
        name: name.into(),
        credentials,
        secrets: config::Secrets::default(),
        home_url: None,
    };
    let rotated = Credentials { previous_token: Some("token-before".into()), ..credentials(Mode::Safe) };
    let all = vec![
        account("safe", credentials(Mode::Safe)),
        account("rotated", Credentials { app_id: "wx-rotated".into(), ..rotated }),
        account("plain", credentials(Mode::Plain)),
    ];
    Accounts::new(all, &Metrics::register(&mut Registry::default()))
}

/// The medians of refusals, by account and age, of one push that was signed with another Token; one after the other, so that a busy
/// machine is busy for all of them alike.
fn medians(push: &SealedPush, kinds: &[(&str, bool, &str)]) -> Vec<Duration> {
    let (accounts, query) = (accounts(), Query::parse(&push.query));
    let mut times = vec![Vec::with_capacity(ROUNDS); kinds.len()];
    for round in 0..ROUNDS {
        for n in 0..kinds.len() {
            let at = (n + round) % kinds.len();
            let (account, fresh, refused_as) = kinds[at];
            let account = accounts.named(account);
            let age = if fresh { Ok(()) } else { Err(Failure::Stale) };
            let started = Instant::now();
            let refused = opened(&accounts, account, age, black_box(&query), black_box(&push.body));
            times[at].push(started.elapsed());
            let refused = refused.expect_err("its signature is wrong");
            assert!(format!("{refused:?}").starts_with(refused_as), "{refused:?}");
        }
    }
    times.iter_mut().for_each(|times| times.sort_unstable());
    times.iter().map(|times| times[ROUNDS / 2]).collect()
}

/// What is sent is the same push in each group. That its form is another in the other group, whoever sends it knows himself.
#[test]
fn stale_pushes_unknown_accounts_and_wrong_modes_take_as_long_as_a_wrong_signature() {
    let encrypted = [
        ("safe", true, "Refused(Signature"),
        ("rotated", true, "Refused(Signature"),
        ("safe", false, "Stale"),
        ("nobody", true, "Refused(Signature"),
        ("nobody", false, "Stale"),
        ("plain", true, "Refused(Mode"),
    ];
    let clear = [
        ("plain", true, "Refused(Signature"),
        ("plain", false, "Stale"),
        ("nobody", true, "Refused(Signature"),
        ("nobody", false, "Stale"),
        ("safe", true, "Refused(Mode"),
    ];
    for (mode, kinds) in [(Mode::Plain, &clear[..]), (Mode::Safe, &encrypted)] {
        let forger = Credentials { token: "theirs".into(), ..credentials(mode) };
        let push = seal(&forger, DOCUMENT, Format::Xml, 1_754_000_000, "n", [7; 16]).unwrap();
        let medians = medians(&push, kinds);
        let (least, most) = (*medians.iter().min().unwrap(), *medians.iter().max().unwrap());
        assert!(most - least < least / 4, "{:?}", kinds.iter().zip(&medians).collect::<Vec<_>>());
    }
}
