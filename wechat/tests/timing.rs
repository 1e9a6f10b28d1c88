//! How long refusals take: nobody learns from a clock which check has failed.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wechat::envelope::{self, AesKey};
use wechat::push::{self, Credentials, Query};
use wechat::{Mode, signature};

const OUR_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
const TOKEN: &str = "QDG6eK";
const APP_ID: &str = "wx5823bf96d3bd56c7";
const ROUNDS: usize = 1500;
const SIGNATURE: [&str; 2] = ["first byte of the signature", "last byte of the signature"];
const DECRYPTED: [&str; 4] = ["padding", "length", "key", "app id"];
/// A build without optimisation is some twenty times slower than what runs.
const NETWORK: Duration = Duration::from_millis(1);

fn account() -> Credentials {
    Credentials {
        app_id: APP_ID.into(),
        token: TOKEN.into(),
        previous_token: Some("token-before".into()),
        aes_key: AesKey::parse(OUR_KEY).ok(),
        previous_aes_key: AesKey::parse(&"b".repeat(43)).ok(),
        mode: Mode::Safe,
    }
}

/// A way to be refused, and how long it took.
struct Kind {
    name: &'static str,
    refused_as: &'static str,
    query: String,
    body: Vec<u8>,
    times: Vec<Duration>,
}

impl Kind {
    /// Signed by somebody who has the Token, except that `spoil` has its way with the signature.
    fn new(
        name: &'static str,
        refused_as: &'static str,
        encrypt: &str,
        spoil: impl Fn(&mut [u8; 20]),
    ) -> Self {
        let mut signed = signature::sign(&[TOKEN.as_bytes(), b"1754000000", b"n", encrypt.as_bytes()]);
        spoil(&mut signed);
        let signed = hex::encode(signed);
        Self {
            name,
            refused_as,
            query: format!("timestamp=1754000000&nonce=n&encrypt_type=aes&msg_signature={signed}"),
            body: format!("<xml><Encrypt>{encrypt}</Encrypt></xml>").into_bytes(),
            times: Vec::with_capacity(ROUNDS),
        }
    }

    fn median(&mut self) -> Duration {
        self.times.sort_unstable();
        self.times[ROUNDS / 2]
    }
}

fn kinds() -> Vec<Kind> {
    let document = format!("<xml><Content>{}</Content></xml>", "好".repeat(100));
    let sealed = |key: &str, app_id| {
        envelope::encrypt(&AesKey::parse(key).unwrap(), [7; 16], document.as_bytes(), app_id)
    };
    let good = sealed(OUR_KEY, APP_ID);
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = STANDARD.decode(&good).unwrap();
        change(&mut bytes);
        STANDARD.encode(bytes)
    };
    let padding = changed(|bytes| {
        let before_last = bytes.len() - 17;
        bytes[before_last] ^= 0x80;
    });
    let length = changed(|bytes| bytes[0] ^= 0x80);
    let as_it_is = |_: &mut [u8; 20]| {};
    vec![
        Kind::new(SIGNATURE[0], "signature", &good, |signed| signed[0] ^= 1),
        Kind::new(SIGNATURE[1], "signature", &good, |signed| signed[19] ^= 1),
        Kind::new("base64", "base64", &format!("{good}!"), as_it_is),
        Kind::new("half a block", "decrypt", &changed(|bytes| bytes.truncate(bytes.len() - 8)), as_it_is),
        Kind::new(DECRYPTED[0], "decrypt", &padding, as_it_is),
        Kind::new(DECRYPTED[1], "decrypt", &length, as_it_is),
        Kind::new(DECRYPTED[2], "decrypt", &sealed(&"c".repeat(43), APP_ID), as_it_is),
        Kind::new(DECRYPTED[3], "receive_id", &sealed(OUR_KEY, "wx0000000000000000"), as_it_is),
    ]
}

/// Opens every kind once a round, in another order each time, so that a busy machine is busy for all of them alike.
fn measured() -> Vec<Kind> {
    let (account, mut kinds) = (account(), kinds());
    let count = kinds.len();
    for round in 0..ROUNDS {
        for n in 0..count {
            let kind = &mut kinds[(n * 3 + round) % count];
            let started = Instant::now();
            let refused = push::open(&account, &Query::parse(black_box(&kind.query)), black_box(&kind.body));
            kind.times.push(started.elapsed());
            assert_eq!(refused.unwrap_err().kind(), kind.refused_as, "{}", kind.name);
        }
    }
    kinds
}

/// Nothing is decrypted before its signature has been checked, so a forger meets the first group only, and a clock does not tell
/// him how many bytes he has guessed. Whoever has the Token meets the second, where a clock must not tell what came out of the
/// decryption. Between the groups lies the decryption itself: microseconds, which no network shows.
#[test]
fn refusals_of_one_step_take_the_same_time_and_the_steps_differ_by_less_than_a_network_scatters() {
    let mut kinds = measured();
    let medians: Vec<(&str, Duration)> = kinds.iter_mut().map(|kind| (kind.name, kind.median())).collect();
    let spread = |names: &[&str]| {
        let of = |name: &&str| medians.iter().find(|median| median.0 == *name).unwrap().1;
        let (least, most) = (names.iter().map(of).min().unwrap(), names.iter().map(of).max().unwrap());
        (most - least, least)
    };
    for step in [&SIGNATURE[..], &DECRYPTED] {
        let (apart, least) = spread(step);
        assert!(apart < least / 4, "{step:?} are {apart:?} apart: {medians:?}");
    }
    let all: Vec<&str> = medians.iter().map(|median| median.0).collect();
    assert!(spread(&all).0 < NETWORK, "{medians:?}");
}
