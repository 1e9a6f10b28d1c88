//! How long refusals take: nobody learns from a clock which check has failed, and nobody makes work for us with little of his own.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wechat::document::Document;
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
const SLOWER: u32 = if cfg!(debug_assertions) { 20 } else { 1 };
const NETWORK: Duration = Duration::from_millis(1);
const FORGED_WITHIN: Duration = Duration::from_micros(20);
const READ_WITHIN: Duration = Duration::from_millis(1);
const LARGEST: usize = 64 * 1024;

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

fn sealed(key: &str, app_id: &str) -> String {
    let document = format!("<xml><Content>{}</Content></xml>", "好".repeat(100));
    envelope::encrypt(&AesKey::parse(key).unwrap(), [7; 16], document.as_bytes(), app_id)
}

fn kinds() -> Vec<Kind> {
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// F68: a forged push is tried with both Tokens where a good one is decrypted instead, so it costs little more or less than that one.
#[test]
fn f68_a_forged_push_costs_twenty_microseconds_at_most_and_not_twice_a_good_one() {
    let (account, mut kinds) = (account(), kinds());
    let forged = kinds.remove(0);
    let good = Kind::new("good", "", &sealed(OUR_KEY, APP_ID), |_| {});
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for (kind, times) in [&forged, &good].into_iter().zip(&mut times) {
            let started = Instant::now();
            let opened = push::open(&account, &Query::parse(black_box(&kind.query)), black_box(&kind.body));
            times.push(started.elapsed());
            assert_eq!(opened.is_ok(), kind.name == "good");
        }
    }
    let [forged, good] = times.map(median);
    assert!(forged < FORGED_WITHIN * SLOWER && forged < good * 2, "{forged:?}, and {good:?} for a good one");
}

/// So many bytes, or a few fewer, of which `piece` is most.
fn filled(before: &str, piece: &str, after: &str) -> Vec<u8> {
    let count = (LARGEST - before.len() - after.len()) / piece.len();
    format!("{before}{}{after}", piece.repeat(count)).into_bytes()
}

fn hostile_documents() -> Vec<(&'static str, Vec<u8>)> {
    let entity = "<!ENTITY a \"&b;&b;&b;&b;\">";
    let deep = format!("{}{}", "<a>".repeat(7), "</a>".repeat(7));
    vec![
        ("entities", filled("<!DOCTYPE xml [", entity, "]><xml><Content>&a;</Content></xml>")),
        ("a late doctype", filled("<xml><Content>", "x", "</Content></xml><!DOCTYPE xml>")),
        ("open tags", filled("<xml>", "<a>", "")),
        ("many tags", filled("<xml>", "<a/>", "</xml>")),
        ("deep tags", filled("<xml>", &deep, "</xml>")),
        ("one attribute", filled("<xml a=\"", "x", "\"/>")),
        ("many attributes", filled("<xml", " a=\"\"", "/>")),
        ("references", filled("<xml><Content>", "&amp;", "</Content></xml>")),
        ("references that are none", filled("<xml><Content>", "&", "</Content></xml>")),
        ("comments", filled("<xml>", "<!---->", "</xml>")),
        ("sections", filled("<xml><Content>", "<![CDATA[x]]>", "</Content></xml>")),
        ("a long name", filled("<xml><", "n", "><a>1</a></xml>")),
        ("blank pieces", filled("<xml><Content>x", " <!---->", "</Content></xml>")),
        ("arrays", filled("{\"a\":", "[", "")),
        ("members", filled("{", "\"a\":1,", "\"a\":1}")),
        ("escapes", filled("{\"a\":\"", "\\u4f60", "\"}")),
    ]
}

/// F66: whatever 64 KiB hold, reading them or refusing to is soon over, inside an envelope or instead of one.
#[test]
fn f66_no_document_of_64_kib_takes_a_millisecond() {
    let (account, query) = (account(), kinds().remove(0).query);
    for (name, document) in hostile_documents() {
        assert!((LARGEST - 100..=LARGEST).contains(&document.len()), "{name}");
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS / 50 {
            let started = Instant::now();
            let _read_or_not = black_box(Document::parse(black_box(&document)));
            times[0].push(started.elapsed());
            let started = Instant::now();
            assert!(push::open(&account, &Query::parse(&query), black_box(&document)).is_err(), "{name}");
            times[1].push(started.elapsed());
        }
        // The least is what it costs; the rest is what else the machine did.
        let [inside, instead] = times.map(|times| times.into_iter().min().unwrap());
        assert!(inside.max(instead) < READ_WITHIN * SLOWER, "{name}: {inside:?} and {instead:?}");
    }
}
