//! Captured pushes: each step that can fail, what is told, and what comes out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wechat::{envelope::AesKey, signature};

use crate::{
    APP_ID, KEY, TOKEN,
    cli::{Ended, yingbin, yingbin_with},
};

const OTHER_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

pub(crate) fn decode(query: &str, body: Option<&str>, further: &[&str]) -> Ended {
    let mut arguments = vec!["push", "decode", "--json", "--query", query];
    if body.is_some() {
        arguments.extend(["--body", "-"]);
    }
    arguments.extend(further);
    yingbin_with(&arguments, body.unwrap_or_default().as_bytes())
}

fn failed(ended: &Ended) -> String {
    assert_eq!(ended.code, 1, "{ended:?}");
    let answer = ended.json();
    assert_eq!(answer["ok"], false, "{answer}");
    assert!(!answer["say"].as_str().unwrap().is_empty());
    answer["failed"].as_str().unwrap().to_owned()
}

fn signed(encrypt: &str) -> String {
    let (timestamp, nonce) = (b"1714112445", b"415670741");
    let signature = hex(&[TOKEN.as_bytes(), timestamp, nonce]);
    let msg_signature = hex(&[TOKEN.as_bytes(), timestamp, nonce, encrypt.as_bytes()]);
    format!(
        "signature={signature}&timestamp=1714112445&nonce=415670741&encrypt_type=aes&msg_signature={msg_signature}"
    )
}

fn hex(parts: &[&[u8]]) -> String {
    signature::sign(parts).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sealed(document: &str) -> String {
    let key = AesKey::parse(KEY).unwrap();
    wechat::envelope::encrypt(&key, [b'r'; 16], document.as_bytes(), APP_ID)
}

pub(crate) fn envelope(encrypt: &str) -> String {
    format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>")
}

#[test]
fn each_step_fails_under_its_own_name() {
    let encrypt = sealed("<xml></xml>");
    let (query, body) = (signed(&encrypt), envelope(&encrypt));
    let good = ["--token", TOKEN, "--aes-key", KEY, "--app-id", APP_ID];
    assert_eq!(decode(&query, Some(&body), &good).code, 0);

    let with = |query: &str, body: &str, further: &[&str]| failed(&decode(query, Some(body), further));
    let other = |key, app_id| ["--token", TOKEN, "--aes-key", key, "--app-id", app_id];
    assert_eq!(with(&query, &body, &["--token", "BBBBB", "--aes-key", KEY]), "signature");
    assert_eq!(with(&query, &body, &other(OTHER_KEY, APP_ID)), "decrypt");
    assert_eq!(with(&query, &body, &other("too-short", APP_ID)), "decrypt");
    assert_eq!(with(&query, &body, &other(KEY, "wx0000000000000000")), "receive_id");
    assert_eq!(with(&query, &body, &["--token", TOKEN]), "missing");
    assert_eq!(with(&query, "<xml><a/></xml>", &good), "envelope");
    assert_eq!(with(&query, "<!DOCTYPE x><xml></xml>", &good), "envelope");
    assert_eq!(failed(&decode(&query, None, &good)), "missing");

    let changed = envelope(&encrypt.replacen(encrypt.get(..1).unwrap(), "+", 1));
    assert_eq!(with(&query, &changed, &good), "signature");
    let (cut, _) = encrypt.split_at(encrypt.len() - 3);
    assert_eq!(with(&signed(cut), &envelope(cut), &good), "base64");
    let (short, _) = encrypt.split_at(encrypt.len() - 8);
    assert_eq!(with(&signed(short), &envelope(short), &good), "decrypt");
}

#[test]
fn the_bad_fixture_fails_at_the_signature() {
    let query = "timestamp=1411035097&nonce=1338108963&encrypt_type=aes\
                 &msg_signature=20f4a1263d198b696e6958e0d65e928aa68f7d96";
    let body = envelope(&sealed("<xml></xml>"));
    assert_eq!(failed(&decode(query, Some(&body), &["--token", "weixin", "--aes-key", KEY])), "signature");
}

#[test]
fn any_inner_document_comes_out_as_it_went_in() {
    for document in ["no xml at all <", "", "<!DOCTYPE a><xml>\u{8}</xml>", "{\"a\":1}\n\n"] {
        let encrypt = sealed(document);
        let json_envelope = serde_json::json!({ "Encrypt": encrypt }).to_string();
        for body in [envelope(&encrypt), json_envelope] {
            let ended = decode(&signed(&encrypt), Some(&body), &["--token", TOKEN, "--aes-key", KEY]);
            let answer = ended.json();
            assert_eq!(answer["document"], document, "{answer}");
            assert_eq!(answer["receive_id"], APP_ID, "told even if not compared");
        }
    }
}

#[test]
fn a_person_is_told_the_steps_and_the_likeliest_cause() {
    let encrypt = sealed("<xml>你好</xml>");
    let (query, body) = (signed(&encrypt), envelope(&encrypt));
    let human = |body: &str, further: &[&str]| {
        let arguments = ["push", "decode", "--query", &query, "--body", "-", "--token"];
        yingbin_with(&[&arguments[..], further].concat(), body.as_bytes())
    };
    let good = human(&body, &[TOKEN, "--aes-key", KEY]);
    assert_eq!(good.code, 0);
    for expected in ["✓ signature", "✓ decrypt", APP_ID, "not compared", "years ago", "<xml>你好</xml>"]
    {
        assert!(good.out.contains(expected), "{expected}\n{}", good.out);
    }
    let causes = [
        (human(&body, &[" AAAAA"]), "white space around it"),
        (human(&body, &["aaaaa"]), "another Token"),
        (human(&envelope(&sealed("other")), &[TOKEN]), "not the one that was signed"),
        (human(&body, &[TOKEN, "--aes-key", OTHER_KEY]), "32, not 16"),
        (human(&body, &[TOKEN, "--aes-key", "x"]), "43 characters"),
    ];
    for (ended, expected) in causes {
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.out.contains('✗') && ended.out.contains(expected), "{expected}\n{}", ended.out);
    }
}

