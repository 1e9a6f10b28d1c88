//! What a decision answers and records, on a small playbook.

use std::sync::Arc;

use proto::{
    event::{Event, LinkClicked, Subscribed, event::Kind},
    profile::{Asked, Enrichment},
    reply::SourceState,
};
use wechat::{account::AccountKind, message::Message};

use super::{Gathered, Inputs, Verdict, decide, testing::*};
use crate::{catalogue::Catalogue, playbook::Playbook};

const PLAYBOOK: &str = r"
account: test
sources:
  weather: {base: w, path: '/x?c={argument}', argument: trait('city'), deadline: 300ms, cache: 10m, fallback: {text: 未知}}
questions:
  city:
    trait: city
    text: 您在哪个城市？
    options: [{id: c1, text: 杭州, value: 杭州}, {id: c2, text: 广州, value: 广州}]
replies:
  - {name: rare, on: [visit], when: profile.visit > 1000, messages: [{text: 老朋友}]}
  - name: hello
    on: [visit]
    slots: [{name: lead, count: 8}]
    question: city
    messages:
      - text: |
          你好{{ trait('name') }}。天气{{ weather.text }}
          {% for item in slots.lead %}
          {{ item|link }}{{ '长' * (trait('padding')|length) }}
          {% endfor %}
  - {name: echo, on: [text], messages: [{text: '您说：{{ event.text|clip(60) }}'}]}
";

fn playbook(kind: AccountKind) -> Playbook {
    Playbook::parse("test.yaml", PLAYBOOK, kind).unwrap_or_else(|problems| panic!("{problems}"))
}

fn decided(
    event: &Event,
    enrichment: Option<&Enrichment>,
    gathered: &[Gathered],
    catalogue: &Catalogue,
) -> super::Decided {
    let playbook = playbook(AccountKind::MiniProgram);
    let catalogue = catalogue.snapshot();
    let picked = playbook.pick(event, enrichment, NOW);
    decide(&Inputs { picked: &picked, gathered, catalogue: &catalogue, links: &links() })
}

fn simply(event: &Event, enrichment: Option<&Enrichment>) -> super::Decided {
    decided(event, enrichment, &[], &Catalogue::new())
}

fn within_a_visit() -> Enrichment {
    let mut within = Enrichment { visit_started: false, ..visitor() };
    within.profile().visit.as_mut().unwrap().answered_at_ms = NOW;
    within
}

#[test]
fn every_reply_that_was_looked_at_is_recorded_with_its_reason() {
    let decision = simply(&entered(), Some(&visitor())).decision;
    let rules: Vec<_> =
        decision.rules.iter().map(|rule| (rule.reply.as_str(), rule.held, rule.reason.as_str())).collect();
    assert_eq!(rules, [("rare", false, "its `when` does not hold"), ("hello", true, "")]);
    assert_eq!((decision.reply.as_str(), decision.rules[1].trigger.as_str()), ("hello", "visit"));
    assert_eq!((decision.seed, decision.at_ms, decision.neutral), (entered().id, NOW, false));
}

#[test]
fn a_second_entry_within_the_visit_is_suppressed_until_thirty_minutes_after_the_last_event() {
    let decided = simply(&entered(), Some(&within_a_visit()));
    let expected =
        Verdict::Suppress { reason: "already greeted in this visit".into(), until_ms: NOW + 30 * 60_000 };
    assert_eq!(decided.verdict, expected);
    assert!(decided.decision.rules.iter().all(|rule| !rule.held));
}

#[test]
fn a_visit_that_began_with_what_cannot_be_answered_is_greeted_at_its_first_entry_and_only_then() {
    let mut tapped = within_a_visit();
    tapped.profile().visit.as_mut().unwrap().answered_at_ms = NOW - HOUR;
    assert_eq!(simply(&entered(), Some(&tapped)).decision.reply, "hello");
    tapped.profile().visit.as_mut().unwrap().answered_at_ms = NOW;
    assert!(matches!(simply(&entered(), Some(&tapped)).verdict, Verdict::Suppress { .. }));
}

#[test]
fn what_nobody_listens_to_is_suppressed_and_says_so() {
    let tap = event(Kind::LinkClicked(LinkClicked::default()));
    for (event, who) in [(tap.clone(), Some(within_a_visit())), (tap, None), (click("X"), None)] {
        let Verdict::Suppress { reason, until_ms } = simply(&event, who.as_ref()).verdict else {
            panic!("{event:?}")
        };
        assert_eq!((reason.as_str(), until_ms), ("no reply listens to this", 0));
    }
}

#[test]
fn without_a_profile_only_entries_are_greeted_and_nothing_is_asked() {
    for event in [entered(), event(Kind::Subscribed(Subscribed::default()))] {
        let decided = simply(&event, None);
        assert_eq!((decided.decision.reply.as_str(), decided.decision.neutral), ("hello", true));
        assert_eq!(decided.decision.question, "not asked: the profile is not known");
    }
    assert_eq!(simply(&text("在吗", ""), None).decision.reply, "echo");
}

