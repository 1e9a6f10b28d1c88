//! A defect in the handling of one event: the event is set aside with its outcome, and the others go on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the world of tests/service is larger than one test")]

#[path = "service/fakes.rs"]
mod fakes;
#[path = "service/listener.rs"]
mod listener;
#[path = "service/redis_server.rs"]
mod redis_server;
#[path = "service/world.rs"]
mod world;

use std::{
    borrow::Cow,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use content_service::ledger::desk::{Choice, Decided, Desk};
use fakes::Answer;
use proto::reply::Outcome;
use rdkafka::{
    Message as _,
    message::{Headers as _, OwnedMessage},
};
use tonic::Code;
use world::{World, header, until};

/// Panics in whoever tells the log of the event `defect`, once in whoever tells it of the event `stumbles`, and every other time in
/// whoever tells it of the event `falls`: that it has fallen can be told.
fn fall(event_id: &str) {
    static STUMBLED: AtomicBool = AtomicBool::new(false);
    static FELL: AtomicBool = AtomicBool::new(false);
    assert!(!event_id.contains("defect"), "a defect");
    assert!(!event_id.contains("stumbles") || STUMBLED.swap(true, Ordering::SeqCst), "a defect, once");
    assert!(!event_id.contains("falls") || FELL.fetch_not(Ordering::SeqCst), "a defect, again");
}

/// The log is one for the whole process.
fn begin() {
    static HEARD: Once = Once::new();
    HEARD.call_once(|| listener::listen(fall));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_sets_its_event_aside_and_the_process_goes_on() {
    begin();
    let mut world = World::new(1).await;
    world.profile_task.take().unwrap().abort();
    world.config.profile.deadline = Duration::from_millis(150);
    world.run().await;
    for (id, said) in [("e1", "one"), ("defect", "two"), ("e2", "three")] {
        world.push(&world.text("o1", id, said)).await;
    }
    let reply = world.outcome("defect").await;
    assert_eq!((reply.outcome(), reply.reason.as_str()), (Outcome::SetAside, "panic: the handler panicked"));
    for id in ["e1", "e2"] {
        assert_eq!(world.outcome(id).await.outcome(), Outcome::Sent);
    }
    until("it is in the DLQ", async || world.dlq.records().len() == 1).await;
    assert_eq!(header(&world.dlq.records()[0], "dlq_reason").as_deref(), Some("panic"));
    world.committed(3).await;
    assert!(world.metrics().await.contains("content_panics_total 1"));
    world.stop().await;
}

/// Produces a record of the DLQ onto the events topic again, as it stands there.
async fn replay(world: &World, record: &OwnedMessage) {
    let headers = record.headers().unwrap();
    let headers: Vec<_> = headers
        .iter()
        .map(|header| (header.key, Cow::Borrowed(std::str::from_utf8(header.value.unwrap()).unwrap())))
        .collect();
    world.push_raw(record.key().unwrap(), &headers, record.payload().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_panicked_and_is_replayed_from_the_dlq_is_not_sent_twice() {
    begin();
    let mut world = World::start(1).await;
    // Of the one nobody is told who it is, of the other it is not recorded what was sent: the log tells both.
    let refused = [("defect before", Code::Unavailable), ("defect after:shown", Code::Unavailable)];
    world.profiles.lock().refuse = refused.map(|(id, code)| (id.to_owned(), code)).into();
    for event in ["defect before", "defect after"] {
        world.push(&world.text("o1", event, event)).await;
    }
    until("both are in the DLQ", async || world.dlq.records().len() == 2).await;
    world.committed(2).await;
    let (before, after) = (world.outcome("defect before").await, world.outcome("defect after").await);
    assert_eq!((before.outcome(), after.outcome()), (Outcome::SetAside, Outcome::Sent));
    assert_eq!(world.api.contents("o1"), ["defect after"]);

    let records = world.dlq.records();
    for record in &records {
        assert_eq!(header(record, "dlq_reason").as_deref(), Some("panic"));
        replay(&world, record).await;
    }
    world.committed(4).await;
    world.profiles.lock().refuse.clear();
    for record in &records {
        replay(&world, record).await;
    }
    world.push(&world.text("o1", "last", "last")).await;
    world.outcome("last").await;
    world.committed(7).await;
    assert_eq!(world.api.contents("o1"), ["defect after", "last"], "neither by the defect nor by its repair");
    assert_eq!((world.replies.records().len(), world.dlq.records().len()), (3, 2));
    world.stop().await;
}

/// A world in which a person has decided that this event, whose end nobody knows, is sent again, and the log is told of that.
async fn resends(event: &str) -> (World, Desk) {
    begin();
    let mut world = World::new(1).await;
    world.config.delivery.read = Duration::from_millis(200);
    let file = world.folder.path().join("shop.yaml");
    let playbook = std::fs::read_to_string(&file).unwrap();
    let asks = playbook.replace("  - name: echo\n", "  - name: echo\n    unknown: ask\n");
    std::fs::write(&file, asks).unwrap();
    world.api.lock().script.push_back(Answer::Silence);
    world.run().await;
    world.push(&world.text("o1", event, "hello")).await;
    assert_eq!(world.outcome(event).await.outcome(), Outcome::Unknown);
    world.committed(1).await;
    // It is not recorded what was sent again, and the log tells that.
    world.profiles.lock().refuse = [(format!("{event}:shown"), Code::Unavailable)].into();
    let (desk, at_ms) = (Desk::new(world.redis.client()), world.clock.now_ms());
    let unknown = desk.waiting().await.unwrap().remove(0).unknown;
    assert!(desk.decide(&unknown, Decided { choice: Choice::Resend, at_ms }).await.unwrap());
    (world, desk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_panics_is_brought_to_its_end_and_sent_once() {
    let (mut world, desk) = resends("stumbles").await;
    until("it panics", async || world.metrics().await.contains("content_panics_total 1")).await;
    world.profiles.lock().refuse.clear();
    let replies = world.outcomes(2).await;
    assert_eq!((replies[1].revision, replies[1].outcome()), (1, Outcome::Sent));
    until("nothing is left to do", async || desk.decided().await.unwrap().is_empty()).await;
    assert_eq!((world.api.contents("o1").len(), world.replies.records().len()), (2, 2));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_panics_each_time_is_tried_ever_more_seldom() {
    let (mut world, _) = resends("falls").await;
    until("it panics", async || !world.metrics().await.contains("content_panics_total 0")).await;
    let before = world.redis.desk_rounds().await;
    until("seven more rounds are over", async || world.redis.desk_rounds().await >= before + 7).await;
    let metrics = world.metrics().await;
    let panics = metrics.lines().find_map(|line| line.strip_prefix("content_panics_total "));
    let panics: u32 = panics.unwrap().parse().unwrap();
    assert!((2..=5).contains(&panics), "{panics} in eight rounds");
    world.stop().await;
}
