//! Laws of the learning, on arbitrary evidence and without a store.

use profile_service::learn::{self, Person, bounds};
use proptest::prelude::*;
use prost::Message as _;
use proto::{
    activity::{Activity, Choice, ExternalId, User},
    content::{Topic, TopicKind},
    event::{Entered, Event, LinkClicked, LocationReported, Subscribed, Unsubscribed, event::Kind},
    profile::{Preference, Profile, Shown, Trait, TraitSource, UpdateRequest},
};

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;

fn user() -> User {
    User { app_id: "wx1".into(), openid: "o1".into() }
}

fn event(id: &str, at_ms: i64, kind: Kind) -> Event {
    Event {
        id: id.into(),
        app_id: "wx1".into(),
        openid: "o1".into(),
        occurred_at_ms: at_ms,
        received_at_ms: at_ms,
        kind: Some(kind),
        ..Event::default()
    }
}

fn topic(name: &str, kind: TopicKind) -> Topic {
    Topic { name: name.into(), kind: kind.into() }
}

/// One piece of evidence of any sort.
#[derive(Clone, Debug)]
enum Evidence {
    Event(Event, Vec<Trait>),
    Activity(Activity),
    Shown(Shown),
}

fn learn_from(person: &Person, evidence: &Evidence, received_ms: i64) -> Option<Person> {
    match evidence {
        Evidence::Event(event, told) => learn::event(person, event, told, received_ms),
        Evidence::Activity(activity) => learn::activity(person, &user(), activity, received_ms),
        Evidence::Shown(shown) => learn::shown(person, &user(), shown, received_ms),
    }
}

fn after<'a>(evidence: impl IntoIterator<Item = &'a Evidence>) -> Person {
    evidence
        .into_iter()
        .fold(Person::default(), |person, one| learn_from(&person, one, NOW).unwrap_or(person))
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["taiwan", "kuytun", "boston", "sports", "seat"]).prop_map(str::to_owned)
}

fn topics() -> impl Strategy<Value = Vec<Topic>> {
    prop::collection::vec((name(), 0..5i32).prop_map(|(name, kind)| Topic { name, kind }), 0..4)
}

/// Evidence without its id and with a time of its own.
fn evidence_at(at_ms: i64, id: String) -> impl Strategy<Value = Evidence> {
    let (click_id, tell_id, act_id, show_id) = (id.clone(), id.clone(), id.clone(), id);
    let click = (name(), topics()).prop_map(move |(item_id, topics)| {
        let click = LinkClicked { item_id, topics, ..LinkClicked::default() };
        Evidence::Event(event(&click_id, at_ms, Kind::LinkClicked(click)), Vec::new())
    });
    let told = (name(), name(), 0..5i32).prop_map(move |(name, value, source)| {
        let said = Trait { name, value, source, at_ms: 0 };
        let kind = Kind::LocationReported(LocationReported::default());
        Evidence::Event(event(&tell_id, at_ms, kind), vec![said])
    });
    let choices = prop::collection::vec((name(), name(), 0..7u32), 0..3);
    let activity = (topics(), choices).prop_map(move |(topics, choices)| {
        let choices = choices.into_iter().map(|(habit, value, options)| Choice { habit, value, options });
        Evidence::Activity(Activity {
            id: act_id.clone(),
            kind: "purchase".into(),
            occurred_at_ms: at_ms,
            topics,
            choices: choices.collect(),
            ..Activity::default()
        })
    });
    let shown = (prop::collection::vec(name(), 0..4), name()).prop_map(move |(item_ids, asked_trait)| {
        Evidence::Shown(Shown { id: show_id.clone(), at_ms, item_ids, asked_trait, user: Some(user()) })
    });
    prop_oneof![click, told, activity, shown]
}

/// Evidence of distinct times within the last 80 days, in order of time.
fn history() -> impl Strategy<Value = Vec<Evidence>> {
    prop::collection::btree_set(0..80 * DAY, 0..25).prop_flat_map(|ages| {
        let at = ages.into_iter().enumerate();
        at.map(|(n, age)| evidence_at(NOW - age, format!("e{n}"))).collect::<Vec<_>>()
    })
}

