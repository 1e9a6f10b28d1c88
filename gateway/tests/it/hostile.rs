//! What strangers send: one status, one body, nothing in the topic.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::time::Instant;
use wechat::{
    Mode,
    envelope::{AesKey, encrypt},
    push::{Credentials, SealedPush, seal_url_check},
    signature,
};

use crate::{
    house::{House, KEY, OTHER_KEY, credentials},
    wire::{self, Reply},
};

const ROUNDS: u8 = 31;
/// Far below whatever a door could wait for, and far above what reading sixty kilobytes takes.
const APART: Duration = Duration::from_millis(20);
const DOCUMENT: &[u8] =
    b"<xml><FromUserName>oReader</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>";

/// Signs any ciphertext as somebody who has the Token would.
fn signed(house: &House, body: &str, encrypt: &str) -> SealedPush {
    let timestamp = (house.clock.now_ms() / 1000).to_string();
    let signed = signature::sign(&[b"token-now", timestamp.as_bytes(), b"n", encrypt.as_bytes()]);
    SealedPush {
        query: format!(
            "timestamp={timestamp}&nonce=n&encrypt_type=aes&msg_signature={}",
            hex::encode(signed)
        ),
        body: body.as_bytes().to_vec(),
        content_type: "text/xml",
    }
}

fn enveloped(house: &House, encrypt: &str) -> SealedPush {
    signed(house, &format!("<xml><Encrypt>{encrypt}</Encrypt></xml>"), encrypt)
}

fn with(change: impl FnOnce(&mut Credentials)) -> Credentials {
    let mut credentials = credentials(Mode::Safe);
    change(&mut credentials);
    credentials
}

/// A ciphertext that our key opens to a message length of minus one: a bit changed in one block of CBC changes the same
/// bit of the next, which begins with the length.
fn negative_length() -> String {
    let sealed = encrypt(&AesKey::parse(KEY).unwrap(), *b"0123456789abcdef", b"", "wx-safe");
    let mut bytes = STANDARD.decode(sealed).unwrap();
    for byte in &mut bytes[..4] {
        *byte ^= 0xff;
    }
    STANDARD.encode(bytes)
}

/// A name, the account in the path, and the request.
type Case = (&'static str, &'static str, SealedPush);

fn cases(house: &House) -> [Case; 24] {
    let good = house.seal(Mode::Safe, DOCUMENT);
    let body = |body: &[u8]| SealedPush { body: body.to_vec(), ..good.clone() };
    let deep = format!("<xml>{}<Encrypt>x</Encrypt>{}</xml>", "<a>".repeat(900), "</a>".repeat(900));
    let many = format!("<xml>{}<Encrypt>x</Encrypt></xml>", "<a/>".repeat(15_000));
    let doctype = [b"<!DOCTYPE xml [<!ENTITY a \"b\">]>", good.body.as_slice()].concat();
    [
        (
            "wrong signature",
            "safe",
            SealedPush { query: good.query.replace("msg_signature=", "msg_signature=00"), ..good.clone() },
        ),
        ("no query", "safe", SealedPush { query: String::new(), ..good.clone() }),
        ("cut body", "safe", body(&good.body[..good.body.len() / 2])),
        ("empty body", "safe", body(b"")),
        ("doctype in the envelope", "safe", body(&doctype)),
        ("deep nesting in the envelope", "safe", body(deep.as_bytes())),
        ("many tags in the envelope", "safe", body(many.as_bytes())),
        ("bad utf-8 in the envelope", "safe", body(b"<xml><Encrypt>\xff\xfe</Encrypt></xml>")),
        ("no envelope", "safe", body(DOCUMENT)),
        ("bad base64", "safe", enveloped(house, "!!!not base64!!!")),
        ("no whole block", "safe", enveloped(house, "AAAAAAAA")),
        ("negative length", "safe", enveloped(house, &negative_length())),
        ("wrong token", "safe", house.seal_as(&with(|c| c.token = "theirs".into()), DOCUMENT, 0)),
        ("wrong app id", "safe", house.seal_as(&with(|c| c.app_id = "wx-other".into()), DOCUMENT, 0)),
        (
            "wrong key",
            "safe",
            house.seal_as(&with(|c| c.aes_key = AesKey::parse(&"A".repeat(43)).ok()), DOCUMENT, 0),
        ),
        ("replay", "safe", house.seal_as(&credentials(Mode::Safe), DOCUMENT, 301)),
        ("replay after ten minutes", "safe", house.seal_as(&credentials(Mode::Safe), DOCUMENT, 600)),
        ("replay after a day", "safe", house.seal_as(&credentials(Mode::Safe), DOCUMENT, 86_400)),
        ("from the future", "safe", house.seal_as(&credentials(Mode::Safe), DOCUMENT, -320)),
        ("clear push to a safe account", "safe", house.seal_as(&with(|c| c.mode = Mode::Plain), DOCUMENT, 0)),
        ("encrypted push to a plain account", "plain", good.clone()),
        ("unknown account", "nobody", good.clone()),
        ("no account", "", good.clone()),
        ("account in two segments", "safe/x", good.clone()),
    ]
}

#[tokio::test]
async fn all_that_does_not_verify_looks_alike() {
    let house = House::open().await;
    let mut refusals: Vec<(&str, Reply)> = Vec::new();
    for (what, account, push) in cases(&house) {
        refusals.push((what, house.post(account, &push).await));
    }
    let first = &refusals[0].1;
    assert_eq!(first.status, 403);
    for (what, reply) in &refusals {
        assert_eq!(reply, first, "{what}");
    }
    assert_eq!(house.recorded(), 0);
    for kind in ["signature", "base64", "decrypt", "receive_id", "stale", "mode", "envelope"] {
        let line = format!("gateway_pushes_total{{account=\"safe\",result=\"{kind}\"}}");
        assert!(house.metric(&line).await >= 1.0, "{kind} is counted");
    }
    assert_eq!(house.push(Mode::Safe, DOCUMENT).await.status, 200, "and the gateway goes on");
    house.end().await;
}

