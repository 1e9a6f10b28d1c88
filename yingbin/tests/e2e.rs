//! The main job, end to end: pushes go in, messages arrive. Runs on the embedded default, or on the servers that `KAFKA_BOOTSTRAP` and
//! `REDIS_URL` name.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod support;

use std::collections::HashSet;

use proto::reply::Outcome;
use simulator::Act;
use support::{Stand, example};
use yingbin::story::{Page, Script, Stage};

async fn plays(name: &str) {
    let stand = Stand::lived(&[name]).await;
    let script = Script::read(&example(name).folder.join("story.yaml")).unwrap();
    let mut page = Page::new(true);
    let played = Stage::new(&stand.system, &mut page).unwrap().play(&script).await.unwrap();
    stand.stop().await;
    assert!(played.acts > 0);
    assert_eq!(played.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newspaper_story_shows_everybody_a_paper_of_his_own() {
    plays("qianjiang").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_airline_story_offers_the_usual_seat_and_asks_only_once() {
    plays("csair").await;
}

fn enter() -> Act {
    Act::Enter { session_from: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_entry_in_the_same_visit_gets_no_second_greeting() {
    let stand = Stand::fresh(&["qianjiang"]).await;
    let guest = stand.guest("qianjiang", 0);
    let first = guest.does(&enter()).await.unwrap();
    assert_eq!(first.reply.outcome(), Outcome::Sent, "{}", first.reply.reason);
    let second = guest.does(&Act::Enter { session_from: "again".into() }).await.unwrap();
    assert_eq!(second.reply.outcome(), Outcome::Suppressed);
    assert!(second.reply.until_ms > stand.system.clock.now_ms(), "it says until when");
    assert!(second.reply.reason.contains("visit"), "{}", second.reply.reason);
    assert_eq!(stand.messages(&guest.person.openid).await.len(), 1);
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_the_platform_repeats_brings_one_message() {
    let stand = Stand::fresh(&["qianjiang"]).await;
    let guest = stand.guest("qianjiang", 1);
    guest.does_repeatedly(&enter(), 3).await.unwrap();
    let pushed = &stand.simulator("pushes", &guest.person.openid).await[0]["attempts"];
    let taken = pushed.as_array().unwrap().iter().filter(|attempt| attempt["body"] == "success");
    assert_eq!(taken.count(), 3, "{pushed}");
    // One user's events are handled in order: with the outcome of the next everything of the repeats has been done.
    let next = guest.does(&Act::Text { content: "在吗".into() }).await.unwrap();
    assert_eq!((next.reply.event_kind.as_str(), next.messages().len()), ("text_received", 1));
    let outcomes = stand.system.plays.backstage.story_of(&guest.person.openid);
    let entered: HashSet<_> = outcomes
        .iter()
        .filter(|(_, reply)| reply.event_kind == "entered")
        .map(|(_, reply)| &reply.event_id)
        .collect();
    assert_eq!(entered.len(), 1, "outcomes of one push");
    let arrived = stand.messages(&guest.person.openid).await;
    let papers =
        arrived.iter().filter(|message| message["message"]["text"]["content"].to_string().contains("天气"));
    assert_eq!((papers.count(), arrived.len()), (1, 2), "{arrived:?}");
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_grants_no_right_is_answered_with_nothing() {
    let stand = Stand::fresh(&["csair"]).await;
    let guest = stand.guest("csair", 0);
    for act in [
        Act::Location { latitude: 23.1, longitude: 113.3 },
        Act::View { url: "https://csair.example/skypearl".into() },
    ] {
        let answered = guest.does(&act).await.unwrap();
        assert_eq!(answered.reply.outcome(), Outcome::Suppressed);
        assert_eq!(answered.reply.reason, "no right");
    }
    assert!(stand.messages(&guest.person.openid).await.is_empty());
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribes_is_forgotten_and_gets_nothing() {
    let stand = Stand::lived(&["csair"]).await;
    let behind_ms = stand.system.clock.machine_ms() - stand.system.clock.now_ms();
    assert!(behind_ms.abs() < 100, "the present is reached, but for {behind_ms} ms");
    let guest = stand.guest("csair", 0);
    assert!(stand.profile(&guest).await.is_some_and(|profile| !profile.habits.is_empty()));
    let before = stand.messages(&guest.person.openid).await.len();
    let answered = guest.does(&Act::Unsubscribe).await.unwrap();
    assert_eq!(answered.reply.outcome(), Outcome::Suppressed);
    assert!(stand.profile(&guest).await.is_none(), "nothing is known any more");
    assert_eq!(stand.messages(&guest.person.openid).await.len(), before);
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_leads_to_the_items_own_address_and_is_learned_from() {
    let stand = Stand::fresh(&["qianjiang"]).await;
    let guest = stand.guest("qianjiang", 2);
    let answered = guest.does(&enter()).await.unwrap();
    let link = answered.links().into_iter().next().expect("a paper has links");
    let tapped = guest.taps(&link).await.unwrap();
    assert_eq!(tapped.event_kind, "link_clicked");
    let item = guest.item_of(&link).expect("one of our items");
    let profile = stand.profile(&guest).await.expect("somebody is known");
    assert!(!profile.tastes.is_empty());
    assert!(profile.seen.iter().any(|seen| seen.item_id == item && seen.opened_at_ms > 0));
    stand.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_push_to_the_outcome() {
    let stand = Stand::fresh(&["qianjiang"]).await;
    let watched = stand.watch(&[proto::EVENTS, proto::REPLIES]).await;
    let answered = stand.guest("qianjiang", 0).does(&enter()).await.unwrap();
    let records = watched.records(2).await;
    let trace = |topic: &str| {
        let record = records.iter().find(|record| {
            record.topic.ends_with(topic) && record.header("ce_id") == answered.reply.event_id
        });
        record.and_then(|record| record.header("traceparent").split('-').nth(1).map(str::to_owned))
    };
    assert!(trace(proto::EVENTS.name).is_some());
    assert_eq!(trace(proto::EVENTS.name), trace(proto::REPLIES.name));
    stand.stop().await;
}
