//! What the simulator seals, the gateway opens: all modes, both formats, current and previous secrets.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use proptest::prelude::*;
use wechat::Mode;
use wechat::document::Document;
use wechat::envelope::{self, AesKey};
use wechat::push::{self, Credentials, Format, Query, SealError};

const OLD_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const NEW_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

fn sender(mode: Mode, key: &str, token: &str) -> Credentials {
    Credentials {
        app_id: "wx5823bf96d3bd56c7".into(),
        token: token.into(),
        previous_token: None,
        aes_key: Some(AesKey::parse(key).unwrap()),
        previous_aes_key: None,
        mode,
    }
}

/// An account in the middle of changing both secrets.
fn receiver(mode: Mode) -> Credentials {
    Credentials {
        previous_token: Some("old".into()),
        previous_aes_key: Some(AesKey::parse(OLD_KEY).unwrap()),
        ..sender(mode, NEW_KEY, "new")
    }
}

fn document(format: Format, user: &str, content: &str) -> String {
    match format {
        Format::Xml => format!(
            "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[{user}]]></FromUserName>\
             <MsgType>text</MsgType><Content><![CDATA[{}]]></Content></xml>",
            content.replace("]]>", "]]]]><![CDATA[>")
        ),
        Format::Json => serde_json::json!({
            "ToUserName": "gh_1", "FromUserName": user, "MsgType": "text", "Content": content,
        })
        .to_string(),
    }
}

fn modes() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Plain, Mode::Compatible, Mode::Safe])
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Xml, Format::Json])
}

proptest! {
    #[test]
    fn sealed_pushes_open(
        mode in modes(),
        format in formats(),
        content in any::<String>(),
        user in "[A-Za-z0-9_-]{1,28}",
        nonce in "[a-zA-Z0-9 +/&=%]{1,12}",
        random16: [u8; 16],
        old_key: bool,
        old_token: bool,
    ) {
        let key = if old_key { OLD_KEY } else { NEW_KEY };
        let sender = sender(mode, key, if old_token { "old" } else { "new" });
        let document = document(format, &user, &content);
        let sealed = push::seal(&sender, document.as_bytes(), format, 1_754_000_000, &nonce, random16).unwrap();
        let query = Query::parse(&sealed.query);
        let receiver = receiver(mode);
        let opened = push::open(&receiver, &query, &sealed.body).unwrap();
        prop_assert_eq!(opened.document(), document.as_bytes());
        prop_assert_eq!(query.openid.as_deref(), Some(user.as_str()));
        let decoded = push::decode(&receiver.keys(), &query, Some(&sealed.body)).unwrap();
        prop_assert_eq!(decoded.document, document.as_bytes());
        let read = Document::parse(opened.document()).unwrap();
        prop_assert_eq!(read.get("Content"), Some(content.trim_ascii()));
    }

    #[test]
    fn any_bytes_can_be_sealed_and_come_back(mode in modes(), format in formats(), bytes: Vec<u8>) {
        let account = sender(mode, NEW_KEY, "t");
        let sealed = push::seal(&account, &bytes, format, 1, "n", [7; 16]).unwrap();
        if mode == Mode::Compatible && push::encrypted_part(&sealed.body).is_err() {
            return Ok(());
        }
        let opened = push::open(&account, &Query::parse(&sealed.query), &sealed.body).unwrap();
        prop_assert_eq!(opened.document(), &bytes[..]);
    }

    #[test]
    fn a_flipped_byte_is_always_noticed(content in ".{0,40}", at: prop::sample::Index, random16: [u8; 16]) {
        let account = sender(Mode::Safe, NEW_KEY, "t");
        let document = document(Format::Xml, "o", &content);
        let sealed = push::seal(&account, document.as_bytes(), Format::Xml, 1, "n", random16).unwrap();
        let mut body = sealed.body.clone();
        let at = at.index(body.len());
        body[at] ^= 1;
        if let Ok(opened) = push::open(&account, &Query::parse(&sealed.query), &body) {
            prop_assert_eq!(opened.document(), document.as_bytes());
        }
    }
}

