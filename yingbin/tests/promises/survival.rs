//! What the promises survive besides kills: Redis restarted under load, and services that are rolled under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use proto::reply::Outcome;
use runtime::kafka::GroupProtocol;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{
    house::{House, Service, taken},
    processes::until,
};

/// How soon there has to be progress when a fault has ended.
const PROGRESS: Duration = Duration::from_secs(15);
/// How long a service may take to end in order: its drain, the broker's answer to its leaving, and a margin.
const END: Duration = Duration::from_secs(12);
/// Sends that a content-service has in flight at most.
const IN_FLIGHT: usize = 64;

/// No more than so many events under way, so that a slow machine is not asked for more than it can do.
const BACKLOG: usize = 300;

/// Pushes of a text every ten milliseconds until it is told to stop.
struct Load {
    pushed: Arc<AtomicUsize>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Load {
    fn start(house: &Arc<House>) -> Self {
        let (pushed, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let task = tokio::spawn(push_texts(Arc::clone(house), Arc::clone(&pushed), stop.clone()));
        Self { pushed, stop, task }
    }

    fn pushed(&self) -> usize {
        self.pushed.load(Ordering::Relaxed)
    }

    /// Waits until so many more have been pushed.
    async fn goes_on(&self, more: usize) {
        let count = self.pushed() + more;
        until("the load goes on", PROGRESS, async || (self.pushed() >= count).then_some(())).await;
    }

    /// Waits until each has been answered 200; returns how many there were.
    async fn ends(self) -> usize {
        self.stop.cancel();
        self.task.await.unwrap();
        self.pushed.load(Ordering::Relaxed)
    }
}

async fn push_texts(house: Arc<House>, pushed: Arc<AtomicUsize>, stop: CancellationToken) {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let mut pushing = Vec::new();
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        let n = pushing.len();
        if n > house.simulator.arrivals(0, None).len() + BACKLOG {
            continue;
        }
        pushing.push(house.push(house.text(&format!("o{}", n % 200), &format!("text {n}"))));
        pushed.store(n + 1, Ordering::Relaxed);
    }
    for push in pushing {
        taken(&push.await.unwrap());
    }
}

/// Waits until so many more messages have arrived.
async fn progress(house: &House, more: usize) {
    house.arrived(house.simulator.arrivals(0, None).len() + more, PROGRESS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_restarted_under_load_loses_nothing_and_sends_nothing_twice() {
    let house = Arc::new(House::open().await);
    let (_gateway, _profile, _content) = house.staff().await;
    let load = Load::start(&house);
    progress(&house, 50).await;
    house.redis.lock().await.kill();
    load.goes_on(100).await;
    house.redis.lock().await.start_again().await;
    progress(&house, 100).await;
    let pushed = load.ends().await;

    let books = house.books().await;
    let (sent, unknown) = (books.count(Outcome::Sent), books.count(Outcome::Unknown));
    println!("{pushed} pushed: {sent} sent, {unknown} unknown");
    assert_eq!((books.len(), sent + unknown), (pushed, pushed));
    assert!(unknown <= IN_FLIGHT, "{unknown} unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_rolled_under_load_lose_and_duplicate_nothing() {
    roll_under_load(GroupProtocol::Classic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_rolled_under_load_in_a_group_of_the_new_kind_lose_and_duplicate_nothing() {
    roll_under_load(GroupProtocol::Consumer).await;
}

async fn roll_under_load(protocol: GroupProtocol) {
    let house = Arc::new(House::open_with(protocol).await);
    let (gateway, profile, one) = house.staff().await;
    let two = house.content("content-service-two").await;
    let load = Load::start(&house);
    progress(&house, 50).await;
    let one = rolled(&house, "content-service", one).await;
    let two = rolled(&house, "content-service-two", two).await;
    let pushed = load.ends().await;

    let books = house.books().await;
    assert_eq!(books.len(), pushed);
    books.all(Outcome::Sent);
    books.in_order(&house.simulator.arrivals(0, None));
    for service in [gateway, one, two, profile] {
        ends_in_order(service).await;
    }
}

/// Ends a content-service in the middle of its work and starts it again.
async fn rolled(house: &House, name: &str, service: Service) -> Service {
    ends_in_order(service).await;
    let again = house.content(name).await;
    progress(house, 50).await;
    again
}

async fn ends_in_order(service: Service) {
    let status = service.terminate(END).await;
    assert_eq!(status.code(), Some(0), "{status}");
}
