//! Promise 3 and 4: a reply is sent at most once, and each user's replies leave in order.

use std::{collections::HashSet, time::Duration};

use proto::reply::Outcome;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use simulator::Order;

use crate::support::house::House;

/// Sends that a content-service has in flight at most.
const IN_FLIGHT: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_sent_at_most_once() {
    let house = House::open().await;
    let (_gateway, _profile, content) = house.staff().await;
    house.answers_slowly().await;
    house.push_all((0..200).map(|n| house.text(&format!("o{n}"), &format!("text {n}")))).await;
    house.arrived(40, Duration::from_secs(30)).await;
    content.kill();
    let at_the_kill = house.simulator.arrivals(0, None).len();
    assert!(at_the_kill < 200, "killed too late to prove anything");
    let _content = house.content("content-service").await;

    let books = house.books().await;
    let (sent, unknown) = (books.count(Outcome::Sent), books.count(Outcome::Unknown));
    println!("killed after {at_the_kill} messages: {sent} sent, {unknown} unknown");
    assert_eq!((books.len(), sent + unknown), (200, 200), "nothing else was to happen");
    assert!((1..=IN_FLIGHT).contains(&unknown), "{unknown} unknown with {IN_FLIGHT} sends in flight at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_repeated_at_another_gateway_brings_one_message() {
    let house = House::open().await;
    let (_gateway, _profile, _content) = house.staff().await;
    let second = house.second_gateway().await;
    let gateways = vec![house.at(&second)];
    let twice = |order: Order| Order { repeat: Some(2), gateways: gateways.clone(), ..order };
    let orders: Vec<Order> = (0..50).map(|n| house.text(&format!("o{n}"), &format!("text {n}"))).collect();
    house.push_all(orders.iter().cloned().map(twice)).await;
    house.settled().await;
    // And once more when everything has ended.
    house.push_all(orders.into_iter().map(twice)).await;

    let books = house.books().await;
    let records = house.events().await;
    assert_eq!(books.len(), 50);
    assert!(records.len() > 150, "four deliveries each, at two gateways, are in kafka under one id");
    books.all(Outcome::Sent);
    assert_eq!(house.simulator.arrivals(0, None).len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn per_user_events_and_replies_keep_their_order() {
    let house = House::open().await;
    let (_gateway, _profile, _content) = house.staff().await;
    let second = house.second_gateway().await;
    let mut random = StdRng::seed_from_u64(4);
    let faults: Vec<_> = (0..200)
        .map(|_| json!({"path": "send", "kind": "pass", "delay_ms": random.random_range(0..120)}))
        .collect();
    house.script(json!(faults)).await;
    // Everything at once, so that the broker alone decides on the order; some come twice, by two ways.
    let orders = (0..200).map(|n| {
        let order = house.text(&format!("o{}", n % 40), &format!("text {n}"));
        let repeat = if n % 4 == 0 { Some(2) } else { None };
        Order { repeat, gateways: vec![house.at(&second)], ..order }
    });
    house.push_all(orders).await;

    let books = house.books().await;
    books.all(Outcome::Sent);
    let arrivals = house.simulator.arrivals(0, None);
    books.in_order(&arrivals);
    let users: HashSet<&str> = arrivals.iter().map(|arrival| arrival.openid.as_str()).collect();
    assert_eq!((books.len(), arrivals.len(), users.len()), (200, 200, 40));
}
