//! The listener: what strangers can draw out, and for how long.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use wechat::Mode;

use crate::{
    house::{House, until},
    wire::{self, rest, sent},
};

/// Runs until the server closes the connection; the answer and how long it took.
async fn until_closed(house: &House, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let mut stream = sent(house.public, bytes).await;
    let started = Instant::now();
    let answer = timeout(Duration::from_secs(10), rest(&mut stream)).await.expect("the server closed it");
    (answer, started.elapsed())
}

#[tokio::test]
async fn slow_headers_slow_bodies_and_idle_connections_are_closed() {
    let house = House::open().await;
    let slow_body = "POST /wechat/safe?a=b HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n<xml>";
    let answered = "GET /nothing HTTP/1.1\r\nHost: g\r\n\r\n";
    let (idle, headers, body, kept) = tokio::join!(
        until_closed(&house, b""),
        until_closed(&house, b"POST /wechat/safe HTTP/1.1\r\nHos"),
        until_closed(&house, slow_body.as_bytes()),
        until_closed(&house, answered.as_bytes()),
    );
    assert!(kept.0.starts_with(b"HTTP/1.1 404"));
    assert!(body.0.starts_with(b"HTTP/1.1 403") && body.0.ends_with(b"forbidden"));
    for (what, (_, took), seconds) in
        [("idle", &idle, 3.0), ("headers", &headers, 3.0), ("body", &body, 2.0), ("kept alive", &kept, 3.0)]
    {
        assert!((seconds - 0.1..seconds + 1.5).contains(&took.as_secs_f64()), "{what} took {took:?}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_like_all_else() {
    let house = House::open().await;
    let mut stream =
        sent(house.public, b"POST /wechat/safe?a=b HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n<xml>")
            .await;
    stream.shutdown().await.unwrap();
    rest(&mut stream).await;
    until(async || house.metric("gateway_pushes_total{account=\"safe\",result=\"body_cut\"}").await == 1.0)
        .await;
    assert_eq!(house.metric("gateway_pushes_in_flight").await, 0.0);
    house.end().await;
}

#[tokio::test]
async fn headers_have_bounds_and_two_lengths_are_no_request() {
    let house = House::open().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: g\r\n\r\n", "a".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: g\r\n{}\r\n", "A: b\r\n".repeat(100));
    let smuggled =
        "POST /wechat/safe HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc";
    for (request, status) in [(long.as_str(), "431"), (&many, "431"), (smuggled, "400")] {
        let (answer, _) = until_closed(&house, request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    house.end().await;
}

/// A connection that is kept after one request.
async fn kept(house: &House) -> TcpStream {
    let mut kept = sent(house.public, b"").await;
    assert!(!asks_to_leave(&mut kept).await);
    kept
}

/// Sends a request and tells whether its answer is the connection's last.
async fn asks_to_leave(kept: &mut TcpStream) -> bool {
    kept.write_all(b"GET /nothing HTTP/1.1\r\nHost: g\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nnot found") {
        assert_ne!(kept.read_buf(&mut answer).await.unwrap(), 0, "it was kept");
    }
    String::from_utf8(answer).unwrap().contains("connection: close")
}

#[tokio::test]
async fn connections_above_the_bound_wait_their_turn() {
    let house = House::with(|config| config.limits.connections = 1).await;
    let first = kept(&house).await;
    let second = tokio::spawn(wire::exchange_owned(house.public, wire::request("GET", "/nothing", "", b"")));
    // The admin port goes on answering, and the second connection is not let in beside the first.
    for _ in 0..20 {
        assert_eq!(house.metric("gateway_connections").await, 1.0);
        assert!(!second.is_finished());
    }
    drop(first);
    assert_eq!(second.await.unwrap().status, 404);
    house.end().await;
}

#[tokio::test]
async fn whoever_keeps_a_connection_leaves_it_at_the_next_answer_when_others_wait() {
    let house = House::with(|config| config.limits.connections = 1).await;
    let mut first = kept(&house).await;
    let second = tokio::spawn(wire::exchange_owned(house.public, wire::request("GET", "/nothing", "", b"")));
    let told = async { while !asks_to_leave(&mut first).await {} };
    timeout(Duration::from_secs(4), told).await.expect("it is told while the second waits");
    assert_eq!(second.await.unwrap().status, 404);
    house.end().await;
}

/// Were they to keep their places for the three seconds that they may, seven at once, the pushes would come after twenty.
#[tokio::test]
async fn who_connects_and_sends_no_request_is_closed_when_others_come_and_who_has_sent_one_is_not() {
    let house = House::with(|config| config.limits.connections = 8).await;
    let mut kept = kept(&house).await;
    let mut silent = Vec::new();
    for n in 0..50 {
        let begun: &[u8] = if n % 2 == 0 { b"" } else { b"POST /wechat/safe HTTP/1.1\r\nHos" };
        silent.push(sent(house.public, begun).await);
    }
    let pushes = async {
        for n in 0..20 {
            assert_eq!(house.push_text("oReader", n).await.status, 200);
            // Who came before the push has a place by now, so that nobody waits.
            assert!(!asks_to_leave(&mut kept).await);
        }
    };
    timeout(Duration::from_secs(10), pushes).await.expect("nobody waited for them");
    assert!(rest(&mut silent[0]).await.is_empty());
    assert!(house.metric("gateway_connections_crowded_out_total").await >= 43.0);
    house.end().await;
}

#[tokio::test]
async fn other_methods_and_paths_have_their_own_answers() {
    let house = House::open().await;
    for (method, target, status) in [
        ("PUT", "/wechat/safe", 405),
        ("DELETE", "/wechat/nobody", 405),
        ("POST", "/c/token", 405),
        ("GET", "/", 404),
        ("GET", "/wechat", 404),
        ("GET", "/metrics", 404),
    ] {
        let reply = wire::exchange(house.public, &wire::request(method, target, "", b"")).await;
        assert_eq!(reply.status, status, "{method} {target}");
    }
    house.end().await;
}

#[tokio::test]
async fn one_connection_carries_many_pushes() {
    let house = House::open().await;
    let mut all = Vec::new();
    for n in 0..3 {
        let document = format!(
            "<xml><FromUserName>oReader</FromUserName><MsgType>text</MsgType><MsgId>{n}</MsgId></xml>"
        );
        let push = house.seal(Mode::Safe, document.as_bytes());
        let request = wire::request("POST", &format!("/wechat/safe?{}", push.query), "", &push.body);
        let request = String::from_utf8(request).unwrap();
        all.push(if n < 2 { request.replace("Connection: close\r\n", "") } else { request });
    }
    let (answers, _) = until_closed(&house, all.concat().as_bytes()).await;
    assert_eq!(String::from_utf8(answers).unwrap().matches("\r\n\r\nsuccess").count(), 3);
    let texts = house.events(3).await;
    assert!(texts.iter().all(|received| received.key == "wx-safe:oReader"));
    house.end().await;
}

#[tokio::test]
async fn whoever_does_not_read_the_answers_is_given_up() {
    let house = House::open().await;
    let mut stream = sent(house.public, b"").await;
    let asking = async {
        let many = "GET /c/x HTTP/1.1\r\nHost: g\r\n\r\n".repeat(100);
        while stream.write_all(many.as_bytes()).await.is_ok() {}
    };
    timeout(Duration::from_secs(10), asking).await.expect("the server closed it");
    until(async || house.metric("gateway_connections").await == 0.0).await;
    house.end().await;
}
