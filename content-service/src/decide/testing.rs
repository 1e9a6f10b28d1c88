//! People, items and playbooks for the tests of this folder; the examples are read from their own files.

use std::sync::Arc;

use proto::{
    LinkKey,
    activity::Activity,
    content::{Item, Topic, TopicKind},
    event::{Entered, Event, MenuClicked, TextReceived, event::Kind},
    profile::{
        Enrichment, HabitOpinion, Preference, Profile, Seen, Stance, Taste, Trait, TraitSource, Visit,
    },
    reply::SourceState,
};
use serde_json::Value;
use wechat::{account::AccountKind, message::Message};

use super::{Decided, Gathered, Inputs, Links, Verdict, decide};
use crate::{
    catalogue::Catalogue,
    playbook::{Playbook, facts::DAY_MS},
};

/// Monday, 12 January 2026, 08:00 in Hangzhou.
pub(super) const NOW: i64 = 1_768_176_000_000;
pub(super) const HOUR: i64 = 3_600_000;

pub(super) fn event(kind: Kind) -> Event {
    Event {
        id: "0123456789abcdef0123456789abcdef".into(),
        account: "qianjiang".into(),
        app_id: "wx7c11c05dff7b9c8f".into(),
        openid: "oReaderOfTheExample01234567_".into(),
        occurred_at_ms: NOW,
        kind: Some(kind),
        ..Event::default()
    }
}

pub(super) fn entered() -> Event {
    event(Kind::Entered(Entered::default()))
}

pub(super) fn click(key: &str) -> Event {
    event(Kind::MenuClicked(MenuClicked { key: key.into() }))
}

pub(super) fn text(content: &str, option: &str) -> Event {
    let received =
        TextReceived { content: content.into(), menu_option_id: option.into(), ..Default::default() };
    event(Kind::TextReceived(received))
}

/// A user whose visit begins now.
pub(super) fn visitor() -> Enrichment {
    let visit = Visit {
        number: 40,
        started_at_ms: NOW,
        last_at_ms: NOW,
        previous_at_ms: NOW - DAY_MS,
        ..Default::default()
    };
    let profile = Profile { version: 9, visit: Some(visit), ..Profile::default() };
    Enrichment { profile: Some(profile), visit_started: true, ..Enrichment::default() }
}

pub(super) trait Knows: Sized {
    fn profile(&mut self) -> &mut Profile;

    fn trait_of(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.profile().traits.push(Trait {
            name,
            value,
            source: TraitSource::Crm.into(),
            at_ms: NOW - 90 * DAY_MS,
        });
        self
    }

    fn taste(mut self, topic: &str, kind: TopicKind, value: f64) -> Self {
        let taste = Taste { topic: topic.to_owned(), kind: kind.into(), value, at_ms: NOW };
        self.profile().tastes.push(taste);
        self
    }

    fn stance(mut self, topic: &str, stance: Stance) -> Self {
        let said = Preference { topic: topic.to_owned(), stance: stance.into(), ..Preference::default() };
        self.profile().preferences.push(said);
        self
    }

    fn saw(mut self, item: &str, ago_ms: i64) -> Self {
        let seen = Seen { item_id: item.to_owned(), shows: 1, last_at_ms: NOW - ago_ms, opened_at_ms: 0 };
        self.profile().seen.push(seen);
        self
    }

    fn bought(mut self, subject: &str, place: &str) -> Self {
        let (kind, subject, place) = ("purchase".into(), subject.into(), place.into());
        let activity =
            Activity { kind, subject, place, occurred_at_ms: NOW - 2 * DAY_MS, ..Activity::default() };
        self.profile().activities.push(activity);
        self
    }
}

impl Knows for Enrichment {
    fn profile(&mut self) -> &mut Profile {
        self.profile.get_or_insert_default()
    }
}

pub(super) fn habit(name: &str, value: &str, clear: bool) -> HabitOpinion {
    HabitOpinion { name: name.into(), value: value.into(), probability: 0.8, evidence: 5.0, clear }
}

pub(super) fn mr_li() -> Enrichment {
    visitor()
        .trait_of("name", "李大爷")
        .trait_of("family.grandson.city", "波士顿")
        .trait_of("youth.city", "奎屯")
        .stance("leaders", Stance::Drop)
        .taste("chess", TopicKind::Hobby, 2.0)
        .taste("taiwan", TopicKind::News, 8.0)
        .taste("xinjiang", TopicKind::Region, 3.0)
}

pub(super) fn second_reader() -> Enrichment {
    visitor().trait_of("name", "小陈").trait_of("city", "杭州").taste("food", TopicKind::Hobby, 7.0).taste(
        "football",
        TopicKind::Hobby,
        9.0,
    )
}

