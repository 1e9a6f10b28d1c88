//! F13: the process, or its partition, is taken away between arming and the first byte.

use std::time::Duration;

use content_service::{
    accounts::Accounts,
    assignment::Assignment,
    case::Case,
    deliver::Deliverer,
    ledger::{Entry, Granted, Ledger, Proposal, State, Terms},
    metrics::Metrics,
};
use proto::{event::Event, reply::Outcome};
use runtime::{
    clock::Clock,
    redis::{Redis, RedisConfig},
    trace::TraceParent,
};
use tokio::time::Instant;

use crate::{
    gate::Gate,
    ledger::proposal,
    redis_server::RedisServer,
    world::{APP, World, until},
};

/// Delivers an entry that was armed `ago`; what it is afterwards, and the calls of the platform.
async fn armed(ago: Duration, mine: &Assignment) -> (Entry, usize) {
    let (world, metrics) = (World::new(1).await, Metrics::default());
    let (redis, clock) = (world.redis.client(), world.clock.clone());
    let accounts = Accounts::open(&world.config, &redis, &clock, &metrics).unwrap();
    let account = accounts.get(APP).unwrap();
    let terms = Terms { ttl: Duration::from_secs(3600), lease: Duration::from_secs(9), replicas: 0 };
    let ledger = Ledger::new(redis, terms, clock.clone(), metrics.clone());
    let deliverer = Deliverer::new(ledger.clone(), world.config.delivery.clone(), clock.clone(), metrics);
    let now_ms = clock.now_ms();
    let event = Event { id: "e".into(), app_id: APP.into(), occurred_at_ms: now_ms, ..Event::default() };
    let place = ledger.place("wx:o", "e", "me".to_owned());
    let (since_ms, until_ms) = (now_ms, now_ms + 60_000);
    let granted = Some(Granted { name: "message", messages: 5, since_ms, until_ms });
    let mut proposal = proposal("e", 1);
    proposal.granted = granted;
    let slot = deliverer.slot(account).await.unwrap();
    let mut entry = ledger.reserve(&place, &Assignment::new(1), proposal, true).await.unwrap();
    entry.state = State::Armed(Instant::now() - ago);
    let (trace, account) = (TraceParent::new_root(), Some(account.as_ref()));
    let (playbook, user, superseded) = (None, "wx:o", false);
    let case = Case { event: &event, account, playbook, user, trace, mine, superseded, place };
    let ended = deliverer.deliver(&case, account.unwrap(), &mut entry, Some(slot)).await;
    assert_eq!(ended.is_ok(), mine.holds());
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

/// What was armed counts from the question when the answer was read too late to know how old it is.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_slept_over_counts_from_its_question() {
    let (server, mine, clock) = (RedisServer::start().await, Assignment::new(1), Clock::system());
    let gate = Gate::before(&server.config().url).await;
    let config = RedisConfig { url: format!("redis://{}", gate.address), deadline: Duration::from_secs(60) };
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
