//! What the shell asks of a playbook besides a decision.

use std::time::Duration;

use proto::{
    event::{Entered, Event, TextReceived, event::Kind},
    profile::{Enrichment, Profile, Trait, TraitSource},
};
use wechat::account::AccountKind;

use super::{Playbook, SourceRequest, facts::clip};

const TEXT: &str = r"
account: paper
sources:
  weather: {base: w, path: '/weather?city={argument}&lang=zh', argument: trait('city'), deadline: 300ms, cache: 10m}
  unused: {base: w, path: '/unused', argument: trait('city'), deadline: 1s, cache: 1m}
questions:
  side:
    trait: seat.side
    text: 哪边？
    options: [{id: w, text: 靠窗, value: window}, {id: a, text: 过道, value: aisle}]
replies:
  - {name: plain, on: [text], messages: [{text: 好}]}
  - {name: paper, on: [visit], messages: [{text: '{% if weather %}{{ weather|weather }}{% endif %}好'}]}
";

fn playbook() -> Playbook {
    Playbook::parse("p.yaml", TEXT, AccountKind::Official).unwrap_or_else(|problems| panic!("{problems}"))
}

fn visitor(city: &str) -> Enrichment {
    let city = Trait { name: "city".into(), value: city.into(), ..Trait::default() };
    let profile = Profile { traits: vec![city], ..Profile::default() };
    Enrichment { profile: Some(profile), visit_started: true, ..Enrichment::default() }
}

fn entered() -> Event {
    Event { kind: Some(Kind::Entered(Entered::default())), occurred_at_ms: 5, ..Event::default() }
}

fn text(content: &str, option: &str) -> Event {
    let text =
        TextReceived { content: content.into(), menu_option_id: option.into(), ..TextReceived::default() };
    Event { kind: Some(Kind::TextReceived(text)), occurred_at_ms: 5, ..Event::default() }
}

#[test]
fn it_knows_its_account_and_the_hash_of_its_text() {
    assert_eq!(playbook().account(), "paper");
    assert_eq!(playbook().hash(), playbook().hash());
    assert!(playbook().hash().len() == 64 && playbook().hash().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let other = Playbook::parse("p.yaml", &format!("{TEXT}\n"), AccountKind::Official).unwrap();
    assert_ne!(other.hash(), playbook().hash());
}

#[test]
fn only_what_the_reply_uses_is_asked_for() {
    let playbook = playbook();
    let needed = |event: &Event, who: Option<&Enrichment>| playbook.pick(event, who, 0).sources_needed();
    let expected = SourceRequest {
        source: "weather".into(),
        argument: "波士 顿&x".into(),
        base: "w".into(),
        path: "/weather?city=%E6%B3%A2%E5%A3%AB%20%E9%A1%BF%26x&lang=zh".into(),
        deadline: Duration::from_millis(300),
        cache: Duration::from_secs(600),
    };
    assert_eq!(needed(&entered(), Some(&visitor("波士 顿&x"))), [expected]);
    assert_eq!(needed(&text("x", ""), Some(&visitor("杭州"))), []);
    assert_eq!(needed(&entered(), Some(&visitor(""))), [], "no argument, no request");
    assert_eq!(needed(&entered(), None), []);
}

#[test]
fn an_answer_is_told_by_its_option_or_in_its_own_words() {
    for (event, value) in [
        (text("靠窗", "w"), Some("window")),
        (text("随便写", "a"), Some("aisle")),
        (text(" 过道\n", ""), Some("aisle")),
        (text("过道", "another-menu"), None),
        (text("我要靠窗的", ""), None),
        (entered(), None),
    ] {
        let told = playbook().told(&event);
        assert_eq!(told.first().map(|told| told.value.as_str()), value, "{event:?}");
        for told in told {
            assert_eq!((told.name.as_str(), told.source(), told.at_ms), ("seat.side", TraitSource::Asked, 5));
        }
    }
}

#[test]
fn a_text_is_cut_between_characters() {
    assert_eq!([clip("杭州", 5), clip("杭州", 6), clip("杭州", 0), clip("", 3)], ["杭", "杭州", "", ""]);
}
