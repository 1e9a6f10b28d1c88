//! Hostile requests: each is refused at the step that it reaches, and no further.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wechat::document::Document;
use wechat::envelope::AesKey;
use wechat::push::{self, Credentials, Format, Keys, Query, SealedPush};
use wechat::{Mode, Secret, signature};

const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
const DOCUMENT: &str =
    "<xml><FromUserName>o</FromUserName><MsgType>text</MsgType><Content>hi</Content></xml>";

fn account(mode: Mode) -> Credentials {
    Credentials {
        app_id: "wx1".into(),
        token: "t".into(),
        previous_token: None,
        aes_key: Some(AesKey::parse(KEY).unwrap()),
        previous_aes_key: None,
        mode,
    }
}

fn sealed(account: &Credentials) -> SealedPush {
    push::seal(account, DOCUMENT.as_bytes(), Format::Xml, 1, "n", [9; 16]).unwrap()
}

fn refusal(query: &str, body: &[u8]) -> &'static str {
    push::open(&account(Mode::Safe), &Query::parse(query), body).unwrap_err().kind()
}

/// An envelope around any text, with a signature that verifies.
fn signed(encrypt: &str) -> (String, String) {
    let signature = hex::encode(signature::sign(&[b"t", b"1", b"n", encrypt.as_bytes()]));
    let query = format!("timestamp=1&nonce=n&encrypt_type=aes&msg_signature={signature}");
    (query, format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>"))
}

fn signed_refusal(encrypt: &str) -> &'static str {
    let (query, body) = signed(encrypt);
    refusal(&query, body.as_bytes())
}

#[test]
fn a_wrong_signature_is_refused_before_anything_is_decoded() {
    let SealedPush { query, body, .. } = sealed(&account(Mode::Safe));
    let wrong = query.replace("msg_signature=", "msg_signature=0");
    assert_eq!(refusal(&wrong, &body), "signature");
    let (_, not_base64) = signed("!!!");
    assert_eq!(refusal(&wrong, not_base64.as_bytes()), "signature");
    let signature_for_msg_signature =
        query.replace("msg_signature", "x").replace("signature", "msg_signature");
    assert_eq!(refusal(&signature_for_msg_signature, &body), "signature");
}

#[test]
fn a_missing_parameter_is_named() {
    let SealedPush { query, body, .. } = sealed(&account(Mode::Safe));
    for name in ["msg_signature", "timestamp", "nonce"] {
        let without = query.replace(&format!("&{name}="), "&x=");
        let refusal = push::open(&account(Mode::Safe), &Query::parse(&without), &body).unwrap_err();
        assert_eq!(refusal.kind(), "missing");
        assert!(refusal.to_string().contains(name), "{refusal}");
    }
}

#[test]
fn an_envelope_that_can_not_be_trusted_to_be_read_is_refused() {
    let SealedPush { query, body, .. } = sealed(&account(Mode::Safe));
    assert_eq!(refusal(&query, &body[..body.len() - 1]), "envelope");
    assert_eq!(refusal(&query, b""), "envelope");
    assert_eq!(refusal(&query, b"<xml></xml>"), "envelope");
    assert_eq!(refusal(&query, &[b"<!DOCTYPE xml>", &body[..]].concat()), "envelope");
    assert_eq!(refusal(&query, &[&body[..], b"\xff"].concat()), "envelope");
    assert_eq!(refusal(&query, &[&body[..], b"<xml/>"].concat()), "envelope");
    let text = String::from_utf8(body).unwrap();
    assert_eq!(refusal(&query, text.replace("xml>", "root>").as_bytes()), "envelope");
    let deep = text.replace("</xml>", &format!("{}{}</xml>", "<a>".repeat(20), "</a>".repeat(20)));
    assert_eq!(refusal(&query, deep.as_bytes()), "envelope");
    let wide = text.replace("</xml>", &format!("{}</xml>", "<a/>".repeat(200_000)));
    assert_eq!(refusal(&query, wide.as_bytes()), "envelope");
    let hidden = text.replace("<Encrypt>", "<a><Encrypt>").replace("</Encrypt>", "</Encrypt></a>");
    assert_eq!(refusal(&query, hidden.as_bytes()), "envelope");
}

