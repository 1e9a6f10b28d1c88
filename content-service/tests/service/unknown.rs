//! An attempt whose end nobody can know: what the playbook says about it is done, and never more.

use std::time::Duration;

use content_service::ledger::desk::{Choice, Decided, Desk};
use prost::Message as _;
use proto::reply::{Decision, Outcome, Part, Reply, UnknownPolicy};

use crate::{
    fakes::Answer,
    world::{APP, World, header, until},
};

/// A world whose echo has this policy, and whose platform answers the first sends so.
async fn world(policy: &str, script: &[Answer]) -> World {
    let mut world = World::new(1).await;
    configure(&mut world, policy, script);
    world.run().await;
    world
}

fn configure(world: &mut World, policy: &str, script: &[Answer]) {
    world.config.delivery.read = Duration::from_millis(200);
    let file = world.folder.path().join("shop.yaml");
    let playbook = std::fs::read_to_string(&file).unwrap();
    let echo = "  - name: echo\n";
    std::fs::write(&file, playbook.replace(echo, &format!("{echo}    unknown: {policy}\n"))).unwrap();
    world.api.lock().script.extend(script);
}

fn counts(reply: &Reply) -> (Outcome, u32, u32) {
    (reply.outcome(), reply.parts[0].attempts, reply.parts[0].unknown_attempts)
}

fn desk(world: &World) -> Desk {
    Desk::new(world.redis.client())
}

