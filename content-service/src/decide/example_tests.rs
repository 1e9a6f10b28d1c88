//! The editions of the two examples, as their readers get them.

use insta::assert_snapshot;
use proto::{content::TopicKind, profile::Asked};
use wechat::{account::AccountKind, message::Message};

use super::{Verdict, testing::*};
use crate::playbook::facts::DAY_MS;

fn qianjiang() -> Example {
    Example::load("qianjiang", AccountKind::MiniProgram)
}

fn csair() -> Example {
    Example::load("csair", AccountKind::Official)
}

#[test]
fn mr_li_gets_his_paper() {
    assert_snapshot!(shown(&qianjiang().decide(&entered(), &mr_li())));
}

#[test]
fn the_second_reader_gets_another_paper() {
    assert_snapshot!(shown(&qianjiang().decide(&entered(), &second_reader())));
}

#[test]
fn a_reader_without_history_gets_the_editors_default() {
    assert_snapshot!(shown(&qianjiang().decide(&entered(), &newcomer())));
}

#[test]
fn without_a_profile_the_neutral_edition_is_sent_and_says_so() {
    let decided = qianjiang().decide_at(&entered(), None, NOW);
    assert!(decided.decision.neutral && decided.decision.enrichment.is_none());
    assert!(shown(&decided).contains("杭州天气") && item_ids(&decided).len() == 5, "{}", shown(&decided));
}

#[test]
fn what_was_shown_this_morning_is_not_offered_tonight_and_something_is_left() {
    let example = qianjiang();
    let morning = item_ids(&example.decide(&entered(), &mr_li()));
    let reader = morning.iter().fold(mr_li(), |reader, item| reader.saw(item, 0));
    let tonight = example.decide_at(&entered(), Some(&reader), NOW + 11 * HOUR);
    let offered = item_ids(&tonight);
    assert_eq!(offered.len(), morning.len());
    assert!(offered.iter().all(|item| !morning.contains(item)), "{morning:?} {offered:?}");
    for word in ["台湾", "奎屯", "波士顿"] {
        assert!(shown(&tonight).contains(word), "{word} in {}", shown(&tonight));
    }
}

#[test]
fn the_paper_follows_when_he_no_longer_cares_for_taiwan() {
    let mut reader = mr_li();
    for taste in &mut reader.profile().tastes {
        taste.at_ms -= 28 * DAY_MS;
    }
    let reader = reader.taste("health", TopicKind::Hobby, 4.0);
    let text = shown(&qianjiang().decide(&entered(), &reader));
    assert!(!text.contains("台湾") && text.contains("健康"), "{text}");
}

#[test]
fn every_edition_fits_into_one_message_with_real_links_for_every_week_of_two_months() {
    let example = qianjiang();
    for day in 0..90 {
        let at_ms = NOW + (day - 60) * DAY_MS;
        for reader in [mr_li(), second_reader(), newcomer()] {
            let decided = example.decide_at(&entered(), Some(&reader), at_ms);
            let Verdict::Reply { messages } = &decided.verdict else { panic!("day {day}: {decided:?}") };
            assert!(item_ids(&decided).len() >= 4, "day {day}: {decided:?}");
            assert!(messages.iter().all(|message| message.check(AccountKind::MiniProgram).is_ok()));
            let crowded = decided.decision.slots.iter().flat_map(|slot| &slot.exclusions);
            assert!(
                crowded.into_iter().all(|left_out| left_out.reason != "the message would not fit"),
                "day {day}"
            );
        }
    }
}

#[test]
fn a_question_about_the_weather_is_answered_for_the_right_city() {
    assert_snapshot!(shown(&qianjiang().decide(&text("今天冷不冷？", ""), &mr_li())), @"波士顿：小雪，-3～2℃，西北风4级。路面结冰，出门慢些走。");
}