#[test]
fn a_plus_that_became_a_space_is_recognised() {
    let encrypt = (0..).map(|n| sealed(&format!("document {n}"))).find(|text| text.contains('+')).unwrap();
    let body = envelope(&encrypt.replace('+', " "));
    let answer = decode(&signed(&encrypt), Some(&body), &["--token", TOKEN, "--aes-key", KEY]).json();
    assert_eq!(answer["failed"], "signature");
    assert!(answer["say"].as_str().unwrap().contains("became a space"), "{answer}");
}

#[test]
fn swapped_signatures_are_recognised() {
    let query = format!("timestamp=1&nonce=2&msg_signature={}", hex(&[TOKEN.as_bytes(), b"1", b"2"]));
    let answer = decode(&query, Some(&envelope(&sealed("x"))), &["--token", TOKEN]).json();
    assert!(answer["say"].as_str().unwrap().contains("compare `msg_signature`"), "{answer}");
}

#[test]
fn bytes_that_are_no_text_come_out_in_base64_too() {
    let query = format!("signature={}&timestamp=1&nonce=2", hex(&[TOKEN.as_bytes(), b"1", b"2"]));
    let arguments = ["push", "decode", "--json", "--query", &query, "--token", TOKEN, "--body", "-"];
    let answer = yingbin_with(&arguments, b"\xff<xml>").json();
    assert_eq!(answer["document_base64"], STANDARD.encode(b"\xff<xml>"));
    assert_eq!(answer["form"], "plain");
}

#[test]
fn a_file_that_is_not_there_is_told_like_any_other_failure() {
    let ended = decode("signature=a", None, &["--token", TOKEN, "--body", "/nowhere/body.xml"]);
    assert_eq!(failed(&ended), "missing");
    assert!(ended.json()["say"].as_str().unwrap().contains("/nowhere/body.xml"));
}

#[test]
fn flags_that_are_not_understood_are_told_as_json_too() {
    for (flags, says) in [
        (&["--query", "a=1"][..], "--token"),
        (&["--query", "a=1", "--token", "t", "--colour", "red"], "--colour"),
    ] {
        let arguments = [&["push", "decode", "--json"], flags].concat();
        let ended = yingbin(&arguments);
        assert_eq!(ended.code, 64, "{ended:?}");
        let answer = ended.json();
        assert_eq!((&answer["ok"], &answer["failed"]), (&false.into(), &"usage".into()), "{answer}");
        let say = answer["say"].as_str().unwrap();
        assert!(say.contains(says) && !say.contains("Usage:"), "{say}");
        assert!(ended.err.contains(says) && ended.err.contains("Usage:"), "{}", ended.err);
    }
    for arguments in
        [&["push", "decode"][..], &["up", "--json", "--colour"], &["push", "decode", "--json", "--help"]]
    {
        let ended = yingbin(arguments);
        assert!(!ended.out.contains("usage"), "not asked for, or not to be told here: {ended:?}");
    }
}

#[test]
fn nothing_of_the_envelope_is_needed_but_encrypt() {
    let encrypt = sealed("<xml>你好</xml>");
    let query = signed(&encrypt);
    let element = format!("<Encrypt><![CDATA[{encrypt}]]></Encrypt>");
    let whole = format!("<xml><ToUserName>gh_1</ToUserName>{element}</xml>");
    let mut unreadable = 0;
    for body in [
        whole.clone().into_bytes(),
        format!("<message>{element}</message>").into_bytes(),
        whole.replace("gh_1", "a & b").into_bytes(),
        whole.replace("gh_1", "a&b;").into_bytes(),
        whole.replace("</xml>", "").into_bytes(),
        whole.replace("</ToUserName>", "").into_bytes(),
        [b"<xml><ToUserName>\xff\xfe</ToUserName>", element.as_bytes(), b"</xml>"].concat(),
        format!("{{\"ToUserName\": gh_1, \"Encrypt\": \"{encrypt}\"").into_bytes(),
    ] {
        let readable = matches!(wechat::push::encrypted_part(&body), Ok(Some(_)));
        unreadable += u32::from(!readable);
        let shown = String::from_utf8_lossy(&body).into_owned();
        let arguments =
            ["push", "decode", "--query", &query, "--body", "-", "--token", TOKEN, "--aes-key", KEY];
        let ended = yingbin_with(&[&arguments[..], &["--json"]].concat(), &body);
        let answer = ended.json();
        assert_eq!((ended.code, &answer["document"]), (0, &"<xml>你好</xml>".into()), "{shown}: {answer}");
        assert_eq!(answer["envelope"].is_null(), readable, "{shown}: {answer}");
        let page = yingbin_with(&arguments, &body).out;
        assert_eq!(page.contains("a gateway refuses this push"), !readable, "{shown}: {page}");
    }
    assert!(unreadable >= 5, "{unreadable} of them need more than a parser");
    let forged = whole.replace("gh_1", "&").replace(&encrypt, &sealed("other"));
    assert_eq!(failed(&decode(&query, Some(&forged), &["--token", TOKEN, "--aes-key", KEY])), "signature");
}
