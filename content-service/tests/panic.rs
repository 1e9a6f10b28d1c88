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

use std::time::Duration;

use proto::reply::Outcome;
use world::{World, header, until};

/// Panics in whoever tells the log of the event `defect`.
fn fall(event_id: &str) {
    assert!(!event_id.contains("defect"), "a defect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_sets_its_event_aside_and_the_process_goes_on() {
    listener::listen(fall);
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
