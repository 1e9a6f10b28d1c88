//! What a support person has to be able to read off the page.

use super::*;
use proto::{
    profile::{HabitOpinion, Profile, Visit},
    reply::{Exclusion, SourceValue, Terms},
};

fn decision() -> Decision {
    Decision {
        at_ms: 1_754_000_000_000,
        enrichment: Some(Enrichment {
            profile: Some(Profile {
                visit: Some(Visit { number: 7, ..Visit::default() }),
                ..Profile::default()
            }),
            visit_started: true,
            habits: vec![HabitOpinion {
                name: "seat.side".into(),
                value: "window".into(),
                probability: 0.9,
                evidence: 5.0,
                clear: true,
            }],
        }),
        reply: "morning".into(),
        rules: vec![
            RuleMatch { reply: "morning".into(), trigger: "visit".into(), held: true, reason: String::new() },
            RuleMatch {
                reply: "night".into(),
                trigger: "visit".into(),
                held: false,
                reason: "quiet hours".into(),
            },
        ],
        slots: vec![Slot {
            name: "lead".into(),
            item_ids: vec!["taiwan-1".into()],
            candidates: vec![Candidate {
                item_id: "taiwan-1".into(),
                score: 1_250_000,
                score_terms: Some(Terms { affinity: 1_500_000, seen: -250_000, ..Terms::default() }),
            }],
            exclusions: vec![Exclusion { item_id: "leaders-1".into(), reason: "dropped topic".into() }],
        }],
        sources: vec![SourceValue {
            name: "weather(波士顿)".into(),
            value: "{}".into(),
            state: SourceState::Fallback.into(),
        }],
        budget: Some(Budget { right: "enter".into(), before: 5, after: 4, until_ms: 1_754_000_300_000 }),
        question: "city is known".into(),
        ..Decision::default()
    }
}

#[test]
fn the_page_says_what_how_and_why() {
    let reply = Reply {
        event_id: "0123".into(),
        event_kind: "menu_clicked".into(),
        outcome: Outcome::Sent.into(),
        decision: Some(decision()),
        parts: vec![Part {
            message: r#"{"msgtype":"text","text":{"content":"早上好\n<a href=\"h\">台湾</a>"}}"#.into(),
            outcome: Outcome::Sent.into(),
            attempts: 2,
            ..Part::default()
        }],
        shown: ShownRecord::Recorded.into(),
        ..Reply::default()
    };
    let page = of(&reply);
    for expected in [
        "Event 0123 (menu clicked)",
        "WeChat took the whole reply",
        "Visit 7 began with this event",
        "habit seat.side = window (90 %)",
        "\"enter\": 5 messages before, 4 after",
        "✓ morning (on visit) chosen",
        "✗ night (on visit) did not fit: quiet hours",
        "taiwan-1 1.250 = affinity 1.500 + seen -0.250\n",
        "✗ leaders-1 left out: dropped topic",
        "weather(波士顿) (late or unreadable, so the fallback was used)",
        "The question: city is known",
        "1. sent on never, 2 attempts\n     早上好\n     台湾\n",
        "profile-service knows",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
}

#[test]
fn an_outcome_without_decision_says_so() {
    let reply = Reply {
        outcome: Outcome::Suppressed.into(),
        reason: "already greeted".into(),
        until_ms: 1_754_000_000_000,
        ..Reply::default()
    };
    let page = of(&reply);
    assert!(page.contains("The reason: already greeted, until 2025-"), "{page}");
    assert!(page.contains("No decision was made"), "{page}");
}

#[test]
fn the_neutral_edition_is_named() {
    let neutral = Decision { neutral: true, enrichment: None, ..decision() };
    assert!(known(&neutral).contains("neutral edition"));
    assert!(known(&Decision::default()).contains("Nothing was known"));
}

#[test]
fn units_are_exact() {
    assert_eq!([0, 999, -1_000, 1_234_567].map(units), ["0.000", "0.000", "-0.001", "1.234"]);
}
