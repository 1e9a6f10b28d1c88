//! A small HTTP/1.1 client that knows whether a byte of a request was written.
//!
//! A request drives its connection itself: no task writes behind its back, so that after a deadline nothing
//! more can leave, and the count of written bytes is final.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};

use super::Config;
use super::connect::{ConfigError, Target};
use super::stream::{Counted, Progress};

const ANSWER_BYTES: usize = 64 * 1024;
/// Below the idle time of usual servers, so that a connection is rarely closed in the moment of its use.
const IDLE: Duration = Duration::from_secs(15);

/// Why a request has no answer.
pub(super) enum Failure {
    /// No byte of it was written.
    NotSent(String),
    /// The server took none of it, and says after which time to come again.
    Busy(Duration),
    /// Bytes of it were written.
    Unknown(String),
}

impl Failure {
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::NotSent(reason) | Self::Unknown(reason) => reason,
            Self::Busy(after) => format!("the server is busy for {after:?}"),
        }
    }
}

/// When the first byte of a request may still leave.
#[derive(Clone, Copy)]
pub(super) struct Begin<'a> {
    pub(super) until: Instant,
    /// Asked in the moment before.
    pub(super) still: &'a (dyn Fn() -> bool + Sync),
}

impl Begin<'_> {
    pub(super) fn within(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, still: &|| true }
    }

    fn may(&self) -> bool {
        Instant::now() <= self.until && (self.still)()
    }
}

/// The connections to one server.
pub(super) struct Wire {
    target: Target,
    connect_timeout: Duration,
    write_timeout: Duration,
    read_timeout: Duration,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

type Driver = Pin<Box<http1::Connection<TokioIo<Counted>, Full<Bytes>>>>;

/// A connection that carries one request at a time.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
    progress: Arc<Progress>,
    used_at: Instant,
}

/// An answer as far as anybody looks at it.
struct Answer {
    status: StatusCode,
    /// `Retry-After`.
    after: Option<Duration>,
    body: Bytes,
}

impl Wire {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            target: Target::parse(&config.base_url)?,
            connect_timeout: config.connect_timeout,
            write_timeout: config.write_timeout,
            read_timeout: config.read_timeout,
            permits: Semaphore::new(config.max_connections.max(1)),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// [`Wire::post`], when one of the `max_connections` places is free.
    pub(super) async fn post_in_turn(
        &self,
        path_and_query: &str,
        json: &str,
        begin: Begin<'_>,
    ) -> Result<Bytes, Failure> {
        let busy = || Failure::NotSent("all connections are busy".to_owned());
        let permit = timeout(self.connect_timeout, self.permits.acquire()).await.map_err(|_| busy())?;
        let _permit = permit.map_err(|_| busy())?;
        self.post(path_and_query, json, begin).await
    }

    /// Posts JSON at once and gives the body of the answer, which must come with status 200. What may not `begin` any more does
    /// not leave, however long the process was stopped before that.
    ///
    /// A kept connection that dies before a byte was written is replaced by a fresh one, once.
    pub(super) async fn post(
        &self,
        path_and_query: &str,
        json: &str,
        begin: Begin<'_>,
    ) -> Result<Bytes, Failure> {
        let json = Bytes::copy_from_slice(json.as_bytes());
        if let Some(kept) = self.kept() {
            // Lets the runtime notice that the server has closed it meanwhile, before anything is written.
            tokio::task::yield_now().await;
            match self.exchange(kept, self.request(path_and_query, json.clone())?, begin).await {
                Err(Failure::NotSent(_)) => {}
                done => return done,
            }
        }
        let fresh = timeout(self.connect_timeout, self.connect()).await;
        let fresh = fresh.map_err(|_| Failure::NotSent("connecting took too long".to_owned()))??;
        self.exchange(fresh, self.request(path_and_query, json)?, begin).await
    }

    fn request(&self, path_and_query: &str, json: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
        Request::post(format!("{}{path_and_query}", self.target.prefix()))
            .header(HOST, self.target.host_header())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
            .body(Full::new(json))
            // The error is not shown: it could quote the query, which holds the token.
            .map_err(|_| Failure::NotSent("the access token does not fit into an address".to_owned()))
    }

    /// The connection used last, if it is young enough.
    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| connection.used_at.elapsed() < IDLE);
        idle.pop()
    }

    fn keep(&self, mut connection: Connection) {
        connection.used_at = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = self.target.connect().await.map_err(Failure::NotSent)?;
        let progress = Arc::new(Progress::default());
        let io = TokioIo::new(Counted::new(stream, Arc::clone(&progress)));
        let (sender, driver) = http1::handshake(io).await.map_err(|e| Failure::NotSent(e.to_string()))?;
        Ok(Connection { sender, driver: Some(Box::pin(driver)), progress, used_at: Instant::now() })
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        begin: Begin<'_>,
    ) -> Result<Bytes, Failure> {
        if !begin.may() {
            return Err(Failure::NotSent("it is too late to begin".to_owned()));
        }
        let before = connection.progress.written();
        match self.drive(&mut connection, request).await {
            Ok(Answer { status, after, body }) => {
                if connection.sender.is_ready() {
                    self.keep(connection);
                }
                match (status, after) {
                    (StatusCode::OK, _) => Ok(body),
                    (StatusCode::SERVICE_UNAVAILABLE, Some(after)) => Err(Failure::Busy(after)),
                    _ => Err(Failure::Unknown(format!("the answer has status {}", status.as_u16()))),
                }
            }
            Err(reason) if connection.progress.written() == before => Err(Failure::NotSent(reason)),
            Err(reason) => Err(Failure::Unknown(reason)),
        }
    }

    /// Writes, then reads, each under its own deadline, polling connection and request together.
    async fn drive(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, String> {
        let Connection { sender, driver, progress, .. } = connection;
        let before = progress.written();
        let mut answer = std::pin::pin!(answer(sender, request));
        let mut deadline = std::pin::pin!(sleep_until(Instant::now() + self.write_timeout));
        let mut written = false;
        std::future::poll_fn(|cx| {
            poll_driver(driver, cx);
            if let Poll::Ready(done) = answer.as_mut().poll(cx) {
                poll_driver(driver, cx);
                return Poll::Ready(done);
            }
            if !written && progress.flushed() > before {
                written = true;
                fail::fail_point!("c7", |_| std::process::abort());
                deadline.as_mut().reset(Instant::now() + self.read_timeout);
            }
            let what = if written { "the answer" } else { "writing the request" };
            deadline.as_mut().poll(cx).map(|()| Err(format!("{what} took too long")))
        })
        .await
    }
}

/// Moves the connection on; dropped when it has ended, so that a request still queued in it is told.
fn poll_driver(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|running| running.as_mut().poll(cx).is_ready()) {
        *driver = None;
    }
}

async fn answer(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let told = |error: hyper::Error| format!("the connection failed: {error}");
    sender.ready().await.map_err(told)?;
    let response: http::Response<Incoming> = sender.send_request(request).await.map_err(told)?;
    let (status, after) = (response.status(), retry_after(response.headers()));
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    let body = body.map_err(|_| format!("the answer was cut off or is longer than {ANSWER_BYTES} bytes"))?;
    Ok(Answer { status, after, body: body.to_bytes() })
}

/// `Retry-After` in seconds; as a date it is not understood.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