#[test]
fn a_clear_habit_is_offered_and_nobody_is_asked() {
    let mut traveller = visitor().trait_of("name", "周女士").bought("广州—杭州 CZ3523", "杭州");
    traveller.habits = vec![habit("seat.side", "window", true), habit("seat.zone", "front", true)];
    let decided = csair().decide(&click("CHECK_IN"), &traveller);
    assert_eq!(decided.decision.question, "not asked: its `unless` holds");
    assert_snapshot!(shown(&decided));
}

#[test]
fn what_she_said_beats_what_was_learned() {
    let mut traveller = visitor().trait_of("seat.preference", "aisle");
    traveller.habits = vec![habit("seat.side", "window", true), habit("seat.zone", "front", true)];
    let text = shown(&csair().decide(&click("CHECK_IN"), &traveller));
    assert!(text.contains("先给您留靠过道的座位，还在前排。") && !text.contains("靠窗"), "{text}");
}

#[test]
fn a_traveller_without_a_clear_habit_is_asked_once() {
    let example = csair();
    let mut traveller = visitor();
    traveller.habits = vec![habit("seat.side", "window", false)];
    let asked = example.decide(&click("CHECK_IN"), &traveller);
    assert_eq!(asked.decision.asked_trait, "seat.preference");
    let Verdict::Reply { messages } = &asked.verdict else { panic!("{asked:?}") };
    assert!(
        matches!(&messages[1], Message::MsgMenu { options, .. } if options[0] == ("seat-window".into(), "靠窗".into()))
    );

    traveller.profile().asked.push(Asked { r#trait: "seat.preference".into(), at_ms: NOW - 5 * DAY_MS });
    let again = example.decide(&click("CHECK_IN"), &traveller);
    assert_eq!(again.decision.question, "not asked: it has been asked before");
    assert_snapshot!(shown(&again));
}

#[test]
fn her_answer_is_told_confirmed_and_used() {
    let example = csair();
    for answer in [text("靠过道", "seat-aisle"), text(" 靠过道 ", "")] {
        let told = example.playbook.told(&answer);
        assert_eq!((told[0].name.as_str(), told[0].value.as_str()), ("seat.preference", "aisle"));
        let confirmed = example.decide(&answer, &visitor().trait_of("seat.preference", "aisle"));
        assert_eq!(confirmed.decision.reply, "seat-answer");
        assert_snapshot!("her_answer", shown(&confirmed));
    }
    let next = example.decide(&click("CHECK_IN"), &visitor().trait_of("seat.preference", "aisle"));
    assert!(shown(&next).contains("先给您留靠过道的座位"), "{}", shown(&next));
    assert_eq!(
        next.decision.question, "not asked: `seat.preference` is known",
        "so it is for what the CRM knows"
    );
    assert!(example.playbook.told(&text("靠过道吧", "")).is_empty());
    let lost = example.decide_at(&text("靠过道", "seat-aisle"), None, NOW);
    assert_eq!(lost.decision.reply, "seat-answer-lost", "nothing was kept, so nothing is promised");
}

#[test]
fn a_purchase_shows_in_the_next_greeting() {
    let traveller = visitor().trait_of("name", "周女士").bought("广州—杭州 CZ3523", "杭州");
    assert_snapshot!(shown(&csair().decide(&text("你好", ""), &traveller)));
}

#[test]
fn every_reply_of_the_airline_can_be_sent_to_anybody() {
    let example = csair();
    for event in
        [click("CHECK_IN"), click("MY_TRIPS"), click("SERVICE"), text("行李丢了", ""), text("在吗", "")]
    {
        for who in [Some(newcomer()), Some(visitor().bought("广州—波士顿 CZ399", "波士顿")), None] {
            let decided = example.decide_at(&event, who.as_ref(), NOW);
            assert!(
                matches!(decided.verdict, Verdict::Reply { .. }),
                "{event:?} {who:?} {:?}",
                decided.verdict
            );
        }
    }
}
