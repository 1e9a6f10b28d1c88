//! Requests that two servers could cut apart in two ways: refused, or the connection is not used again.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    house::House,
    wire::{rest, sent},
};

/// Everything that comes back until the connection is closed.
async fn answers(house: &House, bytes: &[u8]) -> String {
    let mut stream = sent(house.public, bytes).await;
    let answer = timeout(Duration::from_secs(10), rest(&mut stream)).await.expect("it was closed");
    String::from_utf8(answer).unwrap()
}

/// The request that hides in the body of another would be answered 404.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: g\r\n\r\n";

fn push(headers: &str, body: &str) -> String {
    format!("POST /wechat/safe?a=b HTTP/1.1\r\nHost: g\r\n{headers}\r\n{body}")
}

#[tokio::test]
async fn what_has_a_length_and_chunks_ends_the_connection_so_that_nothing_hides_behind_it() {
    let house = House::open().await;
    let body = format!("0\r\n\r\n{HIDDEN}");
    let length = format!("Content-Length: {}\r\n", body.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    for headers in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        let answers = answers(&house, push(&headers, &body).as_bytes()).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{headers}{answers}");
        assert!(!answers.contains(" 404 "), "{answers}");
    }
    house.end().await;
}

#[tokio::test]
async fn lengths_and_encodings_that_can_be_read_in_two_ways_are_no_request() {
    let house = House::open().await;
    for headers in [
        "Content-Length: 3\r\nContent-Length: 30\r\n",
        "Content-Length: 3, 30\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length : 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "X: a\r\n Content-Length: 3\r\n",
        "X: a\rContent-Length: 3\r\n",
        "X: a\0\r\n",
    ] {
        let answers = answers(&house, push(headers, &format!("abc{HIDDEN}")).as_bytes()).await;
        assert!(answers.starts_with("HTTP/1.1 400 "), "{headers:?}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{headers:?}: {answers}");
    }
    house.end().await;
}

#[tokio::test]
async fn chunks_that_do_not_add_up_end_the_connection() {
    let house = House::open().await;
    for body in [
        "3\r\nabcd\r\n0\r\n\r\n",
        "g\r\n",
        "fffffffffffffffff\r\nabc",
        "-1\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
    ] {
        let request = push("Transfer-Encoding: chunked\r\n", &format!("{body}{HIDDEN}"));
        let answers = answers(&house, request.as_bytes()).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answers}");
        assert!(!answers.contains(" 404 "), "{body:?}: {answers}");
    }
    house.end().await;
}

/// RFC 9112 §2.2 lets a server take it for the end of a line, and this one always does: a header behind one is a header. Whoever puts a
/// proxy before the gateway that forwards such bytes as part of a value has two readings.
#[tokio::test]
async fn a_bare_line_feed_is_the_end_of_a_line_and_never_part_of_a_value() {
    let house = House::open().await;
    let request = push("X: a\nContent-Length: 3\r\nConnection: close\r\n", &format!("abc{HIDDEN}"));
    let taken = answers(&house, request.as_bytes()).await;
    assert_eq!(taken.matches("HTTP/1.1 403 ").count(), 1, "{taken}");
    let body = format!("0\r\n\r\n{HIDDEN}");
    let both = push(&format!("Content-Length: {}\nTransfer-Encoding: chunked\r\n", body.len()), &body);
    assert_eq!(answers(&house, both.as_bytes()).await.matches("HTTP/1.1 ").count(), 1);
    assert!(
        answers(&house, push("X: a\n Content-Length: 3\r\n", "").as_bytes())
            .await
            .starts_with("HTTP/1.1 400 ")
    );
    house.end().await;
}
