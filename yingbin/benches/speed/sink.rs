//! The platform's API as a receiver: gives a token, takes every message, notes when it came for whom.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::oneshot,
};

use crate::account;

/// A listening receiver. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Who waits for what.
    pub(crate) board: Arc<Board>,
    delay_us: Arc<AtomicU64>,
}

/// Which messages are expected, and which have come.
#[derive(Debug, Default)]
pub(crate) struct Board {
    waiting: Mutex<HashMap<u64, Waiting>>,
    latencies: Mutex<Vec<Duration>>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    answered: oneshot::Sender<()>,
}

impl Board {
    /// A message for this user is expected; tells when it has come and is answered.
    pub(crate) fn expect(&self, user: u64, since: Instant) -> oneshot::Receiver<()> {
        let (answered, told) = oneshot::channel();
        lock(&self.waiting).insert(user, Waiting { since, answered });
        told
    }

    /// The latencies since the last time.
    pub(crate) fn arrived(&self) -> Vec<Duration> {
        std::mem::take(&mut lock(&self.latencies))
    }

    /// Waits until nothing is expected any more.
    pub(crate) async fn all_there(&self) -> Result<()> {
        let ends = Instant::now() + Duration::from_secs(10);
        while !lock(&self.waiting).is_empty() && Instant::now() < ends {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let missing = lock(&self.waiting).len();
        ensure!(missing == 0, "{missing} messages have not come");
        Ok(())
    }

    /// Begins anew.
    pub(crate) fn forget(&self) {
        lock(&self.waiting).clear();
        lock(&self.latencies).clear();
    }

    fn came(&self, user: u64) -> Option<oneshot::Sender<()>> {
        let Waiting { since, answered } = lock(&self.waiting).remove(&user)?;
        lock(&self.latencies).push(since.elapsed());
        Some(answered)
    }
}

impl Sink {
    /// Listens in `runtime`.
    pub(crate) fn start(runtime: &Runtime) -> Result<Self> {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let (board, delay_us) = (Arc::new(Board::default()), Arc::new(AtomicU64::new(0)));
        let sink = Self { address: listener.local_addr()?, board, delay_us };
        let serving = sink.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Ok(sink)
    }

    /// From now on every message is answered so late.
    pub(crate) fn answer_after(&self, delay: Duration) {
        self.delay_us.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A subject that ends may break its connections at any time.
    async fn serve(self, stream: TcpStream) {
        self.exchange(stream).await.unwrap_or_default();
    }

    async fn exchange(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut bytes: Vec<u8> = Vec::with_capacity(8192);
        loop {
            let Some(length) = length(&bytes) else {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            if bytes.len() < length {
                stream.read_buf(&mut bytes).await?;
                continue;
            }
            let answered = touser(&bytes[..length]).and_then(|user| self.board.came(user));
            let answer = if bytes.starts_with(b"POST /cgi-bin/stable_token") {
                r#"{"access_token":"bench","expires_in":7200}"#
            } else {
                let delay = Duration::from_micros(self.delay_us.load(Ordering::Relaxed));
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                r#"{"errcode":0,"errmsg":"ok"}"#
            };
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
            stream.write_all(format!("{head}{}\r\n\r\n{answer}", answer.len()).as_bytes()).await?;
            answered.map(|answered| answered.send(()));
            bytes.drain(..length);
        }
    }
}

/// Bytes of the request at the beginning, once its headers are there.
fn length(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(head + 4 + body.trim().parse::<usize>().ok()?)
}

fn touser(request: &[u8]) -> Option<u64> {
    let begins = find(request, b"\"touser\":\"")? + b"\"touser\":\"".len();
    let rest = &request[begins..];
    account::user(std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'"')?]).ok()?)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