/// At the door, over sockets: no refusal waits for something that another does not wait for. How alike the checks themselves are is
/// measured in `wechat`, where no scheduler comes between.
#[tokio::test]
async fn no_refusal_takes_longer_than_another() {
    let house = House::open().await;
    let cases = cases(&house);
    let mut times = [const { Vec::new() }; 24];
    for round in 0..ROUNDS {
        // Each round from an address of its own, since whoever goes on forging is answered a second later.
        let source = [127, 0, 7, round].into();
        for n in 0..cases.len() {
            let at = (n * 5 + usize::from(round)) % cases.len();
            let (what, account, push) = &cases[at];
            let target = format!("/wechat/{account}?{}", push.query);
            let request = wire::request("POST", &target, "", &push.body);
            let started = Instant::now();
            assert_eq!(wire::exchange_from(source, house.public, &request).await.status, 403, "{what}");
            times[at].push(started.elapsed());
        }
    }
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(
        *most - *least < APART,
        "{:?}",
        cases.map(|case| case.0).iter().zip(&medians).collect::<Vec<_>>()
    );
    house.end().await;
}

/// What would fail at decryption fails at the signature if that is wrong too, so that no forger learns anything of the key.
#[tokio::test]
async fn nothing_is_decrypted_before_its_signature_has_been_checked() {
    let house = House::open().await;
    for encrypt in ["!!!not base64!!!", "AAAAAAAA", &negative_length()] {
        let mut forged = enveloped(&house, encrypt);
        forged.query = forged.query.replace("msg_signature=", "msg_signature=00");
        assert_eq!(house.post("safe", &forged).await.status, 403);
    }
    for (kind, count) in [("signature", 3.0), ("base64", 0.0), ("decrypt", 0.0)] {
        let line = format!("gateway_pushes_total{{account=\"safe\",result=\"{kind}\"}}");
        assert_eq!(house.metric(&line).await, count, "{kind}");
    }
    house.end().await;
}

#[tokio::test]
async fn another_previous_key_is_no_excuse() {
    let house = House::open().await;
    let strange = with(|c| {
        c.aes_key = AesKey::parse(OTHER_KEY).ok();
        c.app_id = "wx-other".into();
    });
    assert_eq!(house.post("safe", &house.seal_as(&strange, DOCUMENT, 0)).await.status, 403);
    house.end().await;
}

#[tokio::test]
async fn a_url_verification_that_does_not_verify_looks_the_same() {
    let house = House::open().await;
    let now = house.clock.now_ms() / 1000;
    let refused = house.post("nobody", &house.seal(Mode::Safe, DOCUMENT)).await;
    let ask = async |account: &str, credentials: &Credentials, age| {
        let query = seal_url_check(credentials, "123", now - age, "n", None).unwrap();
        wire::get(house.public, &format!("/wechat/{account}?{query}")).await
    };
    let good = credentials(Mode::Safe);
    assert_eq!(ask("safe", &with(|c| c.token = "theirs".into()), 0).await, refused);
    assert_eq!(ask("nobody", &good, 0).await, refused);
    assert_eq!(ask("safe", &good, 301).await, refused);
    assert_eq!(wire::get(house.public, "/wechat/safe").await, refused);
    house.end().await;
}

#[tokio::test]
async fn a_captured_push_is_not_decrypted_for_whoever_captured_it() {
    let house = House::open().await;
    let key = AesKey::parse(KEY).unwrap();
    let sealed = encrypt(&key, *b"0123456789abcdef", DOCUMENT, "wx-safe");
    let push = enveloped(&house, &sealed);
    let escaped = sealed.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let target = format!("/wechat/safe?{}&echostr={escaped}", push.query);
    let reply = wire::get(house.public, &target).await;
    assert_eq!((reply.status, reply.body.as_str()), (403, "forbidden"));
    assert_eq!(house.metric("gateway_pushes_total{account=\"safe\",result=\"oracle\"}").await, 1.0);
    house.end().await;
}

#[tokio::test]
async fn more_than_64_kib_is_too_large_however_it_comes() {
    let house = House::open().await;
    let target = format!("/wechat/safe?{}", house.seal(Mode::Safe, DOCUMENT).query);
    let ten_megabytes = vec![b'<'; 10 * 1024 * 1024];
    let two_million_tags = "<a>".repeat(2_000_000);
    let large = wire::post(house.public, &target, &ten_megabytes).await;
    assert_eq!((large.status, large.body.as_str()), (413, "too large"));
    assert_eq!(wire::post(house.public, &target, two_million_tags.as_bytes()).await, large);
    let just = |bytes: usize| vec![b' '; bytes];
    assert_eq!(wire::post(house.public, &target, &just(64 * 1024)).await.status, 403);
    assert_eq!(wire::post(house.public, &target, &just(64 * 1024 + 1)).await.status, 413);
    let endless = [
        format!(
            "POST {target} HTTP/1.1\r\nHost: g\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .into_bytes(),
        b"4000\r\n".to_vec(),
        vec![b' '; 0x4000],
        [b"\r\n4000\r\n".as_slice(), &vec![b' '; 0x4000]].concat().repeat(4),
    ];
    assert_eq!(wire::exchange(house.public, &endless.concat()).await.status, 413);
    assert_eq!(house.recorded(), 0);
    house.end().await;
}