#[test]
fn ciphertexts_that_are_none_are_refused() {
    assert_eq!(signed_refusal("!!!!"), "base64");
    assert_eq!(signed_refusal("AAA"), "base64");
    assert_eq!(signed_refusal(""), "decrypt");
    assert_eq!(signed_refusal(&STANDARD.encode([0; 17])), "decrypt");
    assert_eq!(signed_refusal(&STANDARD.encode([0; 64])), "decrypt");
}

#[test]
fn paddings_and_lengths_that_do_not_fit_are_refused() {
    for pad in [0u8, 33, 255] {
        let mut block = b"................\0\0\0\x01xwx1".to_vec();
        block.resize(64, pad);
        assert_eq!(signed_refusal(&encrypted(&block)), "decrypt", "padding {pad}");
    }
    for length in [41, u32::MAX, 0x8000_0000] {
        let mut block = [&[b'.'; 16][..], &length.to_be_bytes(), &[b'x'; 40]].concat();
        block.resize(64, 4);
        assert_eq!(signed_refusal(&encrypted(&block)), "decrypt", "length {length}");
    }
    assert_eq!(signed_refusal(&encrypted(&[16; 16])), "decrypt");
    let mut uneven = b"................\0\0\0\x01xwx1".to_vec();
    uneven.resize(63, 1);
    uneven.push(8);
    assert_eq!(signed_refusal(&encrypted(&uneven)), "decrypt");
}

#[test]
fn every_padding_from_1_to_32_opens() {
    for length in 0..64 {
        let message = "x".repeat(length);
        let account = account(Mode::Safe);
        let sealed = push::seal(&account, message.as_bytes(), Format::Xml, 1, "n", [0; 16]).unwrap();
        let opened = push::open(&account, &Query::parse(&sealed.query), &sealed.body).unwrap();
        assert_eq!(opened.document(), message.as_bytes());
    }
}

/// AES-256-CBC without padding, so that wrong blocks can be made.
fn encrypted(block: &[u8]) -> String {
    use aes::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::NoPadding};
    let key = STANDARD.decode(KEY.replace("2B2C", "2B2A=")).unwrap();
    let key: [u8; 32] = key.try_into().unwrap();
    let iv: [u8; 16] = key[..16].try_into().unwrap();
    let cipher = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into());
    let mut buffer = block.to_vec();
    let length = buffer.len();
    STANDARD.encode(cipher.encrypt_padded::<NoPadding>(&mut buffer, length).unwrap())
}

#[test]
fn another_app_id_and_another_key_are_told_apart() {
    let SealedPush { query, body, .. } = sealed(&account(Mode::Safe));
    let other = Credentials { app_id: "wx2".into(), ..account(Mode::Safe) };
    let refusal = push::open(&other, &Query::parse(&query), &body).unwrap_err();
    assert_eq!(refusal.kind(), "receive_id");
    assert!(refusal.to_string().contains("wx1") && refusal.to_string().contains("wx2"));

    let zeros = AesKey::parse(&"A".repeat(43)).unwrap();
    let other = Credentials { aes_key: Some(zeros.clone()), ..account(Mode::Safe) };
    assert_eq!(push::open(&other, &Query::parse(&query), &body).unwrap_err().kind(), "decrypt");

    let rotated =
        Credentials { aes_key: Some(zeros), previous_aes_key: account(Mode::Safe).aes_key, ..other };
    assert!(push::open(&rotated, &Query::parse(&query), &body).is_ok());
    let foreign = Credentials { app_id: "wx2".into(), ..rotated };
    assert_eq!(push::open(&foreign, &Query::parse(&query), &body).unwrap_err().kind(), "receive_id");
}

#[test]
fn a_clear_push_is_below_safe_and_compatible_mode() {
    let clear = sealed(&account(Mode::Plain));
    for mode in [Mode::Safe, Mode::Compatible] {
        let refusal = push::open(&account(mode), &Query::parse(&clear.query), &clear.body).unwrap_err();
        assert_eq!(refusal.kind(), "mode");
    }
    let sealed = sealed(&account(Mode::Safe));
    let raw = sealed.query.replace("encrypt_type=aes", "encrypt_type=raw");
    assert_eq!(refusal(&raw, &sealed.body), "mode");
    assert!(push::open(&account(Mode::Plain), &Query::parse(&sealed.query), &sealed.body).is_ok());
    let keyless = Credentials { aes_key: None, ..account(Mode::Plain) };
    assert_eq!(push::open(&keyless, &Query::parse(&sealed.query), &sealed.body).unwrap_err().kind(), "mode");
    assert!(
        push::open(&keyless, &Query::parse(&clear.query), &clear.body).is_ok(),
        "plain mode needs no key"
    );
}

