//! What rules and templates may know about an event and its user, under the names that `docs/playbook.md` lists.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use proto::{
    activity::Activity,
    content::TopicKind,
    event::{Event, event::Kind},
    profile::{Enrichment, Profile, Stance, Taste, Visit},
};
use serde_json::{Value, json};

pub(crate) const DAY_MS: i64 = 86_400_000;
/// Silence after which the next event starts a visit (design §3.3).
pub(crate) const VISIT_GAP_MS: i64 = 30 * 60_000;
/// Answer of `days_since` for what never happened.
const NEVER_DAYS: i64 = 99_999;
/// A user's text is cut to this before a rule sees it: it bounds what a rule can cost.
const TEXT_BYTES: usize = 2_048;

/// Names of the facts that have fields.
pub(super) const VARIABLES: [&str; 3] = ["event", "profile", "now"];

/// The facts of one event.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    event: Value,
    profile: Value,
    now: Value,
    /// A visit begins with this event, or began with one that nothing could answer.
    pub opens_visit: bool,
    /// The question that the event answers.
    pub answer: Option<String>,
    traits: BTreeMap<String, String>,
    habits: BTreeMap<String, String>,
    tastes: BTreeMap<String, f64>,
    stances: BTreeMap<String, Stance>,
    /// Newest first.
    activities: Vec<Past>,
}

/// An activity of another system.
#[derive(Clone, Debug)]
struct Past {
    kind: String,
    subject: String,
    place: String,
    days_ago: i64,
}

impl Facts {
    pub(crate) fn new(
        event: &Event,
        enrichment: Option<&Enrichment>,
        at_ms: i64,
        zone: &TimeZone,
        answer: Option<String>,
    ) -> Self {
        let nobody = Profile::default();
        let profile = enrichment.and_then(|known| known.profile.as_ref()).unwrap_or(&nobody);
        let habits = enrichment.map(|known| known.habits.as_slice()).unwrap_or_default();
        let opens_visit = opens_visit(event, enrichment);
        Self {
            event: event_facts(event, answer.as_deref()),
            profile: profile_facts(profile, enrichment.is_some(), opens_visit, at_ms),
            now: now_facts(at_ms, zone),
            opens_visit,
            answer,
            traits: profile.traits.iter().map(|known| (known.name.clone(), known.value.clone())).collect(),
            habits: habits
                .iter()
                .filter(|opinion| opinion.clear)
                .map(|opinion| (opinion.name.clone(), opinion.value.clone()))
                .collect(),
            tastes: profile
                .tastes
                .iter()
                .map(|taste| (taste.topic.clone(), taste_now(taste, at_ms)))
                .collect(),
            stances: profile.preferences.iter().map(|said| (said.topic.clone(), said.stance())).collect(),
            activities: profile.activities.iter().rev().map(|activity| short(activity, at_ms)).collect(),
        }
    }

    /// What rules and templates see under a name of their own.
    pub(crate) fn variable(&self, name: &str) -> Option<&Value> {
        match name {
            "event" => Some(&self.event),
            "profile" => Some(&self.profile),
            "now" => Some(&self.now),
            _ => None,
        }
    }

    /// Value of a trait; empty if it is not known.
    pub(crate) fn trait_value(&self, name: &str) -> &str {
        self.traits.get(name).map_or("", String::as_str)
    }

    /// The choice of a habit that is clear; empty if it is not.
    pub(crate) fn habit(&self, name: &str) -> &str {
        self.habits.get(name).map_or("", String::as_str)
    }

    /// Learned taste for a topic, decayed to now.
    pub(crate) fn taste(&self, topic: &str) -> f64 {
        self.tastes.get(topic).copied().unwrap_or(0.0)
    }

    pub(crate) fn tastes(&self) -> &BTreeMap<String, f64> {
        &self.tastes
    }

    pub(crate) fn prefers(&self, topic: &str) -> bool {
        self.stances.get(topic) == Some(&Stance::Prefer)
    }

    pub(crate) fn drops(&self, topic: &str) -> bool {
        self.stances.get(topic) == Some(&Stance::Drop)
    }

    pub(crate) fn preferred(&self) -> impl Iterator<Item = &str> {
        self.stances.iter().filter(|(_, stance)| **stance == Stance::Prefer).map(|(topic, _)| topic.as_str())
    }

    /// Subject of the newest activity of a kind; empty if there is none.
    pub(crate) fn last(&self, kind: &str) -> &str {
        self.activity(kind).map_or("", |past| &past.subject)
    }

    /// Place of the newest activity of a kind; empty if there is none.
    pub(crate) fn last_place(&self, kind: &str) -> &str {
        self.activity(kind).map_or("", |past| &past.place)
    }

