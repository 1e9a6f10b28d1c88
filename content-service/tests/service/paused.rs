//! F13: the process, or its partition, is taken away between arming and the first byte.

use std::time::Duration;

use content_service::{
    assignment::Assignment,
    ledger::{Entry, Granted, Ledger, Proposal, State, Terms},
    metrics::Metrics,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use proto::reply::Outcome;
use runtime::{
    clock::Clock,
    redis::{Redis, RedisConfig},
};
use tokio::time::Instant;

use crate::{
    gate::Gate,
    ledger::proposal,
    redis_server::RedisServer,
    steps::Bare,
    world::{World, until},
};

/// Delivers an entry that was armed `ago`; what it is afterwards, and the calls of the platform.
async fn armed(ago: Duration, mine: &Assignment) -> (Entry, usize) {
    let world = World::new(1).await;
    let bare = Bare::of(&world);
    let slot = bare.deliverer.slot(&bare.account).await.unwrap();
    let mut entry = bare.armed().await;
    entry.state = State::Armed(Instant::now() - ago);
    assert_eq!(bare.deliver(mine, &mut entry, slot).await, mine.holds());
    let calls = world.api.lock().calls;
    (entry, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_armed_before_a_sleep_is_armed_again_before_a_byte_leaves() {
    let (entry, calls) = armed(Duration::from_secs(10), &Assignment::new(1)).await;
    assert_eq!((entry.reply.outcome(), entry.attempt, entry.attempts(), calls), (Outcome::Sent, 2, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_leaves_for_a_partition_that_was_lost_meanwhile() {
    let mine = Assignment::new(1);
    mine.lose();
    let (entry, calls) = armed(Duration::ZERO, &mine).await;
    assert_eq!((entry.state, calls), (State::Reserved, 0), "its next owner goes on at once");
}

/// Its token is fetched anew while the partition is lost: neither the connection that is kept from that nor a fresh one carries it.
#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_fenced_off_is_counted_once() {
    let mut world = World::new(1).await;
    let gate = Gate::before(&world.config.accounts[0].api).await;
    world.config.accounts[0].api = format!("http://{}", gate.address);
    let before = Bare::of(&world);
    let slot = before.deliverer.slot(&before.account).await.unwrap();
    world.clock.advance(Duration::from_secs(7_200));
    let (bare, mine) = (Bare::of(&world), Assignment::new(1));
    let mut entry = bare.armed().await;
    gate.hold();
    entry.state = State::Armed(Instant::now());
    let losing = async {
        until("the token is held back", async || gate.held()).await;
        mine.lose();
        gate.open();
    };
    let (delivered, ()) = tokio::join!(bare.deliver(&mine, &mut entry, slot), losing);
    assert!(!delivered && world.api.lock().calls == 0);
    assert_eq!(world.api.lock().token_calls, 2);
    let (mut registry, mut text) = (Registry::default(), String::new());
    bare.metrics.register(&mut registry);
    encode(&mut text, &registry).unwrap();
    assert!(text.contains("content_fence_rejected_total 1\n"), "{text}");
}

/// What was armed counts from the question when the answer was read too late to know how old it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_slept_over_counts_from_its_question() {
    let (server, mine, clock) = (RedisServer::start().await, Assignment::new(1), Clock::system());
    let gate = Gate::before(&server.config().url).await;
    let config = RedisConfig::new(format!("redis://{}", gate.address), Duration::from_secs(60));
    let terms = Terms { ttl: Duration::from_secs(3600), lease: Duration::from_secs(60), replicas: 0 };
    let ledger = Ledger::new(Redis::new(&config, "").unwrap(), terms, clock.clone(), Metrics::default());
    let place = ledger.place("wx:o", "e", "me".to_owned());
    let (since_ms, until_ms) = (clock.now_ms(), clock.now_ms() + 60_000);
    let granted = Some(Granted { name: "message", messages: 5, since_ms, until_ms });
    let proposal = Proposal { granted, ..proposal("e", 1) };
    let mut entry = ledger.reserve(&place, &mine, proposal, false).await.unwrap();
    assert_eq!(entry.state, State::Reserved);

    gate.hold();
    let asked = Instant::now();
    let arming = async { ledger.arm(&place, &mine, &mut entry).await.unwrap() };
    let answering = async {
        until("the answer is held", async || gate.held()).await;
        let held = Instant::now();
        until("no call takes so long", async || held.elapsed() > Duration::from_secs(1)).await;
        let answered = Instant::now();
        gate.open();
        answered
    };
    let ((), answered) = tokio::join!(arming, answering);
    let State::Armed(since) = entry.state else { panic!("{:?}", entry.state) };
    assert!(asked <= since && since < answered, "{:?} after the question", since - asked);
}
