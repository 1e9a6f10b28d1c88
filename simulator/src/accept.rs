//! The accept loop: plain HTTP/1, with a line in the hand of every request so that a fault can reset its connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long connections may finish after the shutdown began.
const DRAIN: Duration = Duration::from_secs(1);

/// The connection that a request came on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Arc<Notify>);

impl Line {
    /// Resets the connection, unanswered; does not return.
    pub(crate) async fn reset(&self) -> Response {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// Accepts until `shutdown`, then lets what is under way finish for a second.
pub(crate) async fn serve(listener: TcpListener, routes: Router, shutdown: CancellationToken) {
    let routes = TowerToHyperService::new(routes);
    let connections = TaskTracker::new();
    let end = CancellationToken::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, routes.clone(), shutdown.clone(), end.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "can not accept a connection; trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        end.cancel();
        connections.wait().await;
    }
}

type Answered = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

async fn connection(
    stream: TcpStream,
    routes: TowerToHyperService<Router>,
    shutdown: CancellationToken,
    end: CancellationToken,
) {
    stream.set_nodelay(true).ok();
    let line = Line::default();
    let reset = Arc::clone(&line.0);
    let service = service_fn(move |request: Request<Incoming>| -> Answered {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(line.clone());
        Box::pin(routes.call(request))
    });
    let mut served =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut closing = pin!(shutdown.cancelled());
    let mut asked = false;
    loop {
        tokio::select! {
            // How a connection ends is the client's affair.
            _ = &mut served => return,
            () = &mut closing, if !asked => {
                Pin::new(&mut served).graceful_shutdown();
                asked = true;
            }
            () = reset.notified() => {
                served.into_parts().io.into_inner().set_zero_linger().ok();
                return;
            }
            () = end.cancelled() => return,
        }
    }
}