async fn decide(world: &World, choice: Choice) {
    let (desk, at_ms) = (desk(world), world.clock.now_ms());
    until("it waits", async || !desk.waiting().await.unwrap().is_empty()).await;
    let unknown = desk.waiting().await.unwrap().remove(0).unknown;
    assert!(desk.decide(&unknown, Decided { choice, at_ms }).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_least_once_sends_once_more_and_says_so() {
    let mut world = world("at_least_once", &[Answer::Silence]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!(counts(&reply), (Outcome::Sent, 2, 1));
    assert_eq!(reply.decision.unwrap().budget.unwrap().after, 3, "the unknown attempt keeps its unit");
    assert_eq!(world.api.contents("o1"), ["hello", "hello"]);
    assert!(world.metrics().await.contains("content_sent_again_total{name=\"playbook\"} 1"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_least_once_never_sends_a_third_time() {
    let mut world = world("at_least_once", &[Answer::Silence, Answer::Silence]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    assert_eq!(counts(&world.outcome("e1").await), (Outcome::Unknown, 2, 2));
    world.push(&world.text("o1", "e1", "hello")).await;
    world.committed(2).await;
    assert_eq!(world.api.lock().calls, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_resend_stays_unknown_for_the_user_may_have_the_first() {
    let mut world = world("at_least_once", &[Answer::Silence, Answer::Code(45_047)]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    let reply = world.outcome("e1").await;
    assert_eq!(counts(&reply), (Outcome::Unknown, 2, 1));
    assert_eq!(reply.parts[0].errcode, Some(45_047));
    assert!(reply.reason.ends_with("errcode 45047"), "{}", reply.reason);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_when_its_end_is_unknown_is_not_sent_again() {
    let mut world = World::new(1).await;
    world.config.delivery.max_age = Duration::from_millis(400);
    world.config.delivery.read = Duration::from_millis(800);
    let file = world.folder.path().join("shop.yaml");
    let playbook = std::fs::read_to_string(&file).unwrap();
    let with = playbook.replace("  - name: echo\n", "  - name: echo\n    unknown: at_least_once\n");
    std::fs::write(&file, with).unwrap();
    world.api.lock().script.push_back(Answer::Silence);
    world.run().await;
    // The first event of a process waits for its token, so this one is from a moment later.
    let mut event = world.text("o1", "e1", "hello");
    event.occurred_at_ms += 1_000;
    world.push(&event).await;
    let calls = || world.api.lock().calls;
    until("it is sent", async || calls() == 1).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(counts(&world.outcome("e1").await), (Outcome::Unknown, 1, 1));
    assert_eq!(calls(), 1);
    world.stop().await;
}

/// An entry as a process leaves it that dies while it sends.
async fn left_sending(world: &World, event: &str, again: bool) {
    let message = r#"{"touser":"o1","msgtype":"text","text":{"content":"as decided then"}}"#;
    let decision = Decision { unknown: UnknownPolicy::AtLeastOnce.into(), ..Decision::default() };
    let reply = Reply {
        event_id: event.into(),
        app_id: APP.into(),
        openid: "o1".into(),
        parts: vec![Part { message: message.into(), ..Part::default() }],
        decision: Some(decision),
        ..Reply::default()
    };
    let (redis, now_ms) = (world.redis.client(), world.clock.now_ms());
    let budget = format!("message|5|4|{}", now_ms + 3_600_000);
    let mut entry = redis::cmd("HSET");
    entry.arg(format!("l:{{{APP}:o1}}:{event}")).arg("s").arg("sending").arg("f").arg("dead/1/0/0");
    entry.arg("l").arg(now_ms - 1).arg("p").arg(0).arg("a").arg(1).arg("n").arg(1).arg("e").arg("");
    entry.arg("b").arg(reply.encode_to_vec()).arg("g").arg(budget);
    if again {
        entry.arg("r").arg(0).arg("c").arg(1);
    }
    redis.query::<i64>(&entry).await.unwrap();
    let mut rights = redis::cmd("HSET");
    rights.arg(format!("g:{{{APP}:o1}}")).arg("left").arg(4).arg("most").arg(5).arg("out").arg(1);
    rights.arg("until").arg(now_ms + 3_600_000).arg("right").arg("message");
    redis.query::<i64>(&rights).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_resend_is_made_once_and_not_if_the_dead_one_had_made_it() {
    let mut world = World::new(1).await;
    left_sending(&world, "first", false).await;
    left_sending(&world, "second", true).await;
    world.run().await;
    world.push(&world.text("o1", "first", "decided anew")).await;
    assert_eq!(counts(&world.outcome("first").await), (Outcome::Sent, 2, 1));
    world.push(&world.text("o1", "second", "decided anew")).await;
    assert_eq!(counts(&world.outcome("second").await), (Outcome::Unknown, 2, 2));
    assert_eq!(world.api.contents("o1"), ["as decided then"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_gets_his_outcome_at_once_and_a_revision_after_the_resend() {
    let mut world = world("ask", &[Answer::Silence]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    assert_eq!(counts(&world.outcome("e1").await), (Outcome::Unknown, 1, 1));
    world.committed(1).await;
    assert!(world.metrics().await.contains("content_unknown_waiting"));
    decide(&world, Choice::Resend).await;
    let replies = world.outcomes(2).await;
    assert_eq!((replies[1].revision, counts(&replies[1])), (1, (Outcome::Sent, 2, 1)));
    let ids: Vec<_> = world.replies.records().iter().map(|record| header(record, "ce_id").unwrap()).collect();
    assert_eq!(ids, ["e1", "e1/1"]);
    let desk = desk(&world);
    until("nothing waits", async || desk.waiting().await.unwrap().is_empty()).await;
    assert!(desk.decided().await.unwrap().is_empty());
    assert_eq!(desk.lately().await.unwrap().len(), 1, "it was unknown, lately");
    let mut left = redis::cmd("PTTL");
    let left: i64 = world.redis.client().query(left.arg("unknown:lately")).await.unwrap();
    assert!(left > 0, "and is forgotten in time, also if nothing follows: {left}");

    world.push(&world.text("o1", "e1", "hello")).await;
    world.committed(2).await;
    assert_eq!((world.api.lock().calls, world.replies.records().len()), (2, 2));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_outlives_the_process_and_is_done_by_the_next_one() {
    let mut world = world("ask", &[Answer::Silence]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    world.committed(1).await;
    world.stop().await;
    decide(&world, Choice::Resend).await;
    world.run().await;
    world.outcomes(2).await;
    assert_eq!(world.api.contents("o1").len(), 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_with_one_decision_send_once() {
    let mut world = world("ask", &[Answer::Silence]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    world.committed(1).await;
    let second = world.replica().await;
    world.api.lock().delay = Duration::from_millis(150);
    decide(&world, Choice::Resend).await;
    let desk = desk(&world);
    until("it is done", async || desk.decided().await.unwrap().is_empty()).await;
    assert_eq!(world.api.lock().calls, 2);
    crate::world::end(second).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_or_waits_too_long_stays_unknown_and_is_forgotten() {
    let mut world = world("ask", &[Answer::Silence, Answer::Silence]).await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    decide(&world, Choice::Drop).await;
    let desk = desk(&world);
    until("it is dropped", async || desk.waiting().await.unwrap().is_empty()).await;

    world.push(&world.text("o2", "e2", "hello")).await;
    world.outcome("e2").await;
    until("it waits", async || !desk.waiting().await.unwrap().is_empty()).await;
    world.clock.advance(Duration::from_secs(49 * 3600));
    until("its window is over", async || desk.waiting().await.unwrap().is_empty()).await;
    let fields: Vec<String> =
        world.redis.client().query(redis::cmd("HKEYS").arg(format!("l:{{{APP}:o2}}:e2"))).await.unwrap();
    assert!(!fields.contains(&"b".to_owned()), "the message is not kept: {fields:?}");
    assert_eq!((world.api.lock().calls, world.replies.records().len()), (2, 2));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_while_kafka_is_away_is_done_when_the_outcome_is_published() {
    let mut world = World::new(1).await;
    configure(&mut world, "ask", &[Answer::Silence, Answer::Silence]);
    // Kafka is away before their ends are known.
    world.config.delivery.read = Duration::from_secs(2);
    world.run().await;
    world.push(&world.text("o1", "sent again", "hello")).await;
    world.push(&world.text("o2", "dropped", "hello")).await;
    until("both are sent", async || world.api.lock().calls == 2).await;
    world.cluster.broker_down(1).unwrap();
    let (desk, at_ms) = (desk(&world), world.clock.now_ms());
    until("both wait", async || desk.waiting().await.unwrap().len() == 2).await;
    for waiting in desk.waiting().await.unwrap() {
        let dropped = waiting.unknown.event_id == "dropped";
        let choice = if dropped { Choice::Drop } else { Choice::Resend };
        assert!(desk.decide(&waiting.unknown, Decided { choice, at_ms }).await.unwrap());
    }
    let before = world.redis.desk_rounds().await;
    until("the decisions are looked at", async || world.redis.desk_rounds().await >= before + 2).await;
    assert_eq!((world.replies.records().len(), world.api.lock().calls), (0, 2));
    world.cluster.broker_up(1).unwrap();
    let replies = world.outcomes(3).await;
    assert_eq!((replies[2].event_id.as_str(), replies[2].revision), ("sent again", 1));
    assert_eq!(counts(&replies[2]), (Outcome::Sent, 2, 1));
    until("nothing is left to do", async || {
        desk.waiting().await.unwrap().is_empty() && desk.decided().await.unwrap().is_empty()
    })
    .await;
    let body = redis::cmd("HEXISTS").arg(format!("l:{{{APP}:o2}}:dropped")).arg("b").clone();
    assert_eq!(world.redis.client().query::<u32>(&body).await.unwrap(), 0, "the message is not kept");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_waits_for_redis_does_not_hold_the_shutdown() {
    let mut world = World::new(1).await;
    world.config.delivery.drain = Duration::from_millis(200);
    configure(&mut world, "ask", &[Answer::Silence]);
    world.config.delivery.read = Duration::from_secs(2);
    world.run().await;
    world.push(&world.text("o1", "e1", "hello")).await;
    world.outcome("e1").await;
    world.committed(1).await;
    world.api.lock().held.insert("o1".into());
    decide(&world, Choice::Resend).await;
    until("it is being sent", async || world.api.lock().calls == 2).await;
    world.redis.kill();
    world.api.lock().held.clear();
    until("it has arrived", async || world.api.contents("o1").len() == 2).await;
    world.stop().await;
}
