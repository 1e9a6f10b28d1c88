//! An `Unsubscribed` event erases the profile for certain, and holds nobody up.

use std::time::Duration;

use content_service::{
    assignment::Assignment, case::Case, erasures::Erasures, metrics::Metrics, profiles::Profiles,
};
use prost::Message as _;
use proto::{
    event::{Unsubscribed, event::Kind},
    reply::Outcome,
};
use runtime::trace::TraceParent;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    ledger::Bench,
    world::{World, until},
};

const PENDING: &str = "unsubscribed; the erasure of the profile is pending";

/// Erasures that stand in Redis.
async fn owed(world: &World) -> i64 {
    world.redis.client().query(redis::cmd("HLEN").arg("erasures")).await.unwrap()
}

async fn unsubscribe(world: &World, openid: &str, id: &str) {
    world.push(&world.event(openid, id, Kind::Unsubscribed(Unsubscribed {}))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_done_at_once_where_it_can_be() {
    let mut world = World::start(1).await;
    unsubscribe(&world, "o1", "gone").await;
    assert_eq!(world.outcome("gone").await.reason, "unsubscribed");
    assert_eq!(owed(&world).await, 0);
    assert_eq!(world.profiles.lock().enriched, ["gone"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_has_to_wait_is_told_as_pending_and_outlives_the_process() {
    let mut world = World::new(1).await;
    world.profile_task.take().unwrap().abort();
    world.config.profile.deadline = Duration::from_millis(150);
    world.run().await;
    unsubscribe(&world, "o1", "gone").await;
    let reply = world.outcome("gone").await;
    assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Suppressed, PENDING));
    assert_eq!(owed(&world).await, 1);
    let pending = "content_erasures_pending 1";
    until("it shows", async || world.metrics().await.contains(pending)).await;
    world.committed(1).await;
    world.stop().await;

    let address = world.profile_address;
    world.profile_task = Some(world.profiles.start(address).await.1);
    world.run().await;
    until("it is done", async || owed(&world).await == 0).await;
    assert_eq!(world.profiles.lock().enriched, ["gone"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_user_who_is_back_is_learned_before_the_erasure() {
    let mut world = World::new(1).await;
    world.profiles.lock().refuse.insert("gone".into(), Code::Aborted);
    world.run().await;
    unsubscribe(&world, "o1", "gone").await;
    assert_eq!(world.outcome("gone").await.reason, PENDING);
    world.push(&world.text("o1", "back", "hello")).await;
    let reply = world.outcome("back").await;
    assert_eq!(reply.outcome(), Outcome::Sent);
    assert!(reply.decision.unwrap().neutral, "what is to be erased is not used either");
    world.push(&world.text("o2", "somebody else", "hello")).await;
    assert!(!world.outcome("somebody else").await.decision.unwrap().neutral);
    {
        let mut told = world.profiles.lock();
        assert_eq!(told.enriched, ["somebody else"]);
        assert!(told.shown.iter().all(|shown| shown.id != "back:shown"));
        told.refuse.clear();
    }
    world.push(&world.text("o1", "later", "hello")).await;
    world.outcome("later").await;
    let enriched = world.profiles.lock().enriched.clone();
    let of = |id: &str| enriched.iter().position(|one| one == id);
    assert!(of("gone").is_some() && of("gone") < of("later"), "{enriched:?}");
    until("it is forgotten", async || owed(&world).await == 0).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_to_nothing_is_no_refusal() {
    let mut world = World::new(1).await;
    world.profiles.lock().older = true;
    world.run().await;
    unsubscribe(&world, "o1", "gone").await;
    assert_eq!(world.outcome("gone").await.reason, PENDING);
    world.profiles.lock().older = false;
    until("it is done", async || owed(&world).await == 0).await;
    assert_eq!(world.profiles.lock().enriched, ["gone"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_owner_of_a_partition_knows_what_is_to_be_erased_first() {
    let mut world = World::new(1).await;
    world.profiles.lock().refuse.insert("gone".into(), Code::Aborted);
    world.run().await;
    unsubscribe(&world, "o1", "gone").await;
    world.outcome("gone").await;
    world.committed(1).await;
    world.stop().await;
    world.run().await;
    world.push(&world.text("o1", "back", "hello")).await;
    assert!(world.outcome("back").await.decision.unwrap().neutral);
    assert!(world.profiles.lock().enriched.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_works_without_a_partition_knows_what_is_to_be_erased_first_too() {
    let world = World::new(1).await;
    let (bench, profile) = (Bench::start().await, &world.config.profile);
    let event = world.event("o1", "gone", Kind::Unsubscribed(Unsubscribed {}));
    let user = proto::record_key(&event.app_id, &event.openid);
    let mut remembered = redis::cmd("HSET");
    remembered.arg("erasures").arg(format!("{user} gone")).arg(event.encode_to_vec());
    bench.redis.query::<i64>(&remembered).await.unwrap();

    let (profiles, looking_up) = Profiles::new(profile, CancellationToken::new()).unwrap();
    let looking_up = tokio::spawn(looking_up);
    let erasures = Erasures::new(bench.redis.clone(), profiles, Metrics::default());
    let (mine, place) = (Assignment::new(0), bench.ledger.place(&user, "again", "a person".to_owned()));
    let (trace, user) = (TraceParent::new_root(), user.as_str());
    let (account, playbook, superseded, mine) = (None, None, false, &mine);
    let case = Case { event: &event, account, playbook, user, trace, mine, superseded, place };
    until("it is done", async || erasures.settled(&case).await.unwrap()).await;
    assert_eq!(world.profiles.lock().enriched, ["gone"]);
    looking_up.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_is_refused_is_counted_and_stays_until_somebody_has_looked() {
    let mut world = World::new(1).await;
    world.profiles.lock().refuse.insert("gone".into(), Code::Internal);
    world.run().await;
    unsubscribe(&world, "o1", "gone").await;
    assert_eq!(world.outcome("gone").await.reason, PENDING);
    let seen = ["content_erasures_refused_total 1", "content_erasures_pending 1"];
    until("it is counted", async || {
        let metrics = world.metrics().await;
        seen.iter().all(|line| metrics.contains(line))
    })
    .await;
    world.stop().await;
    assert_eq!(owed(&world).await, 1);

    world.profiles.lock().refuse.clear();
    world.run().await;
    until("a new process tries again", async || owed(&world).await == 0).await;
    world.stop().await;
}
