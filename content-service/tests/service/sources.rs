//! Sources over HTTP: one fetch for many, a cache that ages with the common clock, a fallback instead of waiting.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, response::Redirect, routing::get};
use content_service::{decide::Gathered, gather::Gatherer, metrics::Metrics, playbook::SourceRequest};
use proto::reply::SourceState;
use runtime::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::until;

struct Sky {
    gatherer: Gatherer,
    asked: Arc<AtomicUsize>,
    clock: Clock,
}

async fn weather(State(asked): State<Arc<AtomicUsize>>) -> Json<Value> {
    asked.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(50)).await;
    Json(json!({"text": "雪"}))
}

async fn sky() -> Sky {
    let asked = Arc::new(AtomicUsize::new(0));
    let routes = Router::new()
        .route("/weather", get(weather))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(60)).await))
        .route("/away", get(async || Redirect::temporary("/weather")))
        .route("/long", get(async || "1".repeat(70_000)))
        .with_state(Arc::clone(&asked));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bases = BTreeMap::from([("sky".to_owned(), format!("http://{}/", listener.local_addr().unwrap()))]);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let clock = Clock::system();
    Sky { gatherer: Gatherer::new(bases, clock.clone(), Metrics::default()).unwrap(), asked, clock }
}

fn request(path: &str, deadline_ms: u64) -> SourceRequest {
    SourceRequest {
        source: "weather".into(),
        argument: "波士顿".into(),
        base: "sky".into(),
        path: path.into(),
        deadline: Duration::from_millis(deadline_ms),
        cache: Duration::from_secs(600),
    }
}

impl Sky {
    async fn one(&self, path: &str, deadline_ms: u64) -> Gathered {
        self.gatherer.gather(vec![request(path, deadline_ms)]).await.remove(0)
    }
}

#[tokio::test]
async fn many_who_ask_at_once_cost_one_fetch_and_the_answer_serves_until_the_clock_has_moved_on() {
    let sky = sky().await;
    let all = sky.gatherer.gather(vec![request("/weather", 5_000); 20]).await;
    assert!(all.iter().all(|one| one.value.as_deref() == Some(&json!({"text": "雪"}))));
    assert_eq!(sky.asked.load(Ordering::SeqCst), 1);
    assert_eq!(sky.one("/weather", 5_000).await.state, SourceState::Cached);
    sky.clock.advance(Duration::from_secs(601));
    assert_eq!(sky.one("/weather", 5_000).await.state, SourceState::Fetched);
    assert_eq!(sky.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_late_redirected_too_long_or_unknown_falls_back() {
    let sky = sky().await;
    let started = Instant::now();
    for path in ["/slow", "/away", "/long", "/nothing"] {
        let one = sky.one(path, 200).await;
        assert_eq!((one.value, one.state), (None, SourceState::Fallback), "{path}");
    }
    let foreign = SourceRequest { base: "sea".into(), ..request("/weather", 200) };
    assert_eq!(sky.gatherer.gather(vec![foreign]).await[0].state, SourceState::Fallback);
    assert!(started.elapsed() < Duration::from_secs(3), "nobody waits for a slow source");
}

#[tokio::test]
async fn a_fetch_that_was_late_for_its_event_serves_the_next() {
    let sky = sky().await;
    assert_eq!(sky.one("/weather", 1).await.state, SourceState::Fallback);
    until("it is in the cache", async || sky.one("/weather", 5_000).await.state == SourceState::Cached).await;
    assert_eq!(sky.asked.load(Ordering::SeqCst), 1);
}
