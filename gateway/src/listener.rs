//! The public door: an HTTP/1 accept loop with a time limit on everything that a stranger could draw out.
//!
//! `axum::serve` sets no timer, so half-sent headers and idle connections would stay for ever.

use std::{
    cell::Cell, convert::Infallible, fs, future::Future, io, net::IpAddr, pin::pin, sync::Arc, time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::CONNECTION};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    impatient::Impatient,
    metrics::{Held, Metrics},
    places::{Places, Silence},
};

/// From the end of one answer, or from connecting, to the last byte of the next request's headers: it bounds slow
/// headers and idle connections alike.
const HEADERS_WITHIN: Duration = Duration::from_secs(3);
/// Pause after `accept` failed for want of file descriptors or memory, which does not pass by itself at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Descriptors that the process needs for itself: brokers, probes, the runtime.
const OWN_FILES: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// The bounds of the door.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at once, as far as the limit of open files allows; one more waits for a place, the others in the
    /// kernel's backlog.
    pub(crate) connections: usize,
    /// How long connections are still accepted after readiness went off.
    pub(crate) announce: Duration,
    /// How long requests in flight may take to finish after that.
    pub(crate) drain: Duration,
}

/// Serves `answer`, which is told the address of the peer too, until `shutdown`, then: `closing` → accept for `announce`,
/// with each answer the last of its connection → close the door → finish under `drain`.
///
/// Not cancel safe: dropping it leaves the connections without their deadline.
pub(crate) async fn run<F, A>(
    listener: TcpListener,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    answer: F,
    shutdown: CancellationToken,
    closing: impl FnOnce(),
) where
    F: Fn(Request<Incoming>, IpAddr) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let connections = TaskTracker::new();
    let (announced, closed) = (CancellationToken::new(), CancellationToken::new());
    let door = Door {
        http: http(),
        places: Places::new(as_open_files_allow(bounds.connections), metrics.crowded_out.clone()),
        metrics,
        answer,
        announced: announced.clone(),
        closed: closed.clone(),
        drain: bounds.drain,
        connections: connections.clone(),
    };
    let end = async {
        shutdown.cancelled().await;
        closing();
        announced.cancel();
        sleep(bounds.announce).await;
    };
    tokio::select! {
        () = end => {}
        never = door.accept(&listener) => match never {},
    }
    drop(listener);
    closed.cancel();
    connections.close();
    connections.wait().await;
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_header_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS);
    http
}

struct Door<F> {
    http: http1::Builder,
    places: Arc<Places>,
    metrics: Arc<Metrics>,
    answer: F,
    /// Whoever keeps a connection is told to leave it, so that no request is under way on it when the door closes.
    announced: CancellationToken,
    closed: CancellationToken,
    drain: Duration,
    connections: TaskTracker,
}

impl<F, A> Door<F>
where
    F: Fn(Request<Incoming>, IpAddr) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    async fn accept(&self, listener: &TcpListener) -> Infallible {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    fail::fail_point!("g1", |_| std::process::abort());
                    let Some(place) = self.places.take().await else { continue };
                    let held = Held::new(&self.metrics.connections);
                    let (silence, told_to_go) = self.places.enter();
                    let serving = self.serve(stream, peer.ip(), silence);
                    self.connections.spawn(async move {
                        tokio::select! {
                            biased;
                            Ok(()) = told_to_go => {}
                            () = serving => {}
                        }
                        drop((place, held));
                    });
                }
                Err(error) => self.accept_failed(&error).await,
            }
        }
    }

    /// Pauses, since a loop that spins on `EMFILE` takes the core that would free a descriptor.
    async fn accept_failed(&self, error: &io::Error) {
        if is_of_the_peer(error) {
            return;
        }
        if self.metrics.accept_errors.inc().is_multiple_of(100) {
            tracing::error!(%error, "cannot accept connections: raise the limit of open files or lower limits.connections");
        }
        sleep(ACCEPT_PAUSE).await;
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        silence: Silence,
    ) -> impl Future<Output = ()> + Send + use<F, A> {
        // An answer is one small write; a peer that has gone shows itself at that write.
        let _best_effort = stream.set_nodelay(true);
        let (answer, announced) = (self.answer.clone(), self.announced.clone());
        let (silence, places) = (Cell::new(Some(silence)), Arc::clone(&self.places));
        let service = service_fn(move |request| {
            // What came with the word to go, or after it, is not begun.
            let stays = silence.take().is_none_or(Silence::end);
            let answering = stays.then(|| answer(request, peer));
            let (announced, places) = (announced.clone(), Arc::clone(&places));
            async move {
                let mut response = answering.ok_or(io::ErrorKind::ConnectionAborted)?.await;
                if announced.is_cancelled() || places.is_crowded() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, io::Error>(response)
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(Impatient::new(stream)), service);
        let (closed, drain) = (self.closed.clone(), self.drain);
        async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closed.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    timeout(drain, connection).await.unwrap_or_else(|_| {
                        tracing::warn!(seconds = drain.as_secs(), "cut off a request that did not finish in time");
                        Ok(())
                    })
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended early");
            }
        }
    }
}

/// As many connections as were asked for, or as the limit of open files leaves beside the process' own.
fn as_open_files_allow(wanted: usize) -> usize {
    let limit = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files(&limits));
    let allowed = limit.map_or(wanted, |limit| limit.saturating_sub(OWN_FILES).max(1));
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            "the limit of open files is lower than limits.connections needs: raise it"
        );
    }
    allowed.min(wanted)
}

/// The soft limit in the text of `/proc/self/limits`.
fn open_files(limits: &str) -> Option<usize> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Errors that say something about one connection and nothing about this process.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::{
        future,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use prometheus_client::{metrics::counter::Counter, registry::Registry};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// How often a request was begun, and the bytes of its answer, when its connection may or may not stay.
    async fn request_when(told_to_go: bool) -> (usize, Vec<u8>) {
        let (begun, places) = (Arc::new(AtomicUsize::new(0)), Places::new(1, Counter::default()));
        let counted = Arc::clone(&begun);
        let door = Door {
            http: http(),
            places: Arc::clone(&places),
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
            answer: move |_, _| {
                counted.fetch_add(1, Ordering::Relaxed);
                future::ready(Response::new(Full::from("answer")))
            },
            announced: CancellationToken::new(),
            closed: CancellationToken::new(),
            drain: Duration::ZERO,
            connections: TaskTracker::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n").await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (_taken, (silence, _told)) = (places.take().await, places.enter());
        if told_to_go {
            let _somebody_comes = timeout(Duration::ZERO, places.take()).await;
        }
        door.serve(stream, peer.ip(), silence).await;
        let mut answer = Vec::new();
        let _reset = client.read_to_end(&mut answer).await;
        (begun.load(Ordering::Relaxed), answer)
    }

    #[tokio::test]
    async fn a_request_on_a_connection_that_was_told_to_go_is_not_begun() {
        let (begun, answer) = request_when(false).await;
        assert!(begun == 1 && answer.ends_with(b"answer"));
        assert_eq!(request_when(true).await, (0, Vec::new()));
    }

    #[test]
    fn the_limit_of_open_files_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             127                  256                  processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(open_files(&limits.replace("1024 ", "unlimited ")), None);
        assert_eq!(as_open_files_allow(3), 3);
        assert!(as_open_files_allow(usize::MAX) < usize::MAX);
    }
}
