//! More than can be handled: what is admitted is served, the rest is told to come again before it costs anything, and forgers wait.

use std::time::Duration;

use futures::future::join_all;
use wechat::Mode;

use crate::{
    house::{House, text, until},
    wire::{Reply, rest, sent},
};

const IN_FLIGHT: usize = 3;
const FLOOD: usize = 20 * IN_FLIGHT;

async fn ended(house: &House, result: &str) -> f64 {
    house.metric(&format!("gateway_pushes_total{{account=\"safe\",result=\"{result}\"}}")).await
}

async fn forge(house: &House, n: usize) -> Reply {
    let mut forged = house.seal(Mode::Safe, &text("oReader", n));
    forged.query = forged.query.replace("msg_signature=", "msg_signature=00");
    house.post("safe", &forged).await
}

/// Twenty times as much as fits, while the broker takes longer for each than anybody may wait for a place.
#[tokio::test]
async fn of_a_flood_as_many_are_served_as_fit_and_the_rest_is_shed() {
    let house = House::with(|config| config.limits.in_flight = IN_FLIGHT).await;
    assert_eq!(house.push_text("oReader", 0).await.status, 200, "the producer is connected");
    house.cluster.broker_round_trip_time(1, Duration::from_millis(1000)).unwrap();
    let statuses = join_all((0..FLOOD).map(async |n| {
        if n == FLOOD - 1 {
            // The places are taken: a forgery gets the answer of a push, since nobody has looked at it.
            until(async || house.metric("gateway_pushes_in_flight").await >= (FLOOD - 1) as f64).await;
            return forge(&house, n).await.status;
        }
        house.push_text(&format!("oReader{n}"), n).await.status
    }))
    .await;
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(200), count(503)), (IN_FLIGHT, FLOOD - IN_FLIGHT));
    assert_eq!(ended(&house, "overloaded").await, (FLOOD - IN_FLIGHT) as f64);
    house.cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    until(async || house.push_text("oReader", FLOOD).await.status == 200).await;
    house.end().await;
}

/// The bound is on how long a push waits, not on how many come at once.
#[tokio::test]
async fn whoever_waits_for_a_place_is_served_or_told_to_come_again() {
    let house = House::with(|config| config.limits.in_flight = 1).await;
    let statuses =
        join_all((0..50).map(async |n| house.push_text(&format!("oReader{n}"), n).await.status)).await;
    let shed = statuses.iter().filter(|status| **status == 503).count() as f64;
    assert!(statuses.contains(&200));
    assert_eq!(ended(&house, "overloaded").await, shed);
    assert_eq!(house.recorded() as f64, 50.0 - shed);
    house.end().await;
}

#[tokio::test]
async fn a_flood_of_forgeries_is_answered_alike_and_later_and_a_push_from_the_same_address_at_once() {
    let house = House::open().await;
    let flood = join_all((0..300).map(|n| forge(&house, n)));
    let push = async {
        until(async || house.metric("gateway_refusals_held_back_total").await > 0.0).await;
        house.push_text("oReader", 1).await.status
    };
    let (replies, pushed) = tokio::join!(flood, push);
    assert_eq!(pushed, 200);
    assert_eq!(replies[0].status, 403);
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    assert_eq!(ended(&house, "signature").await, 300.0, "each is counted");
    assert_eq!(house.recorded(), 1);
    house.end().await;
}

#[tokio::test]
async fn a_thousand_slow_clients_are_closed_and_a_push_does_not_wait_for_them() {
    let house = House::open().await;
    let mut slow = Vec::new();
    for n in 0..1000 {
        let begun: &[u8] = match n % 3 {
            0 => b"",
            1 => b"POST /wechat/safe HTTP/1.1\r\nHos",
            _ => b"POST /wechat/safe?a=b HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n<xml>",
        };
        slow.push(sent(house.public, begun).await);
    }
    assert_eq!(house.push_text("oReader", 1).await.status, 200);
    for client in &mut slow {
        rest(client).await;
    }
    until(async || house.metric("gateway_connections").await == 0.0).await;
    assert_eq!(house.metric("gateway_pushes_in_flight").await, 0.0);
    house.end().await;
}
