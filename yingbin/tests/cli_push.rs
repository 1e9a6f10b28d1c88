//! `yingbin push decode` and `push send` as processes: every public vector, every way to fail, a real socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cli::{Ended, yingbin, yingbin_with};
use serde_json::Value;
use wechat::{Mode, Secret, envelope::AesKey, push, signature};

const TOKEN: &str = "AAAAA";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const OTHER_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
const APP_ID: &str = "wxb11529c136998cb6";

fn decode(query: &str, body: Option<&str>, further: &[&str]) -> Ended {
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

fn envelope(encrypt: &str) -> String {
    format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>")
}

fn text<'v>(vector: &'v Value, name: &str) -> Option<&'v str> {
    vector[name].as_str()
}

fn query_of(vector: &Value) -> String {
    let names = [
        ("signature", text(vector, "signature").or(text(vector, "signature_plain"))),
        ("timestamp", text(vector, "timestamp")),
        ("nonce", text(vector, "nonce")),
        ("encrypt_type", text(vector, "encrypt_type")),
        ("msg_signature", text(vector, "msg_signature")),
    ];
    let given = names.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
    given.collect::<Vec<_>>().join("&")
}

/// What a vector is decoded to, or `None` if it holds nothing that is received.
fn decode_vector(vector: &Value) -> Option<(Ended, &str)> {
    let kind = text(vector, "kind")?;
    let token = text(vector, "token")?;
    let mut further = vec!["--token", token];
    if let Some(key) = text(vector, "encoding_aes_key") {
        further.extend(["--aes-key", key]);
    }
    if let Some(app_id) = text(vector, "receive_id_expected") {
        further.extend(["--app-id", app_id]);
    }
    let query = query_of(vector);
    match kind {
        "url_verify_plain" => {
            let echostr = text(vector, "echostr")?;
            Some((decode(&format!("?{query}&echostr={echostr}"), None, &further), echostr))
        }
        "url_verify_encrypted" => {
            let query = text(vector, "query_string").map_or_else(
                || format!("{query}&echostr={}", text(vector, "encrypt").unwrap()),
                str::to_owned,
            );
            Some((decode(&query, None, &further), text(vector, "plaintext")?))
        }
        "plain_push" => Some((decode(&query, text(vector, "body"), &further), text(vector, "body")?)),
        "signature_only" => None,
        "encrypt_deterministic" => {
            let signed = &vector["msg_signature_computed"];
            let query = signed.is_object().then(|| {
                let of = |name: &str| signed[name].as_str().unwrap();
                format!("timestamp={}&nonce={}&msg_signature={}", of("timestamp"), of("nonce"), of("value"))
            });
            let reply = text(vector, "expected_reply").or(text(vector, "expected_reply_xml"));
            let body = reply.map_or_else(|| envelope(text(vector, "encrypt").unwrap()), str::to_owned);
            Some((
                decode(&query.unwrap_or(query_of(vector)), Some(&body), &further),
                text(vector, "plaintext")?,
            ))
        }
        _ => Some((decode(&query, text(vector, "body"), &further), text(vector, "plaintext")?)),
    }
}

#[test]
fn every_vector_decodes_to_its_document() {
    let vectors: Value = serde_json::from_str(include_str!("../../wechat/tests/vectors.json")).unwrap();
    let mut decoded = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let Some((ended, expected)) = decode_vector(vector) else { continue };
        let answer = ended.json();
        assert_eq!((ended.code, &answer["ok"]), (0, &Value::Bool(true)), "{}: {answer}", vector["id"]);
        assert_eq!(answer["document"], expected, "{}", vector["id"]);
        assert!(answer["age_seconds"].as_i64().unwrap() > 0);
        if let Some(id) = text(vector, "receive_id_in_ciphertext") {
            assert_eq!(answer["receive_id"], id);
        }
        decoded += 1;
    }
    assert_eq!(decoded, 14, "all but the one that is nothing but a signature");
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

/// Answers one request with `status` and gives back its target and body.
fn gateway(status: &'static str) -> (String, thread::JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/wechat/shop", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let (head, length) = loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(chunk.get(..read).unwrap());
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head.to_lowercase().split_once("content-length: ").unwrap().1.to_owned();
                break (head.to_owned(), length.lines().next().unwrap().parse::<usize>().unwrap());
            }
        };
        let mut body = request.split_off(head.len() + 4);
        while body.len() < length {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).unwrap();
            body.extend_from_slice(chunk.get(..read).unwrap());
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 7\r\nconnection: close\r\n\r\nsuccess");
        stream.write_all(answer.as_bytes()).unwrap();
        (head.lines().next().unwrap().split(' ').nth(1).unwrap().to_owned(), body)
    });
    (url, served)
}

