//! What a story prints: for people scene by scene, for programs one object a line.

use proto::reply::{Decision, Outcome};
use serde_json::json;
use wechat::document::Document;

use super::stage::{Played, Seen};
use crate::json::to_json;

/// Where a story is written to: standard output.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    json: bool,
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn say(line: &str) {
    println!("{line}");
}

impl Page {
    /// For people, or for programs.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn opening(&self, title: &str) {
        if !self.json {
            say(&format!("\n{title}\n{}", "═".repeat(2 * title.chars().count())));
        }
    }

    pub(super) fn scene(&self, title: &str) {
        if !self.json {
            say(&format!("\n── {title}"));
        }
    }

    pub(super) fn seen(&self, seen: &Seen) {
        let reply = &seen.answered.reply;
        if self.json {
            let line = json!({
                "guest": seen.name,
                "push": seen.push,
                "event": to_json(&seen.event),
                "arrived": seen.arrived,
                "messages": seen.answered.messages(),
                "reply": to_json(reply),
            });
            return say(&line.to_string());
        }
        let event: String = seen.event.id.chars().take(8).collect();
        say(&format!("\n   {} · push {}", seen.name, pushed(&seen.push)));
        say(&format!("   event {event} {} → {}", reply.event_kind, ended(seen)));
        if let Some(decision) = reply.decision.as_ref().filter(|_| reply.outcome() == Outcome::Sent) {
            say(&format!("   {}", why(decision)));
        }
        for line in without_addresses(&seen.text).lines() {
            say(&format!("   │ {line}"));
        }
    }

    pub(super) fn complaint(&self, complaint: &str) {
        if !self.json {
            say(&format!("   ✗ {complaint}"));
        }
    }

    pub(super) fn verdict(&self, played: &Played) {
        if self.json {
            say(&json!({"acts": played.acts, "complaints": played.complaints, "ok": played.complaints.is_empty()}).to_string());
        } else if played.complaints.is_empty() {
            say(&format!(
                "\n✓ {} acts, each with its outcome, and everything was as it should be\n",
                played.acts
            ));
        } else {
            say(&format!("\n✗ {} of the expectations did not hold\n", played.complaints.len()));
        }
    }
}

/// A push in a few words.
fn pushed(document: &str) -> String {
    let Ok(read) = Document::parse(document.as_bytes()) else { return document.to_owned() };
    let words = ["MsgType", "Event", "EventKey", "Content"].map(|field| read.get(field).unwrap_or_default());
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn ended(seen: &Seen) -> String {
    let reply = &seen.answered.reply;
    match reply.outcome() {
        Outcome::Sent => format!("sent, {} message(s) arrived", seen.arrived),
        other if reply.reason.is_empty() => other.name().to_owned(),
        other => format!("{}: {}", other.name(), reply.reason),
    }
}

/// The decision in one line.
fn why(decision: &Decision) -> String {
    let slots = decision.slots.iter().filter(|slot| !slot.item_ids.is_empty());
    let slots: Vec<String> =
        slots.map(|slot| format!("{} = {}", slot.name, slot.item_ids.join(", "))).collect();
    let sources: Vec<&str> = decision.sources.iter().map(|source| source.name.as_str()).collect();
    let neutral = if decision.neutral { " (neutral)" } else { "" };
    let by: Vec<String> =
        [slots.join("; "), sources.join(", ")].into_iter().filter(|by| !by.is_empty()).collect();
    let by = if by.is_empty() { String::new() } else { format!(": {}", by.join(" · ")) };
    format!("decided “{}”{neutral}{by}", decision.reply)
}

/// A text as a reader sees it: links are their titles.
fn without_addresses(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once("<a href=\"") {
        plain.push_str(before);
        let Some((_, after)) = tag.split_once('>') else { break };
        let (title, after) = after.split_once("</a>").unwrap_or((after, ""));
        plain.push('▸');
        plain.push_str(title);
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_told_in_a_few_words() {
        let click = "<xml><FromUserName>o</FromUserName><MsgType>event</MsgType><Event>CLICK</Event>\
                     <EventKey>CHECK_IN</EventKey></xml>";
        assert_eq!(pushed(click), "event CLICK CHECK_IN");
        assert_eq!(pushed(r#"{"MsgType":"text","Content":"你好"}"#), "text 你好");
        assert_eq!(pushed("not readable <"), "not readable <");
    }

    #[test]
    fn a_decision_tells_what_it_has_and_no_empty_places() {
        let mut decision = Decision { reply: "hello".into(), ..Decision::default() };
        assert_eq!(why(&decision), "decided “hello”");
        decision.sources = vec![proto::reply::SourceValue { name: "weather".into(), ..Default::default() }];
        assert_eq!(why(&decision), "decided “hello”: weather");
        decision.slots = vec![proto::reply::Slot {
            name: "lead".into(),
            item_ids: vec!["a".into(), "b".into()],
            ..Default::default()
        }];
        decision.neutral = true;
        assert_eq!(why(&decision), "decided “hello” (neutral): lead = a, b · weather");
    }

    #[test]
    fn a_reader_sees_titles_and_no_addresses() {
        let text = "早\n<a href=\"http://g/c/x\">台湾</a>\n完";
        assert_eq!(without_addresses(text), "早\n▸台湾\n完");
    }
}
