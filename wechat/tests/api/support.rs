//! A small HTTP server that answers, hangs or dies as a test tells it, and remembers what reached it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wechat::api::{Client, Config, InMemory};

/// What to do with a request.
pub(crate) enum Act {
    /// Status 200 with this body.
    Json(Value),
    /// These bytes as they are, then the connection ends.
    Raw(Vec<u8>),
    /// A whole answer, then the connection ends without saying so.
    JsonThenClose(Value),
    /// The connection ends without an answer.
    Close,
    /// Nothing, for ever.
    Hang,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn is_token(&self) -> bool {
        self.target == "/cgi-bin/stable_token"
    }

    /// The access token of a send.
    pub(crate) fn token(&self) -> &str {
        self.target.split_once("?access_token=").unwrap().1
    }
}

type Script = dyn Fn(&Request, usize) -> Act + Send + Sync;

/// A running server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<watch::Sender<Vec<Request>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    open: watch::Sender<usize>,
    most_open: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts it. The script is told the request and how many of its path came before.
    pub(crate) async fn start(script: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(watch::Sender::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let most_open = Arc::new(AtomicUsize::new(0));
        let open = watch::Sender::new(0);
        let script: Arc<Script> = Arc::new(script);
        let shared = (Arc::clone(&requests), Arc::clone(&connections), Arc::clone(&most_open), open.clone());
        let accepting = tokio::spawn(async move {
            let (requests, connections, most_open, open) = shared;
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                open.send_modify(|open| *open += 1);
                most_open.fetch_max(*open.borrow(), Ordering::SeqCst);
                let (script, requests, open) = (Arc::clone(&script), Arc::clone(&requests), open.clone());
                tokio::spawn(async move {
                    converse(stream, &*script, &requests).await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, requests, connections, open, most_open, accepting }
    }

    /// A token `T1`, and this for every send.
    pub(crate) async fn sending(act: impl Fn() -> Act + Send + Sync + 'static) -> Self {
        Self::start(move |request, _| if request.is_token() { token("T1") } else { act() }).await
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.config()).unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            base_url: format!("http://{}", self.address),
            app_id: "wx1".into(),
            secret: "sesame".into(),
            tokens: Arc::new(InMemory::default()),
            connect_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(30),
            max_connections: 64,
        }
    }

    pub(crate) fn tokens(&self) -> usize {
        self.requests.borrow().iter().filter(|request| request.is_token()).count()
    }

    pub(crate) fn sends(&self) -> Vec<Request> {
        let requests = self.requests.borrow();
        requests.iter().filter(|request| !request.is_token()).cloned().collect()
    }

    /// Waits until so many sends have arrived.
    pub(crate) async fn sends_arrived(&self, count: usize) {
        let enough = |requests: &Vec<Request>| requests.iter().filter(|one| !one.is_token()).count() >= count;
        self.requests.subscribe().wait_for(enough).await.unwrap();
    }

    pub(crate) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }

    /// Waits until every connection has ended.
    pub(crate) async fn all_closed(&self) {
        self.open.subscribe().wait_for(|open| *open == 0).await.unwrap();
    }

    /// Takes no connection any more.
    pub(crate) async fn stop_listening(self) {
        self.accepting.abort();
        assert!(self.accepting.await.unwrap_err().is_cancelled());
    }
}

/// The answer of the token endpoint.
pub(crate) fn token(token: &str) -> Act {
    Act::Json(json!({ "access_token": token, "expires_in": 7200 }))
}

/// The answer of any endpoint with this code.
pub(crate) fn errcode(errcode: i32) -> Act {
    Act::Json(json!({ "errcode": errcode, "errmsg": "told" }))
}

async fn converse(mut stream: TcpStream, script: &Script, requests: &watch::Sender<Vec<Request>>) {
    while let Some(request) = read(&mut stream).await {
        let path = |request: &Request| request.target.split('?').next().unwrap().to_owned();
        let mut earlier = 0;
        requests.send_modify(|requests| {
            earlier = requests.iter().filter(|other| path(other) == path(&request)).count();
            requests.push(request.clone());
        });
        let (bytes, close) = match script(&request, earlier) {
            Act::Json(body) => (http(&body), false),
            Act::JsonThenClose(body) => (http(&body), true),
            Act::Raw(bytes) => (bytes, true),
            Act::Close => (Vec::new(), true),
            Act::Hang => return std::future::pending().await,
        };
        if stream.write_all(&bytes).await.is_err() || close {
            return;
        }
    }
}

/// An answer with status 200.
pub(crate) fn http(body: &Value) -> Vec<u8> {
    raw("200 OK", &body.to_string())
}

/// An answer with any status and body.
pub(crate) fn raw(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length?.parse().ok()? {
            let target = head.split(' ').nth(1)?.to_owned();
            return Some(Request { target, body: body.to_owned() });
        }
    }
}

/// Runs them at once.
pub(crate) async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
