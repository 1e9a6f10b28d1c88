//! The API client against a real TCP server: what it says must be what happened.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod fleet;
mod proxy;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use support::{Act, Server, errcode, http, raw, token};
use wechat::api::{Client, Config, InMemory, NotSent, Sent, TokenError};
use wechat::errcode::{Class, TABLE, class};

const PATIENCE: Duration = Duration::from_secs(5);
const MESSAGE: &str = r#"{"touser":"o","msgtype":"text","text":{"content":"中文"}}"#;

/// A deadline that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

fn taken() -> Act {
    errcode(0)
}

fn not_sent(sent: &Sent) -> bool {
    matches!(sent, Sent::NotSent { reason: NotSent::Connection(_) })
}

fn unknown(sent: &Sent) -> bool {
    matches!(sent, Sent::Unknown { .. })
}

#[tokio::test]
async fn a_message_is_taken_over_one_kept_connection() {
    let server = Server::sending(taken).await;
    let client = server.client();
    for _ in 0..3 {
        assert_eq!(client.send(MESSAGE, PATIENCE).await, Sent::Taken);
    }
    let sends = server.sends();
    assert_eq!((server.tokens(), sends.len(), server.connections.load(Ordering::SeqCst)), (1, 3, 1));
    assert_eq!(sends[0].target, "/cgi-bin/message/custom/send?access_token=T1");
    assert_eq!(sends[0].body, MESSAGE);
}

#[tokio::test]
async fn nobody_listening_is_not_sent() {
    let server =
        Server::start(|_, _| Act::JsonThenClose(json!({ "access_token": "T", "expires_in": 7200 }))).await;
    let client = server.client();
    client.token_ready().await.unwrap();
    server.all_closed().await;
    server.stop_listening().await;
    assert!(not_sent(&client.send(MESSAGE, PATIENCE).await));
}

#[tokio::test]
async fn when_the_time_to_begin_is_over_not_a_byte_leaves_on_a_ready_connection() {
    let server = Server::sending(taken).await;
    let client = server.client();
    client.token_ready().await.unwrap();
    let sent = client.send(MESSAGE, Duration::ZERO).await;
    assert!(not_sent(&sent), "{sent:?}");
    assert_eq!(client.send(MESSAGE, PATIENCE).await, Sent::Taken);
    assert_eq!(server.sends().len(), 1);
}

#[tokio::test]
async fn what_may_not_leave_any_more_when_its_first_byte_is_due_does_not() {
    let server = Server::sending(taken).await;
    let client = server.client();
    let asked = AtomicUsize::new(0);
    let still = || {
        assert_eq!(server.sends().len(), 0);
        asked.fetch_add(1, Ordering::SeqCst) > 0
    };
    // The kept connection is not begun on, and the fresh one is asked for anew.
    client.token_ready().await.unwrap();
    assert_eq!(client.send_while(MESSAGE, PATIENCE, &still).await, Sent::Taken);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(not_sent(&client.send_while(MESSAGE, PATIENCE, &|| false).await));
    assert_eq!(server.sends().len(), 1);
}

#[tokio::test]
async fn a_server_that_never_finishes_tls_is_not_sent() {
    let server = Server::start(|_, _| Act::Hang).await;
    let base_url = format!("https://{}", server.address);
    let client = Client::new(Config { base_url, connect_timeout: SHORT, ..server.config() }).unwrap();
    let sent = client.send(MESSAGE, PATIENCE).await;
    assert!(matches!(sent, Sent::NotSent { reason: NotSent::Token(TokenError::Unreachable(_)) }), "{sent:?}");
}

#[tokio::test]
async fn silence_after_the_request_is_unknown() {
    let server = Server::sending(|| Act::Hang).await;
    let client = Client::new(Config { read_timeout: SHORT, ..server.config() }).unwrap();
    let sent = client.send(MESSAGE, PATIENCE).await;
    assert_eq!(sent, Sent::Unknown { reason: "the answer took too long".into() });
    assert_eq!(server.sends().len(), 1, "it arrived, and is not repeated");
}

#[tokio::test]
async fn a_request_that_can_not_be_written_to_its_end_is_unknown() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::sending(taken).await;
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(Config { base_url, write_timeout: SHORT, ..server.config() }).unwrap();
    let (answered, sent) = tokio::join!(answer_one_and_read_no_more(&listener), async {
        client.token_ready().await.unwrap();
        client.send(&"x".repeat(50_000_000), PATIENCE).await
    });
    drop(answered);
    assert_eq!(sent, Sent::Unknown { reason: "writing the request took too long".into() });
}

