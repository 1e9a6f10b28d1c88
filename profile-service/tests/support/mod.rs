//! What the tests start: a real Redis of their own, and the service on free ports.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod redis;
pub(crate) mod service;
pub(crate) mod spans;

use std::time::Duration;

use proto::{
    activity::{Activity, Customer, ExternalId, User, customer::Name},
    event::{Entered, Event, LinkClicked, event::Kind},
};

/// No repeat takes longer than `bound` of itself: the machine may hold up some of them, a missing deadline all.
pub(crate) fn in_time(took: &[Duration], bound: Duration) {
    assert!(took.iter().min().is_some_and(|fastest| *fastest < bound), "{took:?}");
}

/// A moment in the past; a whole second, as the platform's times are.
pub(crate) const THEN: i64 = 1_780_000_000_000;

pub(crate) fn user(openid: &str) -> User {
    User { app_id: "wx1".into(), openid: openid.into() }
}

pub(crate) fn event(id: &str, openid: &str, at_ms: i64, kind: Kind) -> Event {
    Event {
        id: id.into(),
        app_id: "wx1".into(),
        openid: openid.into(),
        occurred_at_ms: at_ms,
        received_at_ms: at_ms,
        kind: Some(kind),
        ..Event::default()
    }
}

pub(crate) fn entered(id: &str, openid: &str, at_ms: i64) -> Event {
    event(id, openid, at_ms, Kind::Entered(Entered::default()))
}

pub(crate) fn clicked(id: &str, openid: &str, at_ms: i64, topic: &str) -> Event {
    let topics = vec![proto::content::Topic { name: topic.into(), kind: 2 }];
    let click = LinkClicked { item_id: format!("item-{topic}"), topics, ..LinkClicked::default() };
    event(id, openid, at_ms, Kind::LinkClicked(click))
}

pub(crate) fn by_user(openid: &str) -> Option<Customer> {
    Some(Customer { name: Some(Name::User(user(openid))) })
}

pub(crate) fn card(id: &str) -> ExternalId {
    ExternalId { namespace: "skypearl".into(), id: id.into() }
}

pub(crate) fn by_card(id: &str) -> Option<Customer> {
    Some(Customer { name: Some(Name::External(card(id))) })
}

pub(crate) fn purchase(id: &str, customer: Option<Customer>, at_ms: i64) -> Activity {
    Activity {
        id: id.into(),
        customer,
        kind: "purchase".into(),
        occurred_at_ms: at_ms,
        subject: "广州–杭州".into(),
        ..Activity::default()
    }
}
