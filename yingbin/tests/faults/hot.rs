//! One user who writes faster than anybody could: pushes that were sealed before, over connections that stay.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use runtime::clock::Clock;
use simulator::{Attempt, Order};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep_until},
};
use wechat::push::{Format, seal};

use crate::load::{Pushed, Pusher};

/// What a gateway answers is shorter.
const ANSWER_BYTES: usize = 4 * 1024;

/// A push that only has to be written.
struct Sealed {
    text: String,
    order: Order,
    request: Vec<u8>,
}

/// Texts of one user that wait for their time.
pub(crate) struct Hot {
    pusher: Arc<Pusher>,
    gateway: SocketAddr,
    beat: Duration,
    /// The last one is the next.
    sealed: Mutex<Vec<Sealed>>,
    begun: AtomicU32,
}

impl Hot {
    /// Seals as many texts as a rate has in this time, for a gateway past every proxy.
    pub(crate) fn seal(
        pusher: &Arc<Pusher>,
        openid: &str,
        gateway: SocketAddr,
        (per_second, time): (u32, Duration),
    ) -> Self {
        let (account, now) = (&pusher.accounts[0], Clock::system().now_ms() / 1000);
        let (credentials, path) = (pusher.credentials(0), format!("/wechat/{}", account.name));
        let beat = Duration::from_secs(1) / per_second;
        let count = time.as_nanos() / beat.as_nanos();
        let one = |_| {
            let (text, order) = pusher.text(0, openid);
            let (document, nonce) = (order.document.as_bytes(), "1234567890");
            let push = seal(&credentials, document, Format::Xml, now, nonce, rand::random()).unwrap();
            let (query, length) = (&push.query, push.body.len());
            let head = format!(
                "POST {path}?{query} HTTP/1.1\r\nhost: {gateway}\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n",
                push.content_type
            );
            Sealed { text, order, request: [head.into_bytes(), push.body].concat() }
        };
        let mut sealed: Vec<Sealed> = (0..count).map(one).collect();
        sealed.reverse();
        Self {
            pusher: Arc::clone(pusher),
            gateway,
            beat,
            sealed: Mutex::new(sealed),
            begun: AtomicU32::new(0),
        }
    }

    /// Pushes them over so many connections for so long: no faster than the rate, and no faster than they are taken.
    pub(crate) async fn push(self, connections: usize, time: Duration) -> Vec<Pushed> {
        let (hot, since) = (Arc::new(self), Instant::now());
        let pushing = (0..connections).map(|_| tokio::spawn(Arc::clone(&hot).over_one(since, since + time)));
        let mut pushed = Vec::new();
        for pushing in pushing.collect::<Vec<_>>() {
            pushed.extend(pushing.await.unwrap());
        }
        pushed
    }

    async fn over_one(self: Arc<Self>, since: Instant, until: Instant) -> Vec<Pushed> {
        let mut connection = TcpStream::connect(self.gateway).await.unwrap();
        connection.set_nodelay(true).unwrap();
        let mut pushed = Vec::new();
        while Instant::now() < until {
            let next = self.sealed.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(Sealed { text, order, request }) = next else { break };
            sleep_until(since + self.beat * self.begun.fetch_add(1, Ordering::Relaxed)).await;
            self.pusher.simulator.acted(&order).unwrap();
            let (begun_ms, begun) = (Clock::system().now_ms(), Instant::now());
            connection.write_all(&request).await.unwrap();
            let (status, body) = answer(&mut connection).await;
            let attempt = Attempt { status, body, ms: begun.elapsed().as_secs_f64() * 1e3, error: None };
            let (account, ended_ms) = (order.account, Clock::system().now_ms());
            pushed.push(Pushed { text, account, begun_ms, ended_ms, attempts: vec![attempt] });
        }
        pushed
    }
}

/// Status and body of an answer that states its length.
async fn answer(connection: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::with_capacity(ANSWER_BYTES);
    loop {
        let n = connection.read_buf(&mut bytes).await.unwrap();
        assert!(n > 0 && bytes.len() < ANSWER_BYTES, "no answer: {}", String::from_utf8_lossy(&bytes));
        if let Some(answer) = read(&bytes) {
            return answer;
        }
    }
}

/// An answer, once all of it has come.
fn read(bytes: &[u8]) -> Option<(u16, String)> {
    let (head, body) = std::str::from_utf8(bytes).ok()?.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let stated = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (body.len() >= stated.unwrap_or(0)).then(|| (status, body.to_owned()))
}