async fn answer_one_and_read_no_more(listener: &tokio::net::TcpListener) -> tokio::net::TcpStream {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = [0; 1024];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
    stream.write_all(&http(&json!({ "access_token": "T", "expires_in": 7200 }))).await.unwrap();
    stream
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_not_repeated() {
    let server = Server::sending(|| Act::Close).await;
    let sent = server.client().send(MESSAGE, PATIENCE).await;
    assert!(unknown(&sent), "{sent:?}");
    assert_eq!(server.sends().len(), 1);
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_unknown() {
    let huge = "x".repeat(10_000_000);
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"errcode\":0".to_vec();
    let gzip =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00".to_vec();
    let answers = [
        raw("200 OK", "<html>"),
        raw("200 OK", ""),
        raw("200 OK", "{\"errmsg\":\"ok\"}"),
        raw("200 OK", &huge),
        gzip,
        raw("500 Internal Server Error", "{\"errcode\":0}"),
        raw("502 Bad Gateway", ""),
        raw("503 Service Unavailable", ""),
        cut,
        b"garbage\r\n\r\n".to_vec(),
    ];
    for answer in answers {
        let server = Server::sending(move || Act::Raw(answer.clone())).await;
        let sent = server.client().send(MESSAGE, PATIENCE).await;
        assert!(unknown(&sent), "{sent:?}");
        assert_eq!(server.sends().len(), 1);
    }
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_again() {
    let busy = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n".to_vec();
    let server = Server::sending(move || Act::Raw(busy.clone())).await;
    let sent = server.client().send(MESSAGE, PATIENCE).await;
    assert_eq!(sent, Sent::Busy { after: Duration::from_secs(7) });
    assert_eq!(server.sends().len(), 1);
}

#[tokio::test]
async fn every_code_arrives_as_it_is_and_only_a_refused_token_is_tried_again() {
    for code in TABLE.iter().map(|row| row.code).chain([99_999]).filter(|code| *code != 0) {
        let server = Server::sending(move || errcode(code)).await;
        let refused = Sent::Refused { errcode: code, errmsg: "told".into() };
        assert_eq!(server.client().send(MESSAGE, PATIENCE).await, refused);
        let calls = if class(code) == Class::RefreshToken { 2 } else { 1 };
        assert_eq!((server.sends().len(), server.tokens()), (calls, calls), "{code}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::sending(taken).await;
    let location =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address);
    let server = Server::sending(move || Act::Raw(location.clone().into_bytes())).await;
    assert!(unknown(&server.client().send(MESSAGE, PATIENCE).await));
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_is_replaced() {
    let server = Server::start(|request, _| {
        let token = json!({ "access_token": "T1", "expires_in": 7200 });
        Act::JsonThenClose(if request.is_token() { token } else { json!({ "errcode": 0 }) })
    })
    .await;
    let client = server.client();
    for _ in 0..5 {
        assert_eq!(client.send(MESSAGE, PATIENCE).await, Sent::Taken);
        server.all_closed().await;
    }
    assert_eq!(server.sends().len(), 5);
}

#[tokio::test]
async fn fifty_sends_share_one_token_fetch() {
    let server = Server::sending(taken).await;
    let client = server.client();
    let sends = futures(50, || client.send(MESSAGE, PATIENCE)).await;
    assert!(sends.iter().all(|sent| *sent == Sent::Taken), "{sends:?}");
    assert_eq!((server.tokens(), server.sends().len()), (1, 50));
}

#[tokio::test]
async fn a_refused_token_is_refreshed_once_for_all_and_each_send_repeated_once() {
    for refusal in [40001, 40014, 42001] {
        let server = Server::start(move |request, earlier| match request.is_token() {
            true => token(if earlier == 0 { "T1" } else { "T2" }),
            false if request.token() == "T2" => taken(),
            false => errcode(refusal),
        })
        .await;
        let client = server.client();
        let sends = futures(50, || client.send(MESSAGE, PATIENCE)).await;
        assert!(sends.iter().all(|sent| *sent == Sent::Taken), "{sends:?}");
        assert_eq!(server.tokens(), 2);
        assert_eq!(server.sends().len(), 100);
    }
}

#[tokio::test]
async fn a_token_that_is_always_refused_ends_after_one_repeat() {
    let server = Server::sending(|| errcode(40001)).await;
    let refused = Sent::Refused { errcode: 40001, errmsg: "told".into() };
    assert_eq!(server.client().send(MESSAGE, PATIENCE).await, refused);
    assert_eq!((server.tokens(), server.sends().len()), (2, 2));
}

#[tokio::test]
async fn a_token_that_the_platform_refuses_is_asked_for_once() {
    let server = Server::start(|_, _| errcode(40125)).await;
    let client = server.client();
    let refused = TokenError::Refused { errcode: 40125, errmsg: "told".into() };
    assert_eq!(client.token_ready().await, Err(refused.clone()));
    let sends = futures(50, || client.send(MESSAGE, PATIENCE)).await;
    assert!(sends.iter().all(|sent| *sent == Sent::NotSent { reason: refused.clone().into() }));
    assert_eq!((server.tokens(), server.sends().len()), (1, 0));
}

#[tokio::test]
async fn a_token_without_life_left_is_fetched_again() {
    let server = Server::start(|request, _| match request.is_token() {
        true => Act::Json(json!({ "access_token": "T", "expires_in": 0 })),
        false => taken(),
    })
    .await;
    let client = server.client();
    assert_eq!(client.send(MESSAGE, PATIENCE).await, Sent::Taken);
    assert_eq!(client.send(MESSAGE, PATIENCE).await, Sent::Taken);
    assert_eq!(server.tokens(), 2);
}

#[tokio::test]
async fn connections_are_capped_and_waiting_for_one_is_not_sent() {
    let server = Server::sending(taken).await;
    let client = Client::new(Config { max_connections: 3, ..server.config() }).unwrap();
    let sends = futures(40, || client.send(MESSAGE, PATIENCE)).await;
    assert!(sends.iter().all(|sent| *sent == Sent::Taken), "{sends:?}");
    assert!(server.most_open() <= 3);

    let server = Server::sending(|| Act::Hang).await;
    let client =
        Client::new(Config { max_connections: 1, connect_timeout: SHORT, ..server.config() }).unwrap();
    client.token_ready().await.unwrap();
    let first_to_end = tokio::select! {
        sent = client.send(MESSAGE, PATIENCE) => sent,
        sent = client.send(MESSAGE, PATIENCE) => sent,
    };
    assert!(not_sent(&first_to_end), "{first_to_end:?}");
}

#[tokio::test]
async fn a_token_is_fetched_while_sends_that_hang_hold_every_connection() {
    let server = Server::start(|request, _| match request.is_token() {
        true => Act::Json(json!({ "access_token": "T", "expires_in": 0 })),
        false => Act::Hang,
    })
    .await;
    let config = Config { max_connections: 1, connect_timeout: SHORT, ..server.config() };
    let client = Client::new(config).unwrap();
    let refreshed = async {
        server.sends_arrived(1).await;
        client.token_ready().await
    };
    tokio::select! {
        sent = client.send(MESSAGE, PATIENCE) => panic!("nobody answered it: {sent:?}"),
        refreshed = refreshed => assert_eq!(refreshed, Ok(())),
    }
    assert_eq!((server.tokens(), server.most_open()), (2, 2));
}

#[tokio::test]
async fn neither_token_nor_secret_is_shown() {
    let server = Server::start(|request, _| match request.is_token() {
        true => token("sesame-token"),
        false => Act::Json(json!({ "errcode": 48001, "errmsg": "not with sesame-token" })),
    })
    .await;
    let client = server.client();
    let sent = client.send(MESSAGE, PATIENCE).await;
    assert_eq!(sent, Sent::Refused { errcode: 48001, errmsg: "not with ***".into() });
    assert!(!format!("{client:?}{:?}", server.config()).contains("sesame"));

    let server = Server::start(|_, _| Act::Json(json!({ "errcode": 40125, "errmsg": "bad sesame" }))).await;
    let error = server.client().token_ready().await.unwrap_err();
    assert_eq!(error.to_string(), "the platform refuses a token: 40125 bad ***");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for base_url in ["", "api.weixin.qq.com", "ftp://x", "http://", "http://user@x", "https://a b"] {
        let config = Config {
            base_url: base_url.into(),
            app_id: String::new(),
            secret: "s".into(),
            tokens: Arc::new(InMemory::default()),
            connect_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            read_timeout: Duration::ZERO,
            max_connections: 1,
        };
        assert!(Client::new(config).is_err(), "{base_url}");
    }
}

/// Runs `count` of them at once.
async fn futures<F: Future>(count: usize, one: impl Fn() -> F) -> Vec<F::Output> {
    support::all((0..count).map(|_| one()).collect()).await
}
