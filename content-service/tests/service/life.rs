//! Beside sick accounts, long after the event, and to the end of the process.

use std::time::Duration;

use proto::reply::Outcome;

use crate::world::{OTHER_APP, World, by_id, until};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_whose_sends_hang_do_not_hold_up_a_third() {
    let mut world = World::new(1).await;
    (world.config.concurrency.events, world.config.concurrency.sends) = (8, 8);
    (world.config.delivery.read, world.config.delivery.drain) =
        (Duration::from_secs(60), Duration::from_millis(100));
    world.other_api.lock().delay = Duration::from_secs(60);
    let mut third = world.config.accounts[1].clone();
    third.name = "third".to_owned();
    third.app_id = "wx0000000000000003".to_owned();
    let playbook =
        std::fs::read_to_string(&third.playbook).unwrap().replace("account: other", "account: third");
    third.playbook = world.folder.path().join("third.yaml");
    std::fs::write(&third.playbook, playbook).unwrap();
    world.config.accounts.push(third);
    world.run().await;
    for number in 0..10 {
        for (account, app_id) in [("other", OTHER_APP), ("third", "wx0000000000000003")] {
            let mut event = world.text(&format!("o{number}"), &format!("{account}-{number}"), "hello");
            account.clone_into(&mut event.account);
            app_id.clone_into(&mut event.app_id);
            world.push(&event).await;
        }
    }
    until("the sick accounts have all they can get", async || world.other_api.lock().calls == 6).await;
    for number in 0..20 {
        world.push(&world.text(&format!("o{number}"), &format!("e{number}"), "hello")).await;
    }
    until("the healthy account has its outcomes", async || by_id(&world.replies.replies()).len() == 20).await;
    assert!(
        world
            .replies
            .replies()
            .iter()
            .all(|reply| reply.outcome() == Outcome::Sent && reply.account == "shop")
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_older_than_the_ledger_remembers_is_not_said_to_have_expired() {
    let mut world = World::start(1).await;
    for (id, hours) in [("old", 49), ("forgotten", 51)] {
        let mut event = world.text("o1", id, "hello");
        event.occurred_at_ms -= hours * HOUR_MS;
        world.push(&event).await;
    }
    assert_eq!(world.outcome("old").await.outcome(), Outcome::Expired);
    let reply = world.outcome("forgotten").await;
    assert_eq!(reply.outcome(), Outcome::Unknown);
    assert_eq!(reply.reason, "older than the ledger remembers: an outcome published before holds");
    assert_eq!(world.api.lock().calls, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_brokers_away_the_service_ends_in_order() {
    let mut world = World::start(2).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    world.cluster.broker_down(1).unwrap();
    world.stop().await;
}
