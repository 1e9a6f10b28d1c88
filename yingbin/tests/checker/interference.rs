//! The proxy does to a connection what it is told.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use super::proxy::{Mode, Proxy};

const SOON: Duration = Duration::from_secs(5);
const NOT: Duration = Duration::from_millis(300);

/// A proxy before somebody who repeats what he hears.
async fn before_an_echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::before(vec![listener.local_addr().unwrap()]).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await.ok();
            });
        }
    });
    proxy
}

async fn says(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).await?;
    Ok(String::from_utf8(heard).unwrap())
}

#[tokio::test]
async fn it_forwards_and_delays() {
    let proxy = before_an_echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "here").await.unwrap(), "here");
    proxy.set(Mode::Latency(Duration::from_millis(100)));
    let since = Instant::now();
    assert_eq!(says(&mut stream, "late").await.unwrap(), "late");
    assert!(since.elapsed() >= Duration::from_millis(200), "a hundred each way");
}

#[tokio::test]
async fn a_bad_line_is_late_and_keeps_the_order() {
    let proxy = before_an_echo().await;
    proxy.set(Mode::Lossy(7));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let since = Instant::now();
    for n in 0..5 {
        let text = format!("number {n}");
        assert_eq!(says(&mut stream, &text).await.unwrap(), text);
    }
    assert!(since.elapsed() >= Duration::from_millis(400), "ten times up to 200 ms, for this seed");
}

#[tokio::test]
async fn it_ends_what_stands_and_takes_what_is_new() {
    let proxy = before_an_echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "here").await.unwrap(), "here");
    proxy.cut();
    let ended = async { while says(&mut stream, "still?").await.is_ok() {} };
    timeout(SOON, ended).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "again").await.unwrap(), "again");
}

#[tokio::test]
async fn it_refuses_and_takes_again() {
    let proxy = before_an_echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "here").await.unwrap(), "here");
    proxy.set(Mode::Refuse);
    let ended = async { while says(&mut stream, "still?").await.is_ok() {} };
    timeout(SOON, ended).await.unwrap();
    let refused = async { while TcpStream::connect(proxy.address()).await.is_ok() {} };
    timeout(SOON, refused).await.unwrap();
    proxy.set(Mode::Forward);
    let again = async {
        loop {
            if let Ok(stream) = TcpStream::connect(proxy.address()).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut stream = timeout(SOON, again).await.unwrap();
    assert_eq!(says(&mut stream, "again").await.unwrap(), "again");
}

#[tokio::test]
async fn a_black_hole_holds_what_it_swallows_until_it_closes() {
    let proxy = before_an_echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "here").await.unwrap(), "here");
    proxy.set(Mode::BlackHole);
    stream.write_all(b"silence").await.unwrap();
    let mut heard = [0; 7];
    assert!(timeout(NOT, stream.read_exact(&mut heard)).await.is_err());
    proxy.set(Mode::Forward);
    timeout(SOON, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"silence");
}

#[tokio::test]
async fn it_turns_a_bit_where_a_word_stands() {
    let proxy = before_an_echo().await;
    proxy.set(Mode::TurnBitOf("text"));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "nothing of it").await.unwrap(), "nothing of it");
    assert_eq!(says(&mut stream, "text 1, text 2, text 3").await.unwrap(), "text 1, dext 2, text 3");
    proxy.set(Mode::Forward);
    assert_eq!(says(&mut stream, "text").await.unwrap(), "text");
}

#[tokio::test]
async fn it_cuts_after_so_many_bytes_and_loses_answers_alone() {
    let proxy = before_an_echo().await;
    proxy.set(Mode::CutAfter(6));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(says(&mut stream, "four").await.unwrap(), "four");
    assert!(timeout(SOON, says(&mut stream, "more")).await.unwrap().is_err());
    proxy.set(Mode::DropAnswers);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(timeout(NOT, says(&mut stream, "heard?")).await.is_err());
    assert!(proxy.carried() == 10, "the request went through: {}", proxy.carried());
    proxy.set(Mode::Forward);
    let mut end = [0; 1];
    let ended = timeout(SOON, stream.read(&mut end)).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "a stream with a hole must not go on");
}