pub(super) fn newcomer() -> Enrichment {
    let visit = Visit { number: 1, started_at_ms: NOW, last_at_ms: NOW, ..Visit::default() };
    Enrichment {
        profile: Some(Profile { version: 1, visit: Some(visit), ..Profile::default() }),
        visit_started: true,
        ..Enrichment::default()
    }
}

pub(super) fn item(id: &str, topics: &[&str], age_ms: i64) -> Item {
    let topic = |name: &&str| Topic { name: (*name).to_owned(), kind: TopicKind::News.into() };
    Item {
        id: id.to_owned(),
        account: "test".to_owned(),
        title: format!("标题{id}"),
        url: format!("https://example.com/{id}"),
        section: "news".to_owned(),
        topics: topics.iter().map(topic).collect(),
        published_at_ms: NOW - age_ms,
        ..Item::default()
    }
}

pub(super) fn catalogue(items: impl IntoIterator<Item = Item>) -> Catalogue {
    let catalogue = Catalogue::new();
    for (offset, item) in (0i64..).zip(items) {
        catalogue.apply(&item.id.clone(), Some(item), offset);
    }
    catalogue
}

/// An example: its playbook, its items as published at [`NOW`], its weather.
pub(super) struct Example {
    pub playbook: Playbook,
    catalogue: Catalogue,
    weather: Value,
}

impl Example {
    pub(super) fn load(name: &str, kind: AccountKind) -> Self {
        let read = |file: &str| {
            let path = format!("{}/../examples/{name}/{file}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(path).unwrap()
        };
        let playbook = Playbook::parse("playbook.yaml", &read("playbook.yaml"), kind);
        Self {
            playbook: playbook.unwrap_or_else(|problems| panic!("{problems}")),
            catalogue: catalogue(read("items.jsonl").lines().map(read_item)),
            weather: serde_json::from_str(&read("weather.json")).unwrap(),
        }
    }

    pub(super) fn decide_at(&self, event: &Event, enrichment: Option<&Enrichment>, at_ms: i64) -> Decided {
        let picked = self.playbook.pick(event, enrichment, at_ms);
        let gathered: Vec<_> =
            picked.sources_needed().into_iter().map(|request| self.gather(&request.argument)).collect();
        decide(&Inputs {
            picked: &picked,
            gathered: &gathered,
            catalogue: &self.catalogue.snapshot(),
            links: &links(),
        })
    }

    pub(super) fn decide(&self, event: &Event, enrichment: &Enrichment) -> Decided {
        self.decide_at(event, Some(enrichment), NOW)
    }

    fn gather(&self, city: &str) -> Gathered {
        let value = self.weather.get(city).cloned().map(|mut value| {
            value["city"] = city.into();
            value
        });
        let state = if value.is_some() { SourceState::Fetched } else { SourceState::Fallback };
        let value = value.map(Arc::new);
        Gathered { source: "weather".to_owned(), argument: city.to_owned(), value, state }
    }
}

pub(super) fn links() -> Links {
    Links {
        key: LinkKey::derive("test"),
        base_url: "https://greeter.qianjiang.example/c/".to_owned(),
        lifetime_s: 604_800,
    }
}

fn read_item(line: &str) -> Item {
    let json: Value = serde_json::from_str(line).unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let topic = |topic: &Value| Topic {
        name: word(&topic["name"]),
        kind: TopicKind::from_str_name(topic["kind"].as_str().unwrap()).unwrap().into(),
    };
    Item {
        id: word(&json["id"]),
        account: word(&json["account"]),
        title: word(&json["title"]),
        summary: word(&json["summary"]),
        url: word(&json["url"]),
        section: word(&json["section"]),
        topics: list("topics").iter().map(topic).collect(),
        places: list("places").iter().map(word).collect(),
        published_at_ms: NOW - json["publishedHoursAgo"].as_i64().unwrap() * HOUR,
        pin_micros: json["pinMicros"].as_str().map_or(0, |pin| pin.parse().unwrap()),
        ..Item::default()
    }
}

/// The messages as a reader sees them: a live link is written `[title]`.
pub(super) fn shown(decided: &Decided) -> String {
    let Verdict::Reply { messages } = &decided.verdict else { return format!("{:?}", decided.verdict) };
    let shown = messages.iter().map(|message| match message {
        Message::Text { content } => without_links(content),
        other => other.to_json("o"),
    });
    shown.collect::<Vec<_>>().join("\n---\n")
}

fn without_links(content: &str) -> String {
    let mut pieces = content.split("<a href=\"");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (_, rest) = piece.split_once("\">").unwrap();
        let (title, after) = rest.split_once("</a>").unwrap();
        text.push_str(&format!("[{title}]{after}"));
    }
    text
}

pub(super) fn item_ids(decided: &Decided) -> Vec<String> {
    decided.decision.slots.iter().flat_map(|slot| slot.item_ids.clone()).collect()
}
