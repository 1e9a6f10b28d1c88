//! Accounts that the platform stops: all replicas know, one event a minute tries, and one that gets through opens them again.

use std::time::Duration;

use content_service::breaker::Word;
use proto::reply::{Outcome, Reply};

use crate::{
    fakes::Answer,
    steps::{Bare, batch},
    world::{OTHER_APP, World, end, until},
};

/// More than the time between two tries of a stopped account.
const A_MINUTE: Duration = Duration::from_secs(61);

fn stopped(reply: &Reply) -> bool {
    reply.outcome() == Outcome::Refused && reply.reason.starts_with("account stopped until ")
}

fn sent(reply: &Reply) -> bool {
    reply.outcome() == Outcome::Sent
}

fn calls(world: &World) -> usize {
    world.api.lock().calls
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_account_is_tried_once_a_minute_by_the_whole_fleet_and_opens_everywhere() {
    let mut world = World::start_patiently(4).await;
    let second = world.replica().await;
    world.api.lock().errcode = 48_001;
    batch(&world, "first").await;
    let mut number = 0;
    until("both replicas know", async || {
        number += 1;
        let before = calls(&world);
        assert!(batch(&world, &format!("know{number}_")).await.iter().all(|reply| !sent(reply)));
        calls(&world) == before
    })
    .await;
    let mut other = world.text("p", "other", "hello");
    (other.account, other.app_id) = ("other".into(), OTHER_APP.into());
    world.push(&other).await;
    assert!(sent(&world.outcome("other").await), "another account goes on");

    let before = calls(&world);
    world.clock.advance(A_MINUTE);
    let tried = batch(&world, "tried").await;
    assert_eq!(calls(&world) - before, 1, "one event of the fleet tries");
    assert_eq!(
        tried.iter().filter(|reply| stopped(reply)).count(),
        19,
        "the others have their outcome at once"
    );

    world.api.lock().errcode = 0;
    world.clock.advance(A_MINUTE);
    assert!(batch(&world, "opened").await.iter().any(sent), "one gets through");
    let mut number = 0;
    until("the account is open for both", async || {
        number += 1;
        batch(&world, &format!("open{number}_")).await.iter().all(sent)
    })
    .await;
    end(second).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_does_not_say_what_it_did_is_tried_again_every_ten_seconds() {
    let mut world = World::start_patiently(4).await;
    world.api.lock().errcode = -1;
    batch(&world, "first").await;
    for round in ["second", "third"] {
        let before = calls(&world);
        world.clock.advance(Duration::from_secs(11));
        let tried = batch(&world, round).await;
        assert_eq!(
            (calls(&world) - before, tried.iter().filter(|reply| stopped(reply)).count()),
            (1, 19),
            "{round}"
        );
    }
    world.api.lock().errcode = 0;
    world.clock.advance(Duration::from_secs(11));
    assert!(batch(&world, "opened").await.iter().any(sent), "one gets through");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_meet_the_end_of_a_minutes_quota_are_sent_in_the_next_and_later_ones_end_at_once() {
    let mut world = World::start_patiently(1).await;
    let now_ms = world.clock.now_ms();
    world.clock.set_ms(now_ms / 60_000 * 60_000 + 54_000);
    world.api.lock().delay = Duration::from_secs(1);
    world.api.lock().script.extend([Answer::Code(45_011); 3]);
    for user in 0..3 {
        world.push(&world.text(&format!("o{user}"), &format!("e{user}"), "hello")).await;
    }
    until("the platform has refused them", async || {
        world.metrics().await.contains("account_stopped{name=\"shop\"} 1")
    })
    .await;
    world.push(&world.text("late", "late", "hello")).await;
    assert!(stopped(&world.outcome("late").await));
    for user in 0..3 {
        let reply = world.outcome(&format!("e{user}")).await;
        assert_eq!((reply.outcome(), reply.parts[0].attempts), (Outcome::Sent, 2), "{}", reply.reason);
        let second = reply.ended_at_ms % 60_000 / 1_000;
        assert!((2..30).contains(&second), "in the next minute, whatever clock it is by: {second}");
    }
    assert_eq!(calls(&world), 6);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_told_before_the_first_event_and_found_when_it_is_granted() {
    let mut world = World::new(1).await;
    world.config.delivery.check_right = true;
    (world.api.lock().errcode, world.other_api.lock().errcode) = (48_001, 40_003);
    world.run().await;
    until("both accounts are asked", async || {
        let metrics = world.metrics().await;
        metrics.contains("account_stopped{name=\"shop\"} 1") && world.other_api.lock().calls == 1
    })
    .await;
    assert!(world.metrics().await.contains("account_stopped{name=\"other\"} 0"));
    world.push(&world.text("o1", "e1", "hello")).await;
    assert!(stopped(&world.outcome("e1").await));
    assert!(world.readyz().await.starts_with("HTTP/1.1 200"));
    assert_eq!(calls(&world), 1);

    world.api.lock().errcode = 0;
    world.clock.advance(A_MINUTE);
    world.push(&world.text("o1", "e2", "hello")).await;
    assert!(sent(&world.outcome("e2").await));
    until("it is told", async || world.metrics().await.contains("account_stopped{name=\"shop\"} 0")).await;
    assert!(world.api.contents("yingbin-capability-check").is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_not_known_is_asked_for_until_it_is() {
    let mut world = World::new(1).await;
    world.config.delivery.check_right = true;
    world.api.lock().script.extend([Answer::Code(47_001), Answer::Code(48_001)]);
    world.other_api.lock().token_away = true;
    world.run().await;
    until("a refusal that says nothing of the right is followed by another question", async || {
        world.metrics().await.contains("account_stopped{name=\"shop\"} 1")
    })
    .await;
    assert_eq!(calls(&world), 2);
    until("the token endpoint is asked", async || world.other_api.lock().token_calls > 0).await;
    world.other_api.lock().token_away = false;
    until("the other account is asked", async || world.other_api.lock().calls == 1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_come_to_nothing_stop_no_account_and_end_with_the_first_event() {
    let world = World::new(1).await;
    let Bare { deliverer, account, .. } = Bare::of(&world);
    world.api.lock().errcode = -1;
    for asked in 1..=20 {
        let asking = deliverer.check_right(&account);
        let answered = until("it is asked", async || calls(&world) == asked);
        tokio::select! {
            () = asking => panic!("nothing is known"),
            () = answered => {}
        }
    }
    assert_eq!(account.breaker.held(), None);
    account.hear(&Word::Open, "o", None, world.clock.now_ms());
    deliverer.check_right(&account).await;
    assert_eq!(calls(&world), 20, "an event has shown it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_asked_for_its_right_also_if_redis_comes_later_than_the_service() {
    let mut world = World::new(1).await;
    world.config.delivery.check_right = true;
    world.api.lock().errcode = 48_001;
    world.redis.kill();
    world.run().await;
    until("Redis was missed", async || {
        let metrics = world.metrics().await;
        metrics.lines().any(|line| line.starts_with("content_ledger_waits_total") && !line.ends_with(" 0"))
    })
    .await;
    world.redis.restart().await;
    until("the missing right is told", async || {
        world.metrics().await.contains("account_stopped{name=\"shop\"} 1")
    })
    .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_called_for_a_quota_whose_day_is_over_though_nobody_has_tried_since() {
    let mut world = World::start_patiently(1).await;
    world.api.lock().script.push_back(Answer::Code(45_009));
    world.push(&world.text("o1", "e1", "hello")).await;
    until("it is told", async || world.metrics().await.contains("account_stopped{name=\"shop\"} 1")).await;
    world.clock.advance(Duration::from_secs(24 * 3_600));
    until("it is over", async || world.metrics().await.contains("account_stopped{name=\"shop\"} 0")).await;
    assert_eq!(calls(&world), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_outlives_the_process_that_met_it() {
    let mut world = World::start_patiently(1).await;
    world.api.lock().script.push_back(Answer::Code(45_009));
    world.push(&world.text("o1", "e1", "hello")).await;
    assert_eq!(world.outcome("e1").await.reason, "errcode 45009");
    world.stop().await;
    world.run().await;
    until("it is known again", async || world.metrics().await.contains("account_stopped{name=\"shop\"} 1"))
        .await;
    world.push(&world.text("o1", "e2", "hello")).await;
    let reply = world.outcome("e2").await;
    assert!(stopped(&reply), "{}", reply.reason);
    assert_eq!((reply.until_ms + 8 * 3_600_000) % 86_400_000, 0, "until midnight in Beijing");
    assert_eq!(calls(&world), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_knows_or_that_punishes_gives_up_the_message_and_is_told() {
    let mut world = World::start_patiently(1).await;
    world.api.lock().script.push_back(Answer::Code(99_999));
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Refused, "errcode 99999"));
    assert!(world.metrics().await.contains("content_unknown_errcodes_total{errcode=\"99999\"} 1"));
    world.api.lock().script.push_back(Answer::Code(45_094));
    world.push(&world.text("o1", "e2", "hello")).await;
    assert_eq!(world.outcome("e2").await.reason, "errcode 45094");
    assert!(world.metrics().await.contains("content_unknown_errcodes_total{errcode=\"45094\"} 1"));
    world.push(&world.text("o1", "e3", "hello")).await;
    assert!(sent(&world.outcome("e3").await), "the account goes on");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_platform_gets_the_event_again_when_it_says() {
    let mut world = World::start_patiently(1).await;
    world.api.lock().script.push_back(Answer::Busy(1));
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.parts[0].attempts), (Outcome::Sent, 2), "{}", reply.reason);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_serves_every_process_and_stands_nowhere_in_the_clear() {
    let mut world = World::start_patiently(1).await;
    for id in ["e1", "e2"] {
        world.push(&world.text("o1", id, "hello")).await;
        assert!(sent(&world.outcome(id).await));
        world.stop().await;
        world.run().await;
    }
    assert_eq!(world.api.lock().token_calls, 1);
    let key = format!("t:{}", crate::world::APP);
    let kept: Vec<u8> = world.redis.client().query(redis::cmd("GET").arg(key)).await.unwrap();
    assert!(!kept.is_empty() && !String::from_utf8_lossy(&kept).contains("ACCESS"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_platform_refuses_stops_the_account_and_is_asked_for_again() {
    // The second is that of a wrong secret, where it answers a call for a token.
    for errcode in [40_164, 40_001] {
        refused_token(errcode).await;
    }
}

async fn refused_token(errcode: i32) {
    let mut world = World::new(1).await;
    world.api.lock().token_errcode = Some(errcode);
    world.run().await;
    for id in ["e1", "e2"] {
        world.push(&world.text("o1", id, "hello")).await;
        let (reply, why) = (world.outcome(id).await, format!("errcode {errcode}"));
        assert!(stopped(&reply) && reply.reason.ends_with(&why), "{}", reply.reason);
    }
    assert_eq!(world.api.lock().token_calls, 1);
    world.api.lock().token_errcode = None;
    let mut number = 0;
    until("the account is open", async || {
        number += 1;
        world.clock.advance(A_MINUTE);
        let id = format!("again{number}");
        world.push(&world.text("o1", &id, "hello")).await;
        sent(&world.outcome(&id).await)
    })
    .await;
    assert_eq!(world.api.lock().token_calls, 2);
    world.stop().await;
}
