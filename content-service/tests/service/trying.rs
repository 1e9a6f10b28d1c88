//! The right to try a stopped account: only a call uses it up, and only some answers to it open the account.

use std::time::{Duration, Instant};

use content_service::{
    assignment::Assignment,
    breaker::Stop,
    ledger::State,
    watchdog::{Bounds, Signs, Watchdog},
};
use futures::FutureExt as _;
use proto::reply::Outcome;

use crate::{
    fakes::Answer,
    gate::Gate,
    steps::{Bare, sends},
    world::{APP, World, until},
};

const A_MINUTE: Duration = Duration::from_secs(61);

/// A world whose first account has just been stopped and may be tried.
async fn stopped(world: &mut World) {
    world.api.lock().script.push_back(Answer::Code(48_001));
    world.run().await;
    world.push(&world.text("o1", "stops", "hello")).await;
    assert_eq!(world.outcome("stops").await.reason, "errcode 48001");
    world.clock.advance(A_MINUTE);
}

/// When the next event may try, by Redis.
async fn probe_ms(world: &World) -> i64 {
    let mut ask = redis::cmd("HGET");
    let stop: String = world.redis.client().query(ask.arg("stops").arg(APP)).await.unwrap();
    Stop::read(&stop).unwrap().probe_ms
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_message_opens_no_account() {
    let mut world = World::new(1).await;
    stopped(&mut world).await;
    for (event, errcode) in [("e1", 44_002), ("e2", 99_999)] {
        world.api.lock().script.push_back(Answer::Code(errcode));
        world.push(&world.text("o1", event, "hello")).await;
        assert_eq!(world.outcome(event).await.reason, format!("errcode {errcode}"), "it tries");
        let next = format!("after {event}");
        world.push(&world.text("o1", &next, "hello")).await;
        let reply = world.outcome(&next).await;
        assert!(reply.reason.starts_with("account stopped until "), "{}", reply.reason);
        world.clock.advance(A_MINUTE);
    }
    world.api.lock().script.push_back(Answer::Code(40_003));
    for (event, reason) in [("e3", "errcode 40003"), ("e4", "")] {
        world.push(&world.text("o1", event, "hello")).await;
        assert_eq!(world.outcome(event).await.reason, reason, "who is heard about the user may send");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_refused_do_not_use_up_the_right() {
    let mut world = World::new(1).await;
    let gate = Gate::before(&world.config.accounts[0].api).await;
    world.config.accounts[0].api = format!("http://{}", gate.address);
    stopped(&mut world).await;
    gate.shut();
    world.push(&world.text("o1", "e1", "hello")).await;
    until("two tries have failed", async || sends(&world).await >= 3).await;
    gate.open();
    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.parts[0].attempts), (Outcome::Sent, 1), "{}", reply.reason);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_of_an_event_that_ends_without_a_try_goes_to_the_next() {
    let mut world = World::start(1).await;
    let first = world.text("o1", "again", "hello");
    world.push(&first).await;
    assert_eq!(world.outcome("again").await.outcome(), Outcome::Sent);
    world.committed(1).await;
    world.stop().await;
    stopped(&mut world).await;
    // Only the ledger knows that it has been answered; nothing is published for it once more.
    world.push(&first).await;
    world.committed(3).await;
    until("the right has gone back", async || probe_ms(&world).await <= world.clock.now_ms()).await;
    world.push(&world.text("o2", "e2", "hello")).await;
    let reply = world.outcome("e2").await;
    assert_eq!(reply.outcome(), Outcome::Sent, "{}", reply.reason);
    assert_eq!(world.api.lock().calls, 3);
    world.stop().await;
}

/// The first account, which has been stopped for this code, for an hour, and may be tried.
async fn may_be_tried(world: &World, errcode: i32) -> Bare {
    let (bare, now_ms) = (Bare::of(world), world.clock.now_ms());
    let text = format!("{}|{now_ms}|60000|errcode {errcode}", now_ms + 3_600_000);
    let mut write = redis::cmd("HSET");
    world.redis.client().query::<i64>(write.arg("stops").arg(APP).arg(&text)).await.unwrap();
    bare.account.learn(Stop::read(&text), now_ms);
    bare
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_armed_before_a_sleep_keeps_its_right_to_try() {
    let world = World::new(1).await;
    let bare = may_be_tried(&world, 48_001).await;
    let slot = bare.deliverer.slot(&bare.account).await.unwrap();
    assert!(slot.tries());
    let mut entry = bare.armed().await;
    entry.state = State::Armed(tokio::time::Instant::now() - Duration::from_secs(10));
    assert!(bare.deliver(&Assignment::new(1), &mut entry, slot).await);
    assert_eq!((entry.reply.outcome(), entry.attempts()), (Outcome::Sent, 1), "{}", entry.reply.reason);
    assert_eq!(bare.account.breaker.held(), None, "it got through");
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_that_comes_to_nothing_leaves_the_right_to_the_next() {
    let world = World::new(1).await;
    let bare = may_be_tried(&world, 48_001).await;
    let tried = || bare.account.breaker.stopped(world.clock.now_ms()).is_some();
    world.api.lock().token_away = true;
    bare.deliverer.slot(&bare.account).await.unwrap_err();
    assert!(!tried(), "there was no token");

    let world = World::new(1).await;
    let bare = may_be_tried(&world, 48_001).await;
    let tried = || bare.account.breaker.stopped(world.clock.now_ms()).is_some();
    let slot = bare.deliverer.slot(&bare.account).await.unwrap();
    assert!(slot.tries() && tried());
    bare.deliverer.leave(&bare.account, slot);
    assert!(!tried(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_question_takes_the_one_try_of_a_day_whose_quota_is_used_up() {
    let world = World::new(1).await;
    let Bare { deliverer, account, .. } = may_be_tried(&world, 45_009).await;
    let slot = tokio::select! {
        biased;
        () = deliverer.check_right(&account) => panic!("it is not known whether it may send"),
        slot = deliverer.slot(&account) => slot,
    };
    assert!(slot.unwrap().tries(), "an event may try");
    assert_eq!(world.api.lock().calls, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_for_a_token_is_not_taken_for_blocked() {
    let mut world = World::new(1).await;
    let gate = Gate::before(&world.config.accounts[0].api).await;
    world.config.accounts[0].api = format!("http://{}", gate.address);
    let Bare { deliverer, account, metrics, .. } = Bare::of(&world);
    let (signs, minute) = (Signs::default(), Duration::from_secs(60));
    let bounds = Bounds { still: Duration::from_secs(1), turn: minute, grace: minute };
    let handle = tokio::runtime::Handle::current();
    let watchdog = Watchdog::start(signs.clone(), bounds, &handle, &metrics).unwrap();

    gate.hold();
    // In a task of its own, which nothing else wakes.
    let waiting = tokio::spawn(async move {
        let slot = Box::pin(deliverer.slot(&account));
        signs.watched(0, 0, slot).await.map(drop)
    });
    until("the token is held back", async || gate.held()).await;
    let held = Instant::now();
    until("an event may be still for no longer", async || held.elapsed() > 2 * bounds.still).await;
    gate.open();
    waiting.await.unwrap().unwrap();
    let found = watchdog.found().now_or_never().unwrap_or_default();
    assert_eq!(found, "", "nor is anything else found");
}
