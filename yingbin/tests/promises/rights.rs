//! Promise 5: the platform's windows and quotas are never exceeded.

use proto::reply::Outcome;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use simulator::{Act, Order};

use crate::support::{house::House, quota};

/// Something that somebody may do: most of it grants few messages, much of it asks for more than is granted.
fn any_act(random: &mut StdRng, n: usize) -> Act {
    let size = ["one", "two", "four"][random.random_range(0..3)];
    let said = format!("{size}-{n}");
    match random.random_range(0..8) {
        0 | 1 => Act::Text { content: said },
        2 | 3 => Act::Click { key: said },
        4 => Act::Scan { scene: said },
        5 => Act::Subscribe { scene: said },
        6 => Act::MenuOption { id: "7".to_owned(), content: said },
        _ => Act::Location { latitude: 23.1, longitude: 113.3 },
    }
}

/// One act of one of thirty users; some acts are as old as the window that they grant, some pushes come twice.
fn any_order(house: &House, random: &mut StdRng, n: usize) -> Order {
    let openid = format!("o{}", random.random_range(0..30));
    let act = any_act(random, n);
    let ago_ms = if random.random_bool(0.3) { random.random_range(50_000..62_000) } else { 0 };
    let repeat = if random.random_bool(0.2) { Some(2) } else { None };
    Order { repeat, ..house.act_ago(&openid, &act, ago_ms) }
}

/// An act that asks for two messages just before its window ends; to take the first takes the platform longer than that.
fn last_moment(house: &House, n: usize) -> Order {
    house.act_ago(&format!("slow{n}"), &Act::Click { key: format!("two-{n}") }, 55_000)
}

/// Ten users leave, who all have more left by then than a new follower gets, and come back asking for that.
async fn leave_and_come_back(house: &House) {
    let each = |act: fn(usize) -> Act| (0..10).map(move |n| house.act(&format!("back{n}"), &act(n)));
    house.push_all(each(|n| Act::Text { content: format!("one-{n}") })).await;
    house.settled().await;
    house.push_all(each(|_| Act::Unsubscribe)).await;
    house.push_all(each(|n| Act::Subscribe { scene: format!("four-{n}") })).await;
}

#[test]
fn what_the_platform_refuses_is_told_and_what_a_script_answers_is_not() {
    let send = |errcode, fault| json!({"errcode": errcode, "fault": fault});
    let none: Option<&str> = None;
    let sends = [send(45_015, none), send(45_047, Some("errcode")), send(0, none), send(48_001, none)];
    assert_eq!(quota::refusals(&sends), [45_015].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_and_quotas_are_never_exceeded() {
    let house = House::open().await;
    let (_gateway, _profile, _content) = house.staff().await;
    let mut random = StdRng::seed_from_u64(5);
    let slow = |n| json!({"path": "send", "openid": format!("slow{n}"), "count": 2, "kind": "pass", "delay_ms": 2_500});
    let mut any = |_| json!({"path": "send", "kind": "pass", "delay_ms": random.random_range(0..60)});
    house.script((0..10).map(slow).chain((0..400).map(&mut any)).collect()).await;
    let orders = (0..400).map(|n| any_order(&house, &mut random, n));
    house.push_all(orders.chain((0..10).map(|n| last_moment(&house, n)))).await;

    leave_and_come_back(&house).await;

    let books = house.books().await;
    let sends = house.sends().await;
    let refused: Vec<_> = sends.iter().filter(|send| send["errcode"] != 0).collect();
    assert!(refused.is_empty(), "{} of {} refused by the platform: {refused:?}", refused.len(), sends.len());
    assert_eq!(books.count(Outcome::Refused), 0);
    let ended = |reason: &str| books.outcomes().filter(|reply| reply.reason == reason).count();
    let (used_up, lapsed) = (ended("send right used up"), ended("send right lapsed"));
    println!("{} sent, {used_up} used up, {lapsed} lapsed", books.count(Outcome::Sent));
    assert!(
        books.count(Outcome::Sent) > 50 && used_up > 0 && lapsed > 0,
        "the storm was too weak to prove anything"
    );
}
