//! More than can be answered: who comes too often gives way to himself and to nobody else.

use std::time::Duration;

use proto::reply::Outcome;

use crate::world::{OTHER_APP, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_user_gives_way_to_himself_and_slows_nobody() {
    const EVENTS: usize = 300;
    let mut world = World::new(1).await;
    world.config.accounts.truncate(1);
    world.config.concurrency.buffer = 200;
    world.api.lock().delays.insert("hot".to_owned(), Duration::from_secs(3));
    for number in 0..EVENTS {
        world.push(&world.text("hot", &format!("h{number}"), &number.to_string())).await;
    }
    world.push(&world.text("cool", "c", "hello")).await;
    world.run().await;
    assert_eq!(world.outcome("c").await.outcome(), Outcome::Sent);
    assert!(world.api.contents("hot").len() < 4, "the others wait for all that he may still get");

    let replies = world.outcomes(EVENTS + 1).await;
    let superseded = replies.iter().filter(|reply| reply.reason.starts_with("superseded by newer events"));
    assert!(superseded.count() >= EVENTS - 100);
    let answered = world.api.contents("hot");
    let answered: Vec<usize> = answered.iter().map(|number| number.parse().unwrap()).collect();
    assert!(
        answered.is_sorted() && answered[1] > EVENTS - 100,
        "the first, and then the newest: {answered:?}"
    );
    world.committed(EVENTS as i64 + 1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_platform_is_slow_is_left_behind_and_slows_nobody() {
    const EVENTS: usize = 240;
    const USERS: usize = 60;
    let mut world = World::new(1).await;
    world.config.concurrency.buffer = 32;
    world.config.concurrency.sends = 8;
    world.api.lock().delay = Duration::from_millis(100);
    for number in 0..EVENTS {
        let user = format!("o{}", number % USERS);
        world.push(&world.text(&user, &format!("s{number}"), &number.to_string())).await;
    }
    let mut other = world.text("o", "other", "hello");
    (other.account, other.app_id) = ("other".into(), OTHER_APP.into());
    world.push(&other).await;
    world.run().await;
    assert_eq!(world.outcome("other").await.outcome(), Outcome::Sent);
    let told = world.replies.records().len();
    assert!(told < EVENTS / 2, "nobody waits for the slow ones: {told} of them are told");

    let replies = world.outcomes(EVENTS + 1).await;
    assert!(replies.iter().all(|reply| reply.outcome() == Outcome::Sent));
    for user in 0..USERS {
        let numbers = world.api.contents(&format!("o{user}"));
        let expected: Vec<_> = (user..EVENTS).step_by(USERS).map(|number| number.to_string()).collect();
        assert_eq!(numbers, expected, "each once, in order");
    }
    world.committed(EVENTS as i64 + 1).await;
    let metrics = world.metrics().await;
    assert!(metrics.contains("content_left_behind{partition=\"0\"} 0"), "{metrics}");
    world.stop().await;
}
