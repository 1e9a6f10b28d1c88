//! Pushes that are sent: what arrives at a gateway, and what is told of its answer.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use wechat::{Mode, Secret, envelope::AesKey, push};

use crate::{
    APP_ID, KEY, TOKEN,
    cli::{self, yingbin, yingbin_with},
};

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
            let answer = ended.json();
            assert_eq!(
                (&answer["ok"], &answer["status"], &answer["body"]),
                (&true.into(), &200.into(), &"success".into())
            );
            let (path, query) = target.split_once('?').unwrap();
            assert_eq!(path, "/wechat/shop");
            let query = push::Query::parse(query);
            assert_eq!(query.openid.as_deref(), Some("o1"));
            let opened = push::open(&credentials(mode), &query, &body).unwrap();
            let event = gateway::event::of_push("shop", APP_ID, opened.document(), 1);
            assert_eq!(answer["event_id"], event.id.as_str(), "{answer}");
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

    let (url, served) = gateway("403 Forbidden");
    let arguments = arguments.map(|argument| if argument.starts_with("http:") { &url } else { argument });
    let ended = yingbin_with(&[&arguments[..], &["--json"]].concat(), b"<xml>anything");
    served.join().unwrap();
    let answer = ended.json();
    assert_eq!((ended.code, &answer["ok"], &answer["status"]), (1, &false.into(), &403.into()), "{answer}");
}

#[test]
fn a_running_installation_fills_in_everything() {
    let (url, served) = gateway("200 OK");
    let folder = tempfile::tempdir().unwrap();
    let gateway = url.strip_suffix("/wechat/shop").unwrap();
    let up = serde_json::json!({
        "gateway": gateway, "simulator": "http://127.0.0.1:9", "admin": {}, "profile": "", "kafka": "", "redis": "",
        "accounts": [{ "name": "shop", "path": "/wechat/shop", "app_id": APP_ID, "token": TOKEN, "aes_key": KEY,
                       "mode": "safe" }]
    });
    let _runs = cli::running(folder.path(), &up.to_string());
    let ended = cli::yingbin_in(
        folder.path(),
        &["push", "send", "--account", "shop", "--text", "你好", "--from", "o1"],
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    let (target, body) = served.join().unwrap();
    let query = push::Query::parse(target.split_once('?').unwrap().1);
    let opened = push::open(&credentials(Mode::Safe), &query, &body).unwrap();
    let id = gateway::event::of_push("shop", APP_ID, opened.document(), 1).id;
    for told in [&format!("event {id}"), &format!("why {id}`"), "45015", "POST http://127.0.0.1:9/sim/push"] {
        assert!(ended.out.contains(told), "without {told}: {}", ended.out);
    }
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