/// The parts that the order of arrival must not change; visits follow the newest event by definition.
fn assert_same(left: &Person, right: &Person) -> Result<(), TestCaseError> {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
    let (mut a, mut b) = (left.profile.clone(), right.profile.clone());
    for (x, y) in a.tastes.iter_mut().zip(&mut b.tastes) {
        prop_assert!(close(x.value, y.value), "{x:?} {y:?}");
        (x.value, y.value) = (0.0, 0.0);
    }
    let counts = |profile: &mut Profile| -> Vec<f64> {
        let choices = profile.habits.iter_mut().flat_map(|habit| &mut habit.choices);
        choices.map(|choice| std::mem::take(&mut choice.count)).collect()
    };
    let (x, y) = (counts(&mut a), counts(&mut b));
    prop_assert!(x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| close(*x, *y)), "{x:?} {y:?}");
    (a.visit, b.visit) = (None, None);
    prop_assert_eq!(a, b);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_order_of_arrival_changes_nothing(
        (in_order, shuffled) in history().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        assert_same(&after(&in_order), &after(&shuffled))?;
    }

    #[test]
    fn evidence_that_comes_again_changes_nothing(
        (all, again) in history().prop_flat_map(|all| (Just(all.clone()), prop::collection::vec(0..all.len().max(1), 0..20)))
    ) {
        let person = after(&all);
        for index in again {
            if let Some(evidence) = all.get(index) {
                prop_assert_eq!(learn_from(&person, evidence, NOW + DAY), None);
            }
        }
    }

    #[test]
    fn a_visit_number_counts_silences(mut minutes in prop::collection::vec(0..10_000i64, 1..40)) {
        minutes.sort_unstable();
        let events: Vec<_> = minutes.iter().enumerate().map(|(n, minute)| {
            let kind = Kind::Entered(Entered::default());
            Evidence::Event(event(&format!("e{n}"), NOW - DAY * 30 + minute * 60_000, kind), Vec::new())
        }).collect();
        let silences = minutes.windows(2).filter(|pair| pair[1] - pair[0] >= 30).count() as u64;
        let visit = after(&events).profile.visit.unwrap_or_default();
        prop_assert_eq!(visit.number, silences + 1);
    }

    #[test]
    fn odd_input_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<i64>(), now in any::<i64>()) {
        let person = Person { erased_before_ms: at, ..Person::default() };
        if let Ok(mut event) = Event::decode(bytes.as_slice()) {
            event.occurred_at_ms = at;
            let _any = learn::event(&person, &event, &[], now);
        }
        if let Ok(activity) = Activity::decode(bytes.as_slice()) {
            let _any = learn::activity(&person, &user(), &activity, now);
        }
        if let Ok(profile) = Profile::decode(bytes.as_slice()) {
            let odd = Person { profile, erased_before_ms: at };
            let click = LinkClicked { item_id: "i".into(), topics: vec![topic("t", TopicKind::News)], ..LinkClicked::default() };
            let _any = learn::event(&odd, &event("e", at, Kind::LinkClicked(click)), &[], now);
            let _any = learn::opinions(&odd.profile, now);
        }
    }
}

/// A text of `bytes` bytes that ends in `number`.
fn long(bytes: usize, number: usize) -> String {
    format!("{number:0>bytes$}")
}

fn fill(person: Person, number: usize) -> Person {
    let at_ms = NOW - 50 * DAY + number as i64;
    let names = |from: usize| (0..bounds::PER_EVENT).map(move |n| long(bounds::NAME_BYTES, from * 32 + n));
    let topics = names(number).map(|name| topic(&name, TopicKind::News)).collect();
    let click = LinkClicked { item_id: long(bounds::NAME_BYTES, number), topics, ..LinkClicked::default() };
    let told: Vec<Trait> = names(number)
        .map(|name| Trait { name, value: long(bounds::VALUE_BYTES, number), source: 3, at_ms })
        .collect();
    let clicked = event(&long(bounds::ID_BYTES, number), at_ms, Kind::LinkClicked(click));
    let person = learn::event(&person, &clicked, &told, NOW).unwrap_or(person);
    let choices = (0..bounds::PER_EVENT).map(|n| Choice {
        habit: long(bounds::NAME_BYTES, number % 40),
        value: long(bounds::NAME_BYTES, n),
        options: 100,
    });
    let mut bought = Activity {
        id: long(bounds::ID_BYTES, number + 1_000_000),
        occurred_at_ms: at_ms,
        choices: choices.collect(),
        ..Activity::default()
    };
    let person = learn::activity(&person, &user(), &bought, NOW).unwrap_or(person);
    (bought.choices, bought.id) = (Vec::new(), long(bounds::ID_BYTES, number + 2_000_000));
    bought.subject = long(bounds::ACTIVITY_BYTES - bought.encoded_len() - 4, number);
    let person = learn::activity(&person, &user(), &bought, NOW).unwrap_or(person);
    let shown = Shown {
        id: long(bounds::ID_BYTES, number + 3_000_000),
        at_ms,
        item_ids: names(number).collect(),
        asked_trait: long(bounds::NAME_BYTES, number),
        user: Some(user()),
    };
    learn::shown(&person, &user(), &shown, NOW).unwrap_or(person)
}

#[test]
fn the_fullest_profile_fits_into_a_message() {
    let mut person = (0..300).fold(Person::default(), fill);
    let external_ids =
        (0..100).map(|n| ExternalId { namespace: long(64, n), id: long(bounds::ID_BYTES, n) }).collect();
    let preferences =
        (0..200).map(|n| Preference { topic: long(64, n), stance: 1, source: 2, at_ms: NOW }).collect();
    let update = UpdateRequest { external_ids, preferences, ..UpdateRequest::default() };
    person = learn::update(&person, &user(), &update, NOW).expect("the ids are new");
    let profile = &person.profile;
    assert_eq!(
        (profile.seen.len(), profile.tastes.len(), profile.traits.len(), profile.activities.len()),
        (bounds::SEEN, bounds::TASTES, bounds::TRAITS, bounds::ACTIVITIES)
    );
    assert_eq!((profile.applied.len(), profile.asked.len()), (bounds::APPLIED, bounds::ASKED));
    assert_eq!((profile.habits.len(), profile.external_ids.len()), (bounds::HABITS, bounds::EXTERNAL_IDS));
    let bytes = profile.encoded_len();
    assert!(bytes < bounds::MESSAGE_BYTES, "{bytes}");
}

