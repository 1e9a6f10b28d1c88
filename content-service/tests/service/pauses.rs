//! The quota of a minute: who meets its end waits for the next minute, unless something else ends that.

use std::time::Duration;

use proto::reply::{Outcome, Reply};

use crate::{
    fakes::Answer,
    steps::{batch, push_all},
    world::{World, end, until},
};

/// So far into a minute that nothing here lasts to its end.
const EARLY_MS: i64 = 5_000;

/// Sets the clock so; the time that it is now.
fn early(world: &World) -> i64 {
    let now_ms = world.clock.now_ms() / 60_000 * 60_000 + EARLY_MS;
    world.clock.set_ms(now_ms);
    now_ms
}

fn stopped_by(reply: &Reply, errcode: i32) -> bool {
    let told = reply.reason.starts_with("account stopped until ");
    reply.outcome() == Outcome::Refused && told && reply.reason.ends_with(&format!(": errcode {errcode}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_next_minute_ends_at_once_when_the_account_is_stopped_for_something_else() {
    let mut world = World::start(1).await;
    early(&world);
    world.api.lock().script.extend([45_009, 45_011].map(Answer::Code));
    world.api.lock().held.insert("slow".into());
    world.push(&world.text("slow", "day", "hello")).await;
    until("the platform has it", async || world.api.lock().calls == 1).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    until("it waits for the next minute", async || {
        world.metrics().await.contains("account_stopped{name=\"shop\"} 1")
    })
    .await;
    world.api.lock().held.clear();
    assert_eq!(world.outcome("day").await.reason, "errcode 45009");
    let reply = world.outcome("e1").await;
    assert!(stopped_by(&reply, 45_009), "{}", reply.reason);
    assert_eq!((reply.parts[0].attempts, reply.parts[0].errcode), (1, None), "it has met the other");
    assert!(reply.ended_at_ms % 60_000 < 40_000, "it has not waited for the next minute");
    assert_eq!(world.api.lock().calls, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_the_next_minute_longer_than_an_event_may_be_old() {
    let mut world = World::new(1).await;
    world.config.delivery.max_age = Duration::from_secs(10);
    world.run().await;
    world.push(&world.text("warm", "warm", "up")).await;
    assert_eq!(world.outcome("warm").await.outcome(), Outcome::Sent);
    early(&world);
    world.api.lock().script.push_back(Answer::Code(45_011));
    let event = world.text("o1", "e1", "hello");
    world.push(&event).await;
    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Expired, "too old to be answered"));
    let age_ms = reply.ended_at_ms - event.occurred_at_ms;
    assert!((10_000..40_000).contains(&age_ms), "{age_ms}");
    assert_eq!(world.api.lock().calls, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minutes_quota_that_one_replica_met_is_kept_by_all() {
    let mut world = World::start(4).await;
    let (second, now_ms) = (world.replica().await, early(&world));
    world.api.lock().script.push_back(Answer::Code(45_011));
    world.push(&world.text("first", "first", "hello")).await;
    until("it has met the end of the quota", async || world.api.lock().calls == 1).await;
    let mut round = 0;
    until("both replicas know", async || {
        round += 1;
        world.clock.set_ms(now_ms);
        let before = world.api.lock().calls;
        let ends = batch(&world, &format!("know{round}_")).await;
        world.api.lock().calls == before && ends.iter().all(|reply| stopped_by(reply, 45_011))
    })
    .await;
    world.clock.set_ms(now_ms);
    let before = world.api.lock().calls;
    let held = batch(&world, "held").await;
    assert!(held.iter().all(|reply| stopped_by(reply, 45_011)));
    assert_eq!(world.api.lock().calls, before);

    world.api.lock().errcode = 45_011;
    world.clock.set_ms(now_ms + 60_000);
    // The one that tries waits for yet another minute.
    push_all(&world, "next").await;
    until("the others have their outcome", async || ended(&world, "next") >= 19).await;
    assert_eq!(world.api.lock().calls, before + 1, "one event of the fleet tries in the next minute");
    end(second).await;
    world.stop().await;
}

fn ended(world: &World, name: &str) -> usize {
    let of_it = |reply: &Reply| reply.event_id.starts_with(&format!("{name}-"));
    world.replies.replies().iter().filter(|reply| of_it(reply)).count()
}