fn credentials(mode: Mode) -> push::Credentials {
    push::Credentials {
        app_id: APP_ID.into(),
        token: Secret::new(TOKEN),
        previous_token: None,
        aes_key: Some(AesKey::parse(KEY).unwrap()),
        previous_aes_key: None,
        mode,
    }
}

#[test]
fn a_sent_push_verifies_in_every_mode_and_format() {
    for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
        for format in ["xml", "json"] {
            let (url, served) = gateway("200 OK");
            let ended = yingbin(&[
                "push",
                "send",
                "--json",
                "--url",
                &url,
                "--token",
                TOKEN,
                "--aes-key",
                KEY,
                "--app-id",
                APP_ID,
                "--mode",
                mode.as_str(),
                "--format",
                format,
                "--text",
                "你好 ]]> & <b>",
                "--from",
                "o1",
                "--to",
                "gh_1",
            ]);
            let (target, body) = served.join().unwrap();
            assert_eq!(ended.code, 0, "{ended:?}");
            assert_eq!((&ended.json()["status"], &ended.json()["body"]), (&200.into(), &"success".into()));
            let (path, query) = target.split_once('?').unwrap();
            assert_eq!(path, "/wechat/shop");
            let query = push::Query::parse(query);
            assert_eq!(query.openid.as_deref(), Some("o1"));
            let opened = push::open(&credentials(mode), &query, &body).unwrap();
            let document = wechat::document::Document::parse(opened.document()).unwrap();
            assert_eq!(document.get("Content"), Some("你好 ]]> & <b>"));
            assert_eq!(document.get("ToUserName"), Some("gh_1"));
        }
    }
}

#[test]
fn a_refusal_is_shown_and_ends_with_one() {
    let (url, served) = gateway("403 Forbidden");
    let arguments = [
        "push",
        "send",
        "--url",
        &url,
        "--token",
        TOKEN,
        "--app-id",
        APP_ID,
        "--mode",
        "plain",
        "--document",
        "-",
    ];
    let ended = yingbin_with(&arguments, b"<xml>anything");
    assert_eq!(served.join().unwrap().1, b"<xml>anything");
    assert_eq!(ended.code, 1);
    assert!(ended.out.starts_with("403 in "), "{}", ended.out);
}

#[test]
fn a_running_installation_fills_in_everything() {
    let (url, served) = gateway("200 OK");
    let folder = tempfile::tempdir().unwrap();
    let gateway = url.strip_suffix("/wechat/shop").unwrap();
    let up = serde_json::json!({
        "gateway": gateway, "simulator": "", "admin": {}, "profile": "", "kafka": "", "redis": "",
        "accounts": [{ "name": "shop", "path": "/wechat/shop", "app_id": APP_ID, "token": TOKEN, "aes_key": KEY,
                       "mode": "safe" }]
    });
    std::fs::create_dir(folder.path().join(".yingbin")).unwrap();
    std::fs::write(folder.path().join(".yingbin/up.json"), up.to_string()).unwrap();
    let ended = cli::yingbin_in(
        folder.path(),
        &["push", "send", "--account", "shop", "--text", "你好", "--from", "o1"],
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    let (target, body) = served.join().unwrap();
    let query = push::Query::parse(target.split_once('?').unwrap().1);
    assert!(push::open(&credentials(Mode::Safe), &query, &body).is_ok());
    let unknown =
        cli::yingbin_in(folder.path(), &["push", "send", "--account", "x", "--text", "a", "--from", "o"]);
    assert!(unknown.err.contains("it has shop"), "{}", unknown.err);
}

#[test]
fn a_gateway_that_is_away_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/wechat/shop");
    let ended = yingbin(&[
        "push", "send", "--url", &url, "--token", TOKEN, "--app-id", APP_ID, "--mode", "plain", "--text",
        "a", "--from", "o1",
    ]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("did not answer") && !ended.err.contains("signature="), "{}", ended.err);
}

#[test]
fn a_file_that_is_not_there_is_told_like_any_other_failure() {
    let ended = decode("signature=a", None, &["--token", TOKEN, "--body", "/nowhere/body.xml"]);
    assert_eq!(failed(&ended), "missing");
    assert!(ended.json()["say"].as_str().unwrap().contains("/nowhere/body.xml"));
}
