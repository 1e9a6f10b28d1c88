//! Bounds, order, refusals and stops.

use std::time::{Duration, Instant};

use proto::reply::Outcome;

use crate::{
    fakes::Answer,
    gate::Gate,
    steps::sends,
    world::{OTHER_APP, World, by_id, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn users_stay_in_order_whatever_the_platform_takes_for_each() {
    let mut world = World::start(3).await;
    for user in 0..6u64 {
        world.api.lock().delays.insert(format!("o{user}"), Duration::from_millis((user * 7) % 20));
    }
    for number in 0..5 {
        for user in 0..6 {
            world
                .push(&world.text(&format!("o{user}"), &format!("e{user}-{number}"), &number.to_string()))
                .await;
        }
    }
    world.outcomes(30).await;
    for user in 0..6 {
        assert_eq!(world.api.contents(&format!("o{user}")), ["0", "1", "2", "3", "4"], "user {user}");
    }
    world.committed(30).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_platform_is_bounded_by_sends_in_flight_and_not_by_partitions() {
    let mut world = World::new(1).await;
    world.config.accounts.truncate(1);
    world.api.lock().delay = Duration::from_millis(100);
    world.run().await;
    world.push(&world.text("warm", "warm", "up")).await;
    world.outcome("warm").await;
    let started = Instant::now();
    for user in 0..256 {
        world.push(&world.text(&format!("o{user}"), &format!("e{user}"), "hello")).await;
    }
    let replies = world.outcomes(257).await;
    assert!(replies.iter().all(|reply| reply.outcome() == Outcome::Sent), "{:?}", by_id(&replies));
    let most = world.api.lock().most_in_flight;
    assert!((33..=64).contains(&most), "{most} sends at a time, 64 allowed");
    assert!(started.elapsed() < Duration::from_secs(10), "one after the other it would be 25 s");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_end_with_their_code_and_are_not_repeated() {
    let mut world = World::start(1).await;
    world.api.lock().script.extend([Answer::Code(45_015), Answer::Code(-1), Answer::Code(40_003)]);
    let mut reasons = Vec::new();
    for number in 0..3 {
        let id = format!("e{number}");
        world.push(&world.text(&format!("o{number}"), &id, "two")).await;
        let reply = world.outcome(&id).await;
        assert_eq!(reply.parts[1].outcome(), Outcome::Suppressed, "the second part is not tried");
        reasons.push((reply.outcome(), reply.reason, reply.parts[0].errcode));
    }
    assert_eq!(
        reasons,
        [
            (Outcome::Refused, "errcode 45015".to_owned(), Some(45_015)),
            (Outcome::Unknown, "errcode -1".to_owned(), Some(-1)),
            (Outcome::Refused, "errcode 40003".to_owned(), Some(40_003)),
        ]
    );
    assert_eq!(world.api.lock().calls, 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_tried_again_is_tried_again() {
    let mut world = World::start(1).await;
    world.api.lock().script.extend([Answer::Code(61_450), Answer::Code(61_450)]);
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!((reply.outcome(), reply.parts[0].attempts), (Outcome::Sent, 3));
    assert_eq!(world.api.contents("o1"), ["hello"]);
    assert_eq!(reply.decision.unwrap().budget.unwrap().after, 4, "three tries cost one unit");
    world.stop().await;
}

/// What stands between two users' first events and the platform, for a while.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Answers(Answer),
    NoConnection,
}

#[tokio::test(flavor = "multi_thread")]
async fn users_stay_in_order_whatever_their_first_events_have_to_wait_for() {
    for (trouble, attempts) in [
        (Trouble::Answers(Answer::Code(61_450)), 2),
        (Trouble::Answers(Answer::Busy(1)), 2),
        (Trouble::Answers(Answer::Code(45_011)), 2),
        (Trouble::NoConnection, 1),
    ] {
        stay_in_order(trouble, attempts).await;
    }
}

async fn stay_in_order(trouble: Trouble, attempts: u32) {
    let mut world = World::new(1).await;
    let gate = Gate::before(&world.config.accounts[0].api).await;
    world.config.accounts[0].api = format!("http://{}", gate.address);
    world.run().await;
    world.push(&world.text("warm", "warm", "a token is at hand")).await;
    world.outcome("warm").await;
    // The next minute is near, and both meet the trouble before one answer is there.
    let now_ms = world.clock.now_ms();
    world.clock.set_ms(now_ms / 60_000 * 60_000 + 50_000);
    world.api.lock().delay = Duration::from_secs(1);
    match trouble {
        Trouble::Answers(answer) => world.api.lock().script.extend([answer; 2]),
        Trouble::NoConnection => gate.shut(),
    }
    for number in 0..3 {
        for user in ["o1", "o2"] {
            world.push(&world.text(user, &format!("{user}-{number}"), &number.to_string())).await;
        }
        if number == 0 {
            until("both have met it", async || tried(&world, trouble).await).await;
        }
    }
    world.api.lock().delay = Duration::ZERO;
    gate.open();
    for user in ["o1", "o2"] {
        for (number, attempts) in [attempts, 1, 1].into_iter().enumerate() {
            let reply = world.outcome(&format!("{user}-{number}")).await;
            let ended = (reply.outcome(), reply.parts[0].attempts);
            assert_eq!(ended, (Outcome::Sent, attempts), "{trouble:?}: {user}-{number} {}", reply.reason);
        }
        assert_eq!(world.api.contents(user), ["0", "1", "2"], "{trouble:?}");
    }
    world.stop().await;
}

/// Whether two more sends than the first have begun, or failed without a connection.
async fn tried(world: &World, trouble: Trouble) -> bool {
    if let Trouble::Answers(_) = trouble {
        return world.api.lock().calls == 3;
    }
    sends(world).await >= 3
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_never_repeated() {
    let mut world = World::new(1).await;
    world.config.delivery.read = Duration::from_millis(200);
    world.api.lock().script.push_back(Answer::Silence);
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Unknown);
    world.push(&world.text("o1", "e1", "hello")).await;
    world.committed(2).await;
    assert_eq!(world.api.lock().calls, 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_account_answers_at_once_and_does_not_slow_another() {
    let mut world = World::start(1).await;
    world.api.lock().script.push_back(Answer::Code(48_001));
    world.push(&world.text("o0", "first", "hello")).await;
    assert_eq!(world.outcome("first").await.reason, "errcode 48001");
    for number in 0..40 {
        world.push(&world.text(&format!("o{number}"), &format!("e{number}"), "hello")).await;
        let mut other = world.text(&format!("p{number}"), &format!("f{number}"), "hello");
        (other.account, other.app_id) = ("other".into(), OTHER_APP.into());
        world.push(&other).await;
    }
    for reply in world.outcomes(81).await {
        match reply.account.as_str() {
            "other" => assert_eq!(reply.outcome(), Outcome::Sent),
            _ if reply.event_id == "first" => {}
            _ => {
                assert_eq!(reply.outcome(), Outcome::Refused);
                assert!(reply.reason.starts_with("account stopped until "), "{}", reply.reason);
                assert!(reply.until_ms > reply.ended_at_ms);
            }
        }
    }
    assert_eq!((world.api.lock().calls, world.other_api.lock().arrived.len()), (1, 40));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_account_leaves_room_for_the_others() {
    let mut world = World::start(1).await;
    world.api.lock().delay = Duration::from_secs(3);
    for number in 0..600 {
        world.push(&world.text(&format!("o{number}"), &format!("e{number}"), "slow")).await;
    }
    let mut other = world.text("p", "f", "hello");
    (other.account, other.app_id) = ("other".into(), OTHER_APP.into());
    world.push(&other).await;
    assert_eq!(world.outcome("f").await.outcome(), Outcome::Sent);
    assert!(world.replies.records().len() < 600, "the slow account is still busy");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_time_is_over_by_the_clock_is_renewed_before_anything_is_sent_with_it() {
    let mut world = World::start(1).await;
    for (event, tokens) in [("e1", 1), ("e2", 1)] {
        world.push(&world.text("o1", event, "hello")).await;
        world.outcome(event).await;
        assert_eq!(world.api.lock().token_calls, tokens);
    }
    world.clock.advance(Duration::from_secs(7200));
    world.push(&world.text("o1", "e3", "hello")).await;
    world.outcome("e3").await;
    let (tokens, calls) = {
        let api = world.api.lock();
        (api.token_calls, api.calls)
    };
    assert_eq!((tokens, calls), (2, 3));
    world.stop().await;
}