#[test]
fn forged_clear_fields_of_compatible_mode_are_ignored() {
    let account = account(Mode::Compatible);
    let sealed = sealed(&account);
    let forged = String::from_utf8(sealed.body).unwrap().replace("<Content>hi", "<Content>forged");
    let opened = push::open(&account, &Query::parse(&sealed.query), forged.as_bytes()).unwrap();
    assert_eq!(Document::parse(opened.document()).unwrap().get("Content"), Some("hi"));
}

#[test]
fn a_verified_push_is_given_verbatim_whatever_it_holds() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"b\">]><xml><A>&a;</A></xml>".as_bytes();
    let deep = "<a>".repeat(1000);
    for inner in [bomb, b"\xff\xfe", b"", deep.as_bytes(), b"no document"] {
        for mode in [Mode::Safe, Mode::Plain] {
            let account = account(mode);
            let sealed = push::seal(&account, inner, Format::Xml, 1, "n", [0; 16]).unwrap();
            let opened = push::open(&account, &Query::parse(&sealed.query), &sealed.body).unwrap();
            assert_eq!(opened.document(), inner);
            assert!(Document::parse(inner).is_err());
        }
    }
}

#[test]
fn an_unreadable_document_is_sealed_so_that_it_opens_in_every_mode() {
    let document = b"<!DOCTYPE a><xml><Content>x</Content></xml>";
    for mode in [Mode::Safe, Mode::Compatible] {
        let account = account(mode);
        let sealed = push::seal(&account, document, Format::Xml, 1, "n", [9; 16]).unwrap();
        let opened = push::open(&account, &Query::parse(&sealed.query), &sealed.body).unwrap();
        assert_eq!(opened.document(), document);
    }
}

#[test]
fn a_long_name_around_many_leaves_does_not_swell() {
    let (name, leaves) = ("n".repeat(30_000), "<a>1</a>".repeat(500));
    let document = format!("<xml><{name}>{leaves}</{name}></xml>");
    assert!(Document::parse(document.as_bytes()).is_err());
}

#[test]
fn decode_names_what_it_was_not_given() {
    let sealed = sealed(&account(Mode::Safe));
    let (token, query) = (Secret::from("t"), Query::parse(&sealed.query));
    let keys = Keys { tokens: [Some(&token), None], ..Keys::default() };
    let refusal = push::decode(&keys, &query, Some(&sealed.body)).unwrap_err();
    assert_eq!((refusal.kind(), refusal.to_string().contains("EncodingAESKey")), ("missing", true));
    assert_eq!(push::decode(&keys, &query, None).unwrap_err().kind(), "missing");
    assert_eq!(push::decode(&Keys::default(), &query, Some(&sealed.body)).unwrap_err().kind(), "missing");
    let plain = push::decode(&keys, &query, Some(b"<xml></xml>")).unwrap_err();
    assert_eq!(plain.kind(), "envelope");
}

#[test]
fn decode_takes_clear_pushes_and_both_url_checks() {
    let account = account(Mode::Plain);
    let clear = sealed(&account);
    let decoded = push::decode(&account.keys(), &Query::parse(&clear.query), Some(&clear.body)).unwrap();
    assert_eq!((decoded.form, decoded.receive_id), (push::Form::Plain, None));
    for (random16, form) in [(None, push::Form::UrlCheck), (Some([0; 16]), push::Form::EncryptedUrlCheck)] {
        let query = push::seal_url_check(&account, "echo", 1, "n", random16).unwrap();
        let decoded = push::decode(&account.keys(), &Query::parse(&query), Some(b"")).unwrap();
        assert_eq!((decoded.form, &decoded.document[..]), (form, &b"echo"[..]));
    }
}

#[test]
fn no_secret_is_printed() {
    let account = Credentials { token: "sesame".into(), ..account(Mode::Safe) };
    let printed = format!("{account:?} {:?}", account.keys());
    assert!(!printed.contains("sesame") && !printed.contains("jWmYm7qr"), "{printed}");
    let sealed = sealed(&account);
    let opened = push::open(&account, &Query::parse(&sealed.query), &sealed.body).unwrap();
    assert!(!format!("{opened:?}").contains("hi"));
}