#[test]
fn an_event_of_the_future_counts_when_it_is_received() {
    let click = LinkClicked { topics: vec![topic("taiwan", TopicKind::News)], ..LinkClicked::default() };
    let mut early = event("e1", NOW + 400 * DAY, Kind::LinkClicked(click));
    early.received_at_ms = 0;
    let person = learn::event(&Person::default(), &early, &[], NOW).expect("it is new");
    assert_eq!((person.profile.tastes[0].at_ms, person.profile.first_seen_at_ms), (NOW, NOW));
    assert_eq!(person.profile.visit.map(|visit| visit.last_at_ms), Some(NOW));
}

#[test]
fn what_the_user_says_with_an_event_is_kept_as_an_answer() {
    let told = [
        Trait { name: "seat.side".into(), value: "window".into(), ..Trait::default() },
        Trait { name: "seat.row".into(), value: String::new(), ..Trait::default() },
    ];
    let entered = event("e1", NOW, Kind::Entered(Entered::default()));
    let person = learn::event(&Person::default(), &entered, &told, NOW).expect("it is new");
    let kept = Trait { source: TraitSource::Asked.into(), at_ms: NOW, ..told[0].clone() };
    assert_eq!(person.profile.traits, [kept]);
}

#[test]
fn unsubscribed_forgets_everything_and_older_events_do_not_bring_it_back() {
    let click = LinkClicked { topics: vec![topic("taiwan", TopicKind::News)], ..LinkClicked::default() };
    let clicked = event("click", NOW - 10 * DAY, Kind::LinkClicked(click.clone()));
    let unseen = event("delayed", NOW - 9 * DAY, Kind::LinkClicked(click));
    let left = event("left", NOW, Kind::Unsubscribed(Unsubscribed {}));
    let known = learn::event(&Person::default(), &clicked, &[], NOW).expect("it is new");
    let gone = learn::event(&known, &left, &[], NOW).expect("it is new");

    assert!(!gone.is_known() && gone.profile.user.is_none() && gone.profile.tastes.is_empty());
    for again in [&clicked, &unseen, &left] {
        assert_eq!(learn::event(&gone, again, &[], NOW + 1), None);
    }
    let back = event("back", NOW, Kind::Subscribed(Subscribed::default()));
    let fresh = learn::event(&gone, &back, &[], NOW + 1).expect("the same second, but new");
    assert_eq!((fresh.profile.version, fresh.profile.visit.as_ref().map(|visit| visit.number)), (1, Some(1)));
    assert_eq!(learn::event(&fresh, &left, &[], NOW + 2), None, "a repeat does not forget the newcomer");
}

#[test]
fn a_redelivery_of_what_was_forgotten_in_the_same_second_or_was_learned_ahead_of_it_brings_nothing_back() {
    let click = LinkClicked { topics: vec![topic("taiwan", TopicKind::News)], ..LinkClicked::default() };
    let clicked = event("click", NOW, Kind::LinkClicked(click));
    // The reply left after the user did: its time is that of this house, which comes later.
    let reply = Shown {
        id: "click:shown".into(),
        at_ms: NOW + 3_000,
        item_ids: vec!["i".into()],
        ..Shown::default()
    };
    let left = event("left", NOW, Kind::Unsubscribed(Unsubscribed {}));
    let known = learn::event(&Person::default(), &clicked, &[], NOW).expect("it is new");
    let known = learn::shown(&known, &user(), &reply, NOW + 3_000).expect("it is new");
    let gone = learn::event(&known, &left, &[], NOW + 4_000).expect("it is new");

    assert!(!gone.is_known());
    assert_eq!(learn::event(&gone, &clicked, &[], NOW + 5_000), None);
    assert_eq!(learn::shown(&gone, &user(), &reply, NOW + 5_000), None);
    assert_eq!(learn::event(&gone, &left, &[], NOW + 5_000), None);
    let back = event("back", NOW, Kind::Subscribed(Subscribed::default()));
    assert!(learn::event(&gone, &back, &[], NOW + 5_000).is_some(), "the same second, but new");
}

#[test]
fn an_update_that_says_nothing_new_writes_nothing() {
    let said = Trait { name: "city".into(), value: "杭州".into(), source: 1, at_ms: NOW };
    let card = ExternalId { namespace: "skypearl".into(), id: "42".into() };
    let update =
        UpdateRequest { traits: vec![said], external_ids: vec![card.clone()], ..UpdateRequest::default() };
    let person = learn::update(&Person::default(), &user(), &update, NOW).expect("it is new");
    assert_eq!(learn::update(&person, &user(), &update, NOW + 1), None);
    let without = learn::unlink(&person, &user(), &card, NOW).expect("it was linked");
    assert_eq!((without.profile.version, without.profile.external_ids.len()), (2, 0));
}
