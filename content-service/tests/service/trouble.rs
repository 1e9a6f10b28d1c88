//! Things break: Redis, the profile, the token endpoint, a record, a process in the middle of a send.

use std::time::Duration;

use prost::Message as _;
use proto::reply::{Outcome, Part, Reply};
use rdkafka::types::RDKafkaRespErr;
use runtime::kafka::GroupProtocol;

use crate::{
    fakes::Platform,
    gate::Gate,
    steps::sends,
    world::{APP, World, by_id, end, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_and_restarted_under_load_loses_nothing_and_sends_nothing_twice() {
    let mut world = World::start(4).await;
    world.api.lock().delay = Duration::from_millis(5);
    for number in 0..300 {
        if number == 100 {
            world.redis.kill();
        }
        if number == 200 {
            let sent = world.api.lock().calls;
            assert!(sent <= 164, "no sends without a ledger but those under way: {sent}");
            world.redis.restart().await;
        }
        world.push(&world.text(&format!("o{number}"), &format!("e{number}"), "hello")).await;
    }
    until("every event has its outcome", async || by_id(&world.replies.replies()).len() == 300).await;
    world.committed(300).await;
    let replies = world.replies.replies();
    for number in 0..300 {
        let arrived = world.api.contents(&format!("o{number}")).len();
        assert_eq!(arrived, 1, "e{number}: {:?}", by_id(&replies).get(&format!("e{number}")));
    }
    assert!(replies.iter().all(|reply| reply.outcome() == Outcome::Sent));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_profile_the_neutral_edition_is_sent() {
    let mut world = World::new(1).await;
    world.profile_task.take().unwrap().abort();
    world.config.profile.deadline = Duration::from_millis(150);
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!(reply.outcome(), Outcome::Sent);
    let decision = reply.decision.unwrap();
    assert!(decision.neutral && decision.enrichment.is_none());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_comes_back_in_time_costs_nothing_and_one_that_does_not_is_told() {
    let mut world = World::new(1).await;
    world.config.delivery.tries = 3;
    world.api.lock().token_away = true;
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!(reply.outcome(), Outcome::Refused);
    assert!(reply.reason.starts_with("not sent after 3 tries: the token endpoint"), "{}", reply.reason);
    assert_eq!(reply.parts[0].attempts, 0, "no byte of it was sent");
    assert!(world.api.lock().token_calls <= 3, "the endpoint is left alone");
    world.stop().await;

    world.config.delivery.tries = 8;
    world.run().await;
    world.push(&world.text("o1", "e2", "hello")).await;
    let calls = world.api.lock().token_calls;
    until("the endpoint is asked", async || world.api.lock().token_calls > calls).await;
    world.api.lock().token_away = false;
    let reply = world.outcome("e2").await;
    assert_eq!(reply.outcome(), Outcome::Sent);
    assert_eq!(reply.decision.unwrap().budget.unwrap().after, 4, "what was never sent took no unit");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_refuses_connections_is_tried_so_often_and_no_more_and_the_outcome_says_so() {
    let mut world = World::new(1).await;
    let gate = Gate::before(&world.config.accounts[0].api).await;
    world.config.accounts[0].api = format!("http://{}", gate.address);
    world.config.delivery.tries = 3;
    world.run().await;
    world.push(&world.text("o1", "e1", "a token is at hand")).await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    gate.shut();
    world.push(&world.text("o1", "e2", "hello")).await;
    let reply = world.outcome("e2").await;
    assert_eq!(reply.outcome(), Outcome::Refused, "{}", reply.reason);
    let told = format!("not sent after 3 tries: connecting to {} failed", gate.address);
    assert!(reply.reason.starts_with(&told), "{}", reply.reason);
    assert_eq!(
        (reply.parts[0].attempts, reply.parts[0].outcome(), reply.parts[0].errcode),
        (0, Outcome::Refused, None),
        "no byte of it was sent"
    );
    world.committed(2).await;
    gate.open();
    world.push(&world.text("o1", "e3", "again")).await;
    assert_eq!(world.outcome("e3").await.outcome(), Outcome::Sent);
    assert_eq!(world.api.contents("o1"), ["a token is at hand", "again"]);
    let calls = |api: &Platform| (api.calls, api.token_calls);
    assert_eq!(calls(&world.api.lock()), (2, 1));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_grows_too_old_while_the_api_refuses_connections_is_told_as_expired() {
    let mut world = World::new(1).await;
    let gate = Gate::before(&world.config.accounts[0].api).await;
    world.config.accounts[0].api = format!("http://{}", gate.address);
    world.run().await;
    world.push(&world.text("o1", "e1", "a token is at hand")).await;
    assert_eq!(world.outcome("e1").await.outcome(), Outcome::Sent);
    gate.shut();
    world.push(&world.text("o1", "e2", "hello")).await;
    until("a try has failed", async || sends(&world).await > 1).await;
    world.clock.advance(world.config.delivery.max_age);
    let reply = world.outcome("e2").await;
    assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::Expired, "too old to be answered"));
    assert_eq!((reply.parts[0].attempts, world.api.lock().calls), (0, 1));
    world.stop().await;
}

/// An entry as a process leaves it that dies at this state.
async fn left_behind(world: &World, event: &str, state: &str, lease_ms: i64) {
    let message = r#"{"touser":"o1","msgtype":"text","text":{"content":"as decided then"}}"#;
    let part = Part { message: message.into(), ..Part::default() };
    let reply = Reply {
        event_id: event.into(),
        account: "shop".into(),
        app_id: APP.into(),
        openid: "o1".into(),
        parts: vec![part],
        ..Reply::default()
    };
    let mut entry = redis::cmd("HSET");
    entry.arg(format!("l:{{{APP}:o1}}:{event}")).arg("s").arg(state).arg("f").arg("dead/1/0/0");
    entry.arg("l").arg(lease_ms).arg("p").arg(0).arg("a").arg(i32::from(state == "sending")).arg("n").arg(1);
    entry.arg("b").arg(reply.encode_to_vec()).arg("e").arg("").arg("g").arg("message|5|4|0");
    world.redis.client().query::<i64>(&entry).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_is_gone_on_with_and_never_decided_again() {
    let mut world = World::new(1).await;
    let now_ms = world.clock.now_ms();
    left_behind(&world, "reserved", "reserved", 0).await;
    left_behind(&world, "over", "sending", now_ms - 1).await;
    left_behind(&world, "leased", "sending", now_ms + 1_500).await;
    world.run().await;
    for event in ["reserved", "over", "leased"] {
        world.push(&world.text("o1", event, "decided anew")).await;
    }
    assert_eq!(world.outcome("reserved").await.outcome(), Outcome::Sent);
    for event in ["over", "leased"] {
        let reply = world.outcome(event).await;
        assert_eq!(
            (reply.outcome(), reply.parts[0].outcome()),
            (Outcome::Unknown, Outcome::Unknown),
            "{event}"
        );
    }
    assert!(world.outcome("leased").await.ended_at_ms >= now_ms + 1_500, "not before the lease is over");
    assert_eq!(world.api.contents("o1"), ["as decided then"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_is_under_way_when_kafka_goes_away_is_published_when_it_is_back() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "warm", "up")).await;
    world.outcome("warm").await;
    world.api.lock().delay = Duration::from_millis(300);
    world.push(&world.text("o2", "e2", "hello")).await;
    until("the send is under way", async || world.api.lock().calls == 2).await;
    world.cluster.broker_down(1).unwrap();
    until("it has arrived", async || world.api.contents("o2").len() == 1).await;
    world.cluster.broker_up(1).unwrap();
    assert_eq!(world.outcome("e2").await.outcome(), Outcome::Sent);
    world.committed(2).await;
    assert_eq!(world.api.contents("o2"), ["hello"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_kafka_does_not_take_is_tried_again_before_the_offset_moves() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.committed(1).await;
    world.stop().await;
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    world.cluster.topic_error(proto::REPLIES.name, refused).unwrap();
    world.run().await;
    world.push(&world.text("o2", "e2", "hello")).await;
    world.push(&world.text("o3", "e3", "hello")).await;
    until("both have arrived", async || world.api.lock().arrived.len() == 3).await;
    let refused = "content_publish_refused 2";
    until("their outcomes are refused", async || world.metrics().await.contains(refused)).await;
    assert_eq!(world.committed_now().await, 1, "the offset stays while outcomes are refused");
    // At its end the service commits whatever may be committed.
    world.stop().await;
    assert_eq!((world.committed_now().await, world.replies.records().len()), (1, 1));

    world.cluster.topic_error(proto::REPLIES.name, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    world.run().await;
    for event in ["e2", "e3"] {
        assert_eq!(world.outcome(event).await.outcome(), Outcome::Sent);
    }
    world.committed(3).await;
    assert_eq!(world.api.lock().calls, 3, "nothing was sent again");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_come_and_go_under_load_send_each_message_once_and_in_order() {
    come_and_go(GroupProtocol::Consumer).await;
}

async fn come_and_go(protocol: GroupProtocol) {
    let mut world = World::new(6).await;
    world.config.kafka.group_protocol = protocol;
    world.api.lock().delay = Duration::from_millis(10);
    world.run().await;
    let mut second = None;
    for number in 0..5 {
        for user in 0..60 {
            let id = format!("e{user}-{number}");
            world.push(&world.text(&format!("o{user}"), &id, &number.to_string())).await;
        }
        match number {
            0 => drop(world.outcome("e59-0").await),
            1 => second = Some(world.replica().await),
            3 => end(std::mem::take(&mut second).unwrap()).await,
            4 => second = Some(world.replica().await),
            _ => {}
        }
    }
    until("every event has its outcome", async || by_id(&world.replies.replies()).len() == 300).await;
    world.committed(300).await;
    let expected: Vec<String> = (0..5).map(|number| number.to_string()).collect();
    let odd: Vec<_> =
        world.replies.replies().into_iter().filter(|reply| reply.outcome() != Outcome::Sent).collect();
    let odd: Vec<_> = odd.iter().map(|reply| (&reply.event_id, &reply.reason)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    for user in 0..60 {
        assert_eq!(world.api.contents(&format!("o{user}")), expected, "user {user}");
    }
    end(second.unwrap()).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_cluster_is_down_nothing_is_sent_and_nothing_given_up() {
    let mut world = World::start(1).await;
    world.push(&world.text("o1", "before", "hello")).await;
    world.outcome("before").await;
    world.redis.becomes_a_cluster().await;
    world.push(&world.text("o2", "meanwhile", "hello")).await;
    let none = "content_ledger_waits_total 0";
    until("the ledger waits", async || !world.metrics().await.contains(none)).await;
    assert_eq!(world.api.lock().calls, 1);
    world.redis.restart().await;
    assert_eq!(world.outcome("meanwhile").await.outcome(), Outcome::Sent);
    assert_eq!(world.api.contents("o2"), ["hello"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_an_hour_neither_repeats_nor_ends_anything() {
    let mut world = World::start(1).await;
    world.api.lock().held.insert("o1".into());
    world.push(&world.text("o1", "e1", "under way")).await;
    until("the send is under way", async || world.api.lock().calls == 1).await;
    let now_ms = world.clock.now_ms();
    let event = world.text("o2", "e2", "after it");
    world.clock.set_ms(now_ms - 3_600_000);
    world.api.lock().held.clear();
    world.push(&event).await;
    for (event, openid, text) in [("e1", "o1", "under way"), ("e2", "o2", "after it")] {
        assert_eq!(world.outcome(event).await.outcome(), Outcome::Sent, "{event}");
        assert_eq!(world.api.contents(openid), [text]);
    }
    world.clock.set_ms(now_ms);
    world.push(&world.text("o1", "e3", "again")).await;
    assert_eq!(world.outcome("e3").await.outcome(), Outcome::Sent);
    world.committed(3).await;
    assert_eq!(world.api.lock().calls, 3);
    world.stop().await;
}