    /// Days since the newest activity of a kind.
    pub(crate) fn days_since(&self, kind: &str) -> i64 {
        self.activity(kind).map_or(NEVER_DAYS, |past| past.days_ago)
    }

    fn activity(&self, kind: &str) -> Option<&Past> {
        self.activities.iter().find(|past| past.kind == kind)
    }
}

/// A visit begins with this event, or began with one that nothing could answer: a tap on an older link, a position, an opened page.
fn opens_visit(event: &Event, enrichment: Option<&Enrichment>) -> bool {
    let Some(known) = enrichment else {
        return matches!(event.kind, Some(Kind::Entered(_) | Kind::Subscribed(_)));
    };
    let visit = known.profile.as_ref().and_then(|profile| profile.visit.as_ref());
    known.visit_started || visit.is_some_and(|visit| visit.answered_at_ms < visit.started_at_ms)
}

fn event_facts(event: &Event, answer: Option<&str>) -> Value {
    let (mut key, mut scene, mut text, mut option, mut from) = ("", "", "", "", "");
    match &event.kind {
        Some(Kind::MenuClicked(clicked)) => key = &clicked.key,
        Some(Kind::Subscribed(subscribed)) => scene = &subscribed.scene,
        Some(Kind::Scanned(scanned)) => scene = &scanned.scene,
        Some(Kind::Entered(entered)) => from = &entered.session_from,
        Some(Kind::TextReceived(received)) => {
            text = clip(&received.content, TEXT_BYTES);
            option = &received.menu_option_id;
        }
        _ => {}
    }
    json!({
        "kind": event.kind_name(), "key": key, "scene": scene, "text": text, "option": option, "from": from,
        "answer": answer.unwrap_or_default(),
    })
}

fn profile_facts(profile: &Profile, known: bool, opens_visit: bool, at_ms: i64) -> Value {
    let never = Visit::default();
    let visit = profile.visit.as_ref().unwrap_or(&never);
    let away = if visit.previous_at_ms > 0 { days(visit.started_at_ms, visit.previous_at_ms) } else { -1 };
    let activities = profile.activities.iter().rev().map(|activity| {
        json!({
            "kind": activity.kind, "subject": activity.subject, "place": activity.place,
            "days_ago": days(at_ms, activity.occurred_at_ms),
        })
    });
    json!({
        "known": known, "visit": visit.number, "first_visit": visit.number <= 1, "opens_visit": opens_visit,
        "days_away": away, "activities": activities.collect::<Vec<_>>(),
        "learned": profile.tastes.iter().any(|taste| taste.value > 0.0),
    })
}

fn now_facts(at_ms: i64, zone: &TimeZone) -> Value {
    const DAYS: [&str; 7] = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"];
    let now = Timestamp::from_millisecond(at_ms).unwrap_or_default().to_zoned(zone.clone());
    let weekday = now.weekday().to_monday_zero_offset();
    let greeting = match now.hour() {
        5..=8 => "早上好",
        9..=11 => "上午好",
        12..=13 => "中午好",
        14..=17 => "下午好",
        18..=22 => "晚上好",
        _ => "夜深了",
    };
    let name = usize::try_from(weekday).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default();
    json!({
        "hour": now.hour(), "weekday": weekday + 1, "weekday_name": name, "greeting": greeting,
        "date": format!("{}月{}日", now.month(), now.day()),
    })
}

fn short(activity: &Activity, at_ms: i64) -> Past {
    Past {
        kind: activity.kind.clone(),
        subject: activity.subject.clone(),
        place: activity.place.clone(),
        days_ago: days(at_ms, activity.occurred_at_ms),
    }
}

fn days(later_ms: i64, earlier_ms: i64) -> i64 {
    later_ms.saturating_sub(earlier_ms).max(0) / DAY_MS
}

/// `value · 2^(−age/h)` with the half-life of the topic's kind (personalisation §2).
fn taste_now(taste: &Taste, at_ms: i64) -> f64 {
    let half_life_days = match taste.kind() {
        TopicKind::Unspecified | TopicKind::News => 7.0,
        TopicKind::Region | TopicKind::Hobby => 60.0,
        TopicKind::Service => 730.0,
    };
    taste.value * halved(at_ms.saturating_sub(taste.at_ms), half_life_days * DAY_MS as f64)
}

/// `2^(−age/h)`, both in milliseconds; 1 for what lies in the future.
pub(crate) fn halved(age_ms: i64, half_life_ms: f64) -> f64 {
    (-(age_ms.max(0) as f64) / half_life_ms).exp2()
}

/// The beginning of a text, at most `bytes` long, ending between characters.
pub(crate) fn clip(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