/// `facts.md` §1.8, key rotation.
#[test]
fn a_reply_is_encrypted_with_the_key_that_opened_the_push() {
    for (key, other) in [(OLD_KEY, NEW_KEY), (NEW_KEY, OLD_KEY)] {
        let sealed =
            push::seal(&sender(Mode::Safe, key, "new"), b"<xml/>", Format::Xml, 1, "n", [1; 16]).unwrap();
        let receiver = receiver(Mode::Safe);
        let opened = push::open(&receiver, &Query::parse(&sealed.query), &sealed.body).unwrap();
        let reply = push::seal_reply(&opened, &receiver, b"<xml/>", Format::Xml, 1, "n", [2; 16]).unwrap();
        let encrypt = push::encrypted_part(reply.as_bytes()).unwrap().unwrap();
        let with = |key| envelope::decrypt(&AesKey::parse(key).unwrap(), encrypt.as_bytes());
        assert_eq!(with(key).unwrap().message(), b"<xml/>");
        assert!(with(other).is_err(), "{other} opens it");
    }
}

#[test]
fn a_clear_push_has_no_encrypted_reply() {
    let account = sender(Mode::Plain, NEW_KEY, "t");
    let sealed = push::seal(&account, b"<xml/>", Format::Xml, 1, "n", [1; 16]).unwrap();
    let opened = push::open(&account, &Query::parse(&sealed.query), &sealed.body).unwrap();
    let reply = push::seal_reply(&opened, &account, b"", Format::Xml, 1, "n", [2; 16]);
    assert_eq!(reply, Err(SealError::Clear));
}

#[test]
fn url_checks_of_both_kinds_verify() {
    let account = sender(Mode::Safe, NEW_KEY, "t");
    for random16 in [None, Some([1; 16])] {
        let query = push::seal_url_check(&account, "43751209+/=", 1, "n o", random16).unwrap();
        assert_eq!(push::verify_url(&receiver_of(&account), &Query::parse(&query)).unwrap(), "43751209+/=");
        let form_decoded_on_the_way = query.replace("%2B", "+");
        let query = Query::parse(&form_decoded_on_the_way);
        assert!(push::verify_url(&account, &query).is_ok());
    }
}

fn receiver_of(account: &Credentials) -> Credentials {
    Credentials { previous_token: Some(account.token.clone()), token: "newer".into(), ..account.clone() }
}

#[test]
fn compatible_mode_keeps_the_clear_fields_beside_encrypt() {
    let account = sender(Mode::Compatible, NEW_KEY, "t");
    for (format, empty) in [(Format::Xml, "<xml></xml>"), (Format::Json, "{ }")] {
        let document = document(format, "o", "hello");
        let sealed = push::seal(&account, document.as_bytes(), format, 1, "n", [1; 16]).unwrap();
        let outer = Document::parse(&sealed.body).unwrap();
        assert_eq!((outer.get("Content"), outer.get("MsgType")), (Some("hello"), Some("text")));
        assert!(outer.get("Encrypt").is_some());
        let sealed = push::seal(&account, empty.as_bytes(), format, 1, "n", [1; 16]).unwrap();
        assert_eq!(Document::parse(&sealed.body).unwrap().leaves().len(), 1);
    }
}

#[test]
fn without_a_key_only_plain_mode_seals() {
    for (mode, sealed) in [(Mode::Plain, true), (Mode::Compatible, false), (Mode::Safe, false)] {
        let account = Credentials { aes_key: None, ..sender(mode, NEW_KEY, "t") };
        assert_eq!(push::seal(&account, b"<xml/>", Format::Xml, 1, "n", [1; 16]).is_ok(), sealed);
    }
}
