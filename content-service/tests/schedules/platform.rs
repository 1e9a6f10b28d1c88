//! The platform and the store as the replicas of a fleet meet them: nobody does anything there before it is let on.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::post,
};
use content_service::tokens::SharedToken;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};
use wechat::api::{Stored, TokenStore};

/// A replica that reaches no step for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a replica is about to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Look,
    Swap,
    Fetch,
    Send,
    /// Nothing: all its messages are taken.
    Rest,
}

/// By replica: what it is about to do, and how it is let on.
type Standing = BTreeMap<usize, (Step, oneshot::Sender<()>)>;

/// Where everybody stands.
#[derive(Clone, Debug)]
pub(super) struct Stops(pub(super) Arc<watch::Sender<Standing>>);

impl Stops {
    /// Stands still until it is let on.
    pub(super) async fn pass(&self, replica: usize, step: Step) {
        let (go, gone) = oneshot::channel();
        self.0
            .send_modify(|standing| assert!(standing.insert(replica, (step, go)).is_none(), "stands twice"));
        gone.await.unwrap();
    }

    pub(super) async fn all(&self, count: usize) -> BTreeMap<usize, Step> {
        let mut standing = self.0.subscribe();
        let all = tokio::time::timeout(PATIENCE, standing.wait_for(|standing| standing.len() == count)).await;
        let all = all.expect("everybody reaches a next step").unwrap();
        all.iter().map(|(replica, (step, _))| (*replica, *step)).collect()
    }

    pub(super) fn leaves(&self, replica: usize) -> oneshot::Sender<()> {
        let mut left = None;
        self.0.send_modify(|standing| left = standing.remove(&replica));
        left.expect("it stands").1
    }
}

/// The store of the service, before which a replica stands still.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) store: SharedToken,
    pub(super) me: usize,
    pub(super) stops: Stops,
    pub(super) missed: Arc<AtomicUsize>,
}

impl TokenStore for Watched {
    fn load(&self) -> Stored<'_, Vec<u8>> {
        Box::pin(async {
            self.stops.pass(self.me, Step::Look).await;
            self.store.load().await
        })
    }

    fn swap<'a>(&'a self, seen: &'a [u8], new: &'a [u8]) -> Stored<'a, bool> {
        Box::pin(async {
            self.stops.pass(self.me, Step::Swap).await;
            let swapped = self.store.swap(seen, new).await;
            self.missed.fetch_add(usize::from(swapped == Ok(false)), Ordering::SeqCst);
            swapped
        })
    }

    fn now_ms(&self) -> i64 {
        self.store.now_ms()
    }
}

/// The platform: one token is good; whoever brings an older one is told why it is not.
#[derive(Clone)]
pub(super) struct Platform {
    pub(super) stops: Stops,
    /// What is said of each token that is over; the next one is good.
    pub(super) over: Arc<Mutex<Vec<i32>>>,
    /// Which token each call was given, by whom.
    pub(super) given: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Platform {
    pub(super) async fn start(stops: Stops) -> (Self, SocketAddr, JoinHandle<()>) {
        let platform = Self { stops, over: Arc::default(), given: Arc::default() };
        let routes = Router::new()
            .route("/{replica}/cgi-bin/stable_token", post(token))
            .route("/{replica}/cgi-bin/message/custom/send", post(send))
            .with_state(platform.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        (platform, address, serving)
    }

    pub(super) fn good(&self) -> usize {
        self.over.lock().unwrap().len()
    }
}

async fn token(State(platform): State<Platform>, Path(replica): Path<usize>) -> Json<Value> {
    platform.stops.pass(replica, Step::Fetch).await;
    let good = platform.good();
    platform.given.lock().unwrap().push((good, replica));
    Json(json!({"access_token": format!("T{good}"), "expires_in": 7200}))
}

async fn send(
    State(platform): State<Platform>,
    Path(replica): Path<usize>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    platform.stops.pass(replica, Step::Send).await;
    let brought: usize = query["access_token"].trim_start_matches('T').parse().unwrap();
    let errcode = platform.over.lock().unwrap().get(brought).copied().unwrap_or(0);
    Json(json!({"errcode": errcode, "errmsg": "told"}))
}
