//! What the gateway answers to which request. The three routes are matched by hand: axum's router costs each push 0.65 µs
//! more, and nothing else of axum would be used.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use proto::LinkKey;
use runtime::clock::Clock;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{
    accounts::Accounts,
    forgeries::Forgeries,
    items::Items,
    links,
    metrics::Metrics,
    pages::{self, Answer},
    parcel::Outlet,
    push,
};

/// All that a request needs; one per process.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) accounts: Accounts,
    pub(crate) outlet: Arc<Outlet>,
    /// One for every push that may be handled at once.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) forgeries: Forgeries,
    /// Taps whose events are under way.
    pub(crate) taps: TaskTracker,
    pub(crate) clock: Clock,
    pub(crate) replay_tolerance: Duration,
    pub(crate) link_key: LinkKey,
    pub(crate) items: Arc<Items>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Gateway {
    /// Answers one request; every error is an answer. To a source that has been refused too often it is the last of its connection.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let mut answer = self.route(request).await;
        if answer.status() == StatusCode::FORBIDDEN && !self.forgeries.may_stay(peer).await {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn route(&self, request: Request<Incoming>) -> Answer {
        fail::fail_point!("g2", |_| std::process::abort());
        let uri = request.uri().clone();
        let path = uri.path();
        if let Some(account) = path.strip_prefix("/wechat/") {
            return match *request.method() {
                Method::POST => push::receive(self, account, request).await,
                Method::GET => push::verify(self, account, uri.query().unwrap_or_default()),
                _ => not_allowed("GET, POST"),
            };
        }
        if let Some(token) = path.strip_prefix("/c/") {
            return match *request.method() {
                Method::GET | Method::HEAD => links::follow(self, token, request.method()),
                _ => not_allowed("GET, HEAD"),
            };
        }
        pages::text(StatusCode::NOT_FOUND, "not found")
    }
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = pages::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}
