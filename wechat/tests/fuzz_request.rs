//! Fuzz target: no request makes the checks panic, and none opens that was not signed.
//!
//! The input is a query, a line feed and a body; the same bytes also become a ciphertext that is properly
//! signed, and a document that is properly sealed.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wechat::envelope::AesKey;
use wechat::push::{self, Credentials, Format, Query};
use wechat::{Mode, signature};

fn account(mode: Mode) -> Credentials {
    Credentials {
        app_id: "wx1".into(),
        token: "token that no fuzzer finds".into(),
        previous_token: None,
        aes_key: Some(AesKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C").unwrap()),
        previous_aes_key: Some(AesKey::parse(&"A".repeat(43)).unwrap()),
        mode,
    }
}

fn unsigned(query: &str, body: &[u8]) {
    let query = Query::parse(query);
    for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
        assert!(push::open(&account(mode), &query, body).is_err());
        assert!(push::verify_url(&account(mode), &query).is_err());
        assert!(push::decode(&account(mode).keys(), &query, Some(body)).is_err());
    }
}

fn signed(encrypt: &str) {
    let account = account(Mode::Safe);
    let token = account.token.expose().as_bytes();
    let signature = hex::encode(signature::sign(&[token, b"1", b"n", encrypt.as_bytes()]));
    let query = format!("timestamp=1&nonce=n&msg_signature={signature}");
    let body = serde_json::json!({ "Encrypt": encrypt }).to_string();
    let refusal = push::open(&account, &Query::parse(&query), body.as_bytes()).unwrap_err();
    assert!(["signature", "base64", "decrypt", "receive_id"].contains(&refusal.kind()), "{refusal}");
}

fn sealed(document: &[u8]) {
    for (mode, format) in [(Mode::Safe, Format::Xml), (Mode::Safe, Format::Json), (Mode::Plain, Format::Xml)]
    {
        let sealed = push::seal(&account(mode), document, format, 1, "n", [0; 16]).unwrap();
        let query = Query::parse(&sealed.query);
        let account = account(mode);
        let opened = push::open(&account, &query, &sealed.body).unwrap();
        assert_eq!(opened.document(), document);
    }
}

#[test]
fn fuzz_request() {
    bolero::check!().with_test_time(Duration::from_millis(300)).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (query, body) = text.split_once('\n').unwrap_or((&text, ""));
        unsigned(query, body.as_bytes());
        unsigned(&format!("timestamp=1&nonce=n&msg_signature={}&encrypt_type=aes", "0".repeat(40)), bytes);
        signed(&text);
        signed(&STANDARD.encode(bytes));
        sealed(bytes);
    });
}
