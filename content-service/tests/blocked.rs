//! What is blocked is found, named, and ends the process, while the others go on (F23).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the world of tests/service is larger than one test")]

#[path = "service/fakes.rs"]
mod fakes;
#[path = "service/listener.rs"]
mod listener;
#[path = "service/redis_server.rs"]
mod redis_server;
#[path = "service/world.rs"]
mod world;

use std::{
    future::pending,
    process::Command,
    sync::{Mutex, OnceLock, mpsc},
    thread::{self, Thread},
    time::Duration,
};

use content_service::{
    metrics::Metrics,
    watchdog::{Bounds, STUCK, Signs, Watchdog, step},
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use proto::reply::Outcome;
use tokio::{runtime::Handle, time::timeout};
use world::{World, by_id, until};

const SOON: Duration = Duration::from_millis(200);
const BOUNDS: Bounds = Bounds { still: SOON, turn: SOON, grace: Duration::from_secs(60) };

struct Watched {
    signs: Signs,
    watchdog: Watchdog,
    registry: Registry,
}

fn watched(bounds: Bounds) -> Watched {
    let (metrics, mut registry, signs) = (Metrics::default(), Registry::default(), Signs::default());
    metrics.register(&mut registry);
    let watchdog = Watchdog::start(signs.clone(), bounds, &Handle::current(), &metrics).unwrap();
    Watched { signs, watchdog, registry }
}

impl Watched {
    /// What is found; liveness and metrics say so too.
    async fn finds(&self, what: &str) -> String {
        let found = timeout(Duration::from_secs(20), self.watchdog.found()).await.expect("it is found");
        assert_eq!((self.watchdog.check())(), Err(found.clone()));
        let mut counts = String::new();
        encode(&mut counts, &self.registry).unwrap();
        assert!(counts.contains(&format!("content_blocked_total{{name=\"{what}\"}} 1")), "{counts}");
        found
    }
}

#[tokio::test]
async fn an_event_that_nobody_wakes_is_found_and_named() {
    let watched = watched(BOUNDS);
    assert_eq!((watched.watchdog.check())(), Ok(()));
    let signs = watched.signs.clone();
    signs.watched(1, 41, async {}).await;
    tokio::spawn(async move {
        let stuck = async {
            step("send");
            pending::<()>().await;
        };
        signs.watched(1, 42, stuck).await;
    });
    let found = watched.finds("event").await;
    assert!(found.starts_with("event: partition 1, offset 42, step send: was not woken for "), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_of_the_runtime_that_blocks_is_found() {
    let watched = watched(BOUNDS);
    let (release, released) = mpsc::channel::<()>();
    let blocking = tokio::spawn(async move { released.recv() });
    let found = watched.finds("thread").await;
    release.send(()).unwrap();
    assert!(found.contains("of the runtime has been in one task for "), "{found}");
    blocking.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_loop_that_stops_turning_is_found_and_one_that_has_ended_is_not() {
    let watched = watched(BOUNDS);
    watched.signs.turned();
    watched.signs.rests();
    assert!(timeout(4 * SOON, watched.watchdog.found()).await.is_err(), "it rests");
    watched.signs.turned();
    let found = watched.finds("consumer").await;
    assert!(found.starts_with("consumer: the consuming loop has not turned for "), "{found}");
}

/// The same program again, as the process that is stuck.
const AGAIN: &str = "YINGBIN_TEST_STANDS_STILL";

#[test]
fn a_process_whose_runtime_stands_still_is_ended_from_outside_of_it() {
    if std::env::var_os(AGAIN).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _watched = watched(Bounds { grace: SOON, ..BOUNDS });
            tokio::spawn(async { thread::park() }).await.unwrap();
        });
    }
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_whose_runtime_stands_still_is_ended_from_outside_of_it"])
        .env(AGAIN, "1")
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(STUCK), "{again:?}");
}

static HELD: OnceLock<Thread> = OnceLock::new();
static RELEASED: Mutex<bool> = Mutex::new(false);

/// Keeps the thread of whoever tells the log of the event `stuck`.
fn hold(event_id: &str) {
    if event_id.contains("stuck") {
        HELD.set(thread::current()).unwrap();
        while !*RELEASED.lock().unwrap() {
            thread::park();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_wait_for_a_redis_that_is_away_are_not_taken_for_blocked() {
    let mut world = World::new(1).await;
    let delivery = &mut world.config.delivery;
    (delivery.connect, delivery.write, delivery.read, delivery.drain) = (SOON, SOON, SOON, SOON);
    let longest = delivery.lease() + Duration::from_secs(7);
    world.run().await;
    until("it is ready", async || world.readyz().await.contains("200 OK")).await;
    world.redis.kill();
    for (user, id) in [("o1", "e1"), ("o2", "e2"), ("o3", "e3")] {
        world.push(&world.text(user, id, "hello")).await;
    }
    let ended = until("it ends", async || world.metrics().await.is_empty());
    assert!(timeout(longest, ended).await.is_err(), "it goes on waiting");
    world.redis.restart().await;
    let all: Vec<_> = world.outcomes(3).await.iter().map(|reply| reply.outcome()).collect();
    assert_eq!(all, [Outcome::Sent; 3]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_ends_the_service_and_until_then_other_users_are_answered() {
    listener::listen(hold);
    let mut world = World::new(1).await;
    world.profile_task.take().unwrap().abort();
    world.config.profile.deadline = SOON;
    let delivery = &mut world.config.delivery;
    (delivery.connect, delivery.write, delivery.read, delivery.drain) = (SOON, SOON, SOON, SOON);
    let (_shutdown, mut service) = world.replica().await;
    for (user, id) in [("o1", "stuck"), ("o2", "beside"), ("o1", "behind")] {
        world.push(&world.text(user, id, "hello")).await;
    }
    until("another user is answered", async || {
        by_id(&world.replies.replies()).get("beside") == Some(&vec![Outcome::Sent])
    })
    .await;
    let ended = timeout(Duration::from_secs(30), &mut service).await.expect("found within 30 s");
    let told = format!("{:#}", ended.unwrap().unwrap_err());
    *RELEASED.lock().unwrap() = true;
    HELD.get().unwrap().unpark();
    for named in ["watchdog failed: ", "event: partition 0, offset 0, step enrich: blocks its thread for "] {
        assert!(told.contains(named), "{named} is not in {told}");
    }
    assert!(!by_id(&world.replies.replies()).contains_key("behind"), "its own user waits for the next owner");
}
