//! The crypto vectors of public SDKs and of the documentation: each as whoever receives it would see it.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use serde_json::Value;
use wechat::account::Mode;
use wechat::document::Document;
use wechat::envelope::{self, AesKey};
use wechat::push::{self, Credentials, Form, Format, Keys, Query, Refusal};
use wechat::{Secret, signature};

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", vector["id"]))
}

fn credentials(vector: &Value, mode: Mode) -> Credentials {
    let app_id = vector["receive_id_in_ciphertext"].as_str().or(vector["receive_id"].as_str());
    Credentials {
        app_id: app_id.unwrap_or("wx0").to_owned(),
        token: text(vector, "token").into(),
        previous_token: None,
        aes_key: vector["encoding_aes_key"].as_str().map(|key| AesKey::parse(key).unwrap()),
        previous_aes_key: None,
        mode,
    }
}

fn query(vector: &Value) -> Query<'_> {
    let given = |name: &str| vector[name].as_str().map(Into::into);
    Query {
        signature: given("signature").or(given("signature_plain")),
        timestamp: given("timestamp"),
        nonce: given("nonce"),
        encrypt_type: given("encrypt_type"),
        msg_signature: given("msg_signature"),
        ..Query::default()
    }
}

fn check_sealed(vector: &Value) {
    let credentials = credentials(vector, Mode::Safe);
    let query = query(vector);
    let opened = push::open(&credentials, &query, text(vector, "body").as_bytes()).unwrap();
    assert_eq!(opened.document(), text(vector, "plaintext").as_bytes());
    assert_eq!(opened.receive_id().unwrap(), text(vector, "receive_id_in_ciphertext"));
    credentials.keys().check_signature(&query).unwrap();
    let document = Document::parse(opened.document()).unwrap();
    for (name, value) in vector["expected_fields"].as_object().into_iter().flatten() {
        assert_eq!(document.get(name), value.as_str());
    }
    let random16 = text(vector, "random16").as_bytes().try_into().unwrap();
    let key = credentials.aes_key.unwrap();
    let again = envelope::encrypt(&key, random16, opened.document(), &credentials.app_id);
    assert_eq!(again, text(vector, "encrypt"));
}

fn check_url(vector: &Value, echostr: &str) {
    let credentials = credentials(vector, Mode::Plain);
    let mut query = query(vector);
    query.echostr = Some(echostr.into());
    if vector["msg_signature"].is_string() {
        query.signature = None;
    }
    let expected = vector["expected_response_body"].as_str().or(vector["plaintext"].as_str());
    assert_eq!(push::verify_url(&credentials, &query).ok().as_deref(), expected);
    if let Some(raw) = vector["query_string"].as_str() {
        assert_eq!(push::verify_url(&credentials, &Query::parse(raw)).ok().as_deref(), expected);
    }
    query.nonce = Some("437374424".into());
    assert_eq!(push::verify_url(&credentials, &query).unwrap_err().kind(), "signature");
}

fn check_reply(vector: &Value) {
    let credentials = credentials(vector, Mode::Safe);
    let key = credentials.aes_key.clone().unwrap();
    let message = text(vector, "plaintext").as_bytes();
    let random16 = text(vector, "random16").as_bytes().try_into().unwrap();
    let encrypt = envelope::encrypt(&key, random16, message, &credentials.app_id);
    assert_eq!(encrypt, text(vector, "encrypt"));
    for (name, format) in [("expected_reply", Format::Json), ("expected_reply_xml", Format::Xml)] {
        if let Some(expected) = vector[name].as_str() {
            let (timestamp, nonce) = (text(vector, "timestamp").parse().unwrap(), text(vector, "nonce"));
            let reply = reply(&credentials, message, format, timestamp, nonce, random16);
            assert_eq!(reply, expected);
        }
    }
    let computed = &vector["msg_signature_computed"];
    if computed.is_object() {
        let parts = [text(vector, "token"), text(computed, "timestamp"), text(computed, "nonce"), &encrypt];
        assert!(signature::verify(&parts.map(str::as_bytes), text(computed, "value")));
    }
}

/// The reply to any push of the account.
fn reply(
    credentials: &Credentials,
    message: &[u8],
    format: Format,
    timestamp: i64,
    nonce: &str,
    random16: [u8; 16],
) -> String {
    let sealed = push::seal(credentials, b"<xml/>", Format::Xml, 1, "n", random16).unwrap();
    let opened = push::open(credentials, &Query::parse(&sealed.query), &sealed.body).unwrap();
    push::seal_reply(&opened, credentials, message, format, timestamp, nonce, random16).unwrap()
}

fn check_plain(vector: &Value) {
    let credentials = credentials(vector, Mode::Plain);
    let body = text(vector, "body").as_bytes();
    assert_eq!(push::open(&credentials, &query(vector), body).unwrap().document(), body);
}

fn check_signature(vector: &Value) {
    let inputs: Vec<&[u8]> =
        vector["inputs"].as_array().unwrap().iter().map(|input| input.as_str().unwrap().as_bytes()).collect();
    assert!(signature::verify(&inputs, text(vector, "sha1")));
}

#[test]
fn every_vector_holds() {
    let vectors = vectors();
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 15);
    for vector in vectors {
        match text(vector, "kind") {
            "url_verify_plain" => check_url(vector, text(vector, "echostr")),
            "url_verify_encrypted" => check_url(vector, text(vector, "encrypt")),
            "plain_push" => check_plain(vector),
            "encrypt_deterministic" => check_reply(vector),
            "signature_only" => check_signature(vector),
            kind if kind.starts_with("decrypt_") => check_sealed(vector),
            other => panic!("a vector of unknown kind {other}"),
        }
    }
}

#[test]
fn decode_needs_neither_app_id_nor_anything_of_the_envelope_but_encrypt() {
    for vector in vectors()["vectors"].as_array().unwrap() {
        if !vector["body"].is_string() || !vector["encrypt"].is_string() {
            continue;
        }
        let (token, key) = (Secret::from(text(vector, "token")), text(vector, "encoding_aes_key"));
        let key = AesKey::parse(key).unwrap();
        let keys = Keys { tokens: [Some(&token), None], aes_keys: [Some(&key), None], app_id: None };
        let encrypt = text(vector, "encrypt");
        let xml = format!("<xml><Encrypt>{encrypt}</Encrypt></xml>");
        let json = format!("{{\"Encrypt\":\"{encrypt}\"}}");
        let mut query = query(vector);
        query.signature = None;
        for body in [text(vector, "body"), &xml, &json] {
            let decoded = push::decode(&keys, &query, Some(body.as_bytes())).unwrap();
            assert_eq!(decoded.form, Form::Encrypted);
            assert_eq!(decoded.document, text(vector, "plaintext").as_bytes());
            assert_eq!(decoded.receive_id.as_deref(), vector["receive_id_in_ciphertext"].as_str());
        }
    }
}

#[test]
fn the_broken_fixture_is_refused() {
    let vectors = vectors();
    let bad = &vectors["known_bad_fixtures"][0];
    let mut query = query(bad);
    query.msg_signature = Some(text(bad, "msg_signature_stated").into());
    let keys = credentials(bad, Mode::Safe);
    let body = format!("<xml><Encrypt><![CDATA[{}]]></Encrypt></xml>", text(bad, "encrypt"));
    let refusal = push::open(&keys, &query, body.as_bytes()).unwrap_err();
    assert_eq!(refusal, Refusal::Signature("msg_signature"));
    assert_eq!(keys.keys().decrypt(text(bad, "encrypt")).unwrap_err().kind(), "decrypt");
}