#[test]
fn a_question_is_asked_once_for_what_is_missing_only() {
    let asked = simply(&entered(), Some(&visitor()));
    assert_eq!(asked.decision.asked_trait, "city");
    assert!(shown(&asked).ends_with("您在哪个城市？\n回复：杭州 / 广州"), "{}", shown(&asked));
    let mut before = visitor();
    before.profile().asked.push(Asked { r#trait: "city".into(), at_ms: 1 });
    let mut busy = visitor();
    busy.profile().asked.push(Asked { r#trait: "other".into(), at_ms: NOW });
    for (who, why) in [
        (visitor().trait_of("city", "北京"), "not asked: `city` is known"),
        (before, "not asked: it has been asked before"),
        (busy, "not asked: another question was asked in this visit"),
    ] {
        let decided = simply(&entered(), Some(&who));
        assert_eq!((decided.decision.question.as_str(), decided.decision.asked_trait.as_str()), (why, ""));
    }
}

#[test]
fn an_official_account_asks_with_a_menu() {
    let playbook = playbook(AccountKind::Official);
    let (event, who, catalogue) = (entered(), visitor(), Catalogue::new().snapshot());
    let picked = playbook.pick(&event, Some(&who), NOW);
    let inputs = Inputs { picked: &picked, gathered: &[], catalogue: &catalogue, links: &links() };
    let Verdict::Reply { messages } = decide(&inputs).verdict else { panic!() };
    assert!(matches!(&messages[1], Message::MsgMenu { options, .. } if options.len() == 2));
}

#[test]
fn a_source_that_is_late_or_unusable_gives_way_to_its_fallback() {
    let gathered = |value: Option<serde_json::Value>| Gathered {
        source: "weather".into(),
        argument: "杭州".into(),
        value: value.map(Arc::new),
        state: SourceState::Fetched,
    };
    let came = serde_json::json!({"text": "晴"});
    for (gathered, text, state) in [
        (vec![gathered(Some(came))], "天气晴", SourceState::Fetched),
        (vec![gathered(Some(serde_json::json!({"error": 5})))], "天气未知", SourceState::Fallback),
        (vec![gathered(None)], "天气未知", SourceState::Fallback),
        (vec![], "天气未知", SourceState::Fallback),
    ] {
        let decided = decided(&entered(), Some(&visitor()), &gathered, &Catalogue::new());
        assert!(shown(&decided).contains(text), "{}", shown(&decided));
        assert_eq!(decided.decision.sources[0].state(), state);
    }
}

#[test]
fn what_does_not_fit_loses_its_last_items_and_records_it() {
    let catalogue = catalogue((0..8).map(|n| item(&format!("i{n}"), &["t"], n * HOUR)));
    let roomy = item_ids(&decided(&entered(), Some(&visitor()), &[], &catalogue));
    let crowded = decided(&entered(), Some(&visitor().trait_of("padding", &"x".repeat(60))), &[], &catalogue);
    let kept = item_ids(&crowded);
    assert!(!kept.is_empty() && kept.len() < roomy.len() && roomy.starts_with(&kept), "{kept:?} {roomy:?}");
    let left_out = &crowded.decision.slots[0].exclusions;
    assert_eq!(
        left_out.iter().filter(|one| one.reason == "the message would not fit").count(),
        8 - kept.len()
    );
    let hopeless = visitor().trait_of("name", &"长".repeat(700));
    let hopeless = decided(&entered(), Some(&hopeless), &[], &catalogue);
    assert_eq!(
        hopeless.verdict,
        Verdict::Suppress { reason: "the message does not fit, even without items".into(), until_ms: 0 }
    );
    assert!(hopeless.decision.slots[0].item_ids.is_empty());
}

#[test]
fn a_link_leads_back_to_its_item_slot_and_event() {
    let catalogue = catalogue([item("one", &["t"], HOUR)]);
    let decided = decided(&entered(), Some(&visitor()), &[], &catalogue);
    let Verdict::Reply { messages } = &decided.verdict else { panic!() };
    let Message::Text { content } = &messages[0] else { panic!() };
    let token = content.split("/c/").nth(1).unwrap().split('"').next().unwrap();
    let link = links().key.open(token, NOW / 1_000).unwrap();
    assert_eq!(
        (link.item_id.as_str(), link.slot.as_str(), link.reply_event_id),
        ("one", "lead", entered().id)
    );
    assert_eq!(link.expires_at, NOW / 1_000 + links().lifetime_s);
}

#[test]
fn a_users_words_come_back_without_markup() {
    let decided = simply(&text("<a href=\"http://evil\">点我</a>\u{7}", ""), None);
    assert_eq!(shown(&decided), "您说：＜a href=\"http://evil\"＞点我＜/a＞");
}
