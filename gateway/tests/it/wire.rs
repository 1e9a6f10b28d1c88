//! An HTTP/1.1 client that can send anything, byte by byte.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Header lines but `date`, in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer in {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let lower = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            format!("{}: {value}", name.to_ascii_lowercase())
        };
        let headers = lines.map(lower).filter(|line| !line.starts_with("date: ")).collect();
        Self { status, headers, body: body.to_owned() }
    }
}

/// A connection on which `bytes` have been sent.
pub(crate) async fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// What comes until the server closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset ends an answer as well as an orderly end does.
    let _reset = stream.read_to_end(&mut bytes).await;
    bytes
}

/// The answer to `bytes`, which must make the server close the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Reply {
    Reply::parse(&rest(&mut sent(address, bytes).await).await)
}

/// A connection from another address of the loopback on which `bytes` have been sent.
pub(crate) async fn sent_from(source: Ipv4Addr, address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// [`exchange`] from another address of the loopback.
pub(crate) async fn exchange_from(source: Ipv4Addr, address: SocketAddr, bytes: &[u8]) -> Reply {
    Reply::parse(&rest(&mut sent_from(source, address, bytes).await).await)
}

/// The bytes of a request after which the connection closes.
pub(crate) fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub(crate) async fn get(address: SocketAddr, target: &str) -> Reply {
    exchange(address, &request("GET", target, "", b"")).await
}

pub(crate) async fn post(address: SocketAddr, target: &str, body: &[u8]) -> Reply {
    exchange(address, &request("POST", target, "", body)).await
}

/// [`exchange`] for a task of its own.
pub(crate) async fn exchange_owned(address: SocketAddr, bytes: Vec<u8>) -> Reply {
    exchange(address, &bytes).await
}
