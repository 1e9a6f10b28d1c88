//! Fuzz target: no playbook, rule or template makes loading or deciding panic, run away or lie about its line.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

use std::time::Duration;

use content_service::{
    catalogue::Catalogue,
    decide::{Inputs, Links, Verdict, decide},
    playbook::Playbook,
};
use proto::{
    LinkKey,
    event::{Entered, Event, TextReceived, event::Kind},
    profile::Enrichment,
};
use wechat::AccountKind;

/// Pieces of playbooks: random bytes choose among them, because random bytes alone never get past the YAML.
const PIECES: &[&str] = &[
    "event",
    "profile",
    "now",
    ".text",
    ".visit",
    ".activities",
    "['a']",
    "trait('a')",
    "habit('b')",
    "last('c')",
    "taste('t')",
    "days_since('x')",
    " == ",
    " != ",
    " && ",
    " || ",
    "!",
    " + ",
    " > ",
    "1",
    "-9223372036854775808",
    "1.5",
    "'文'",
    "\"x\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".exists(a, a.kind == 'x')",
    ".map(a, a)",
    " in ",
    " ? ",
    " : ",
    "{{ ",
    " }}",
    "{% if ",
    " %}",
    "{% endif %}",
    "{% for i in ",
    "{% endfor %}",
    "range(9)",
    "|link",
    "|clip(3)",
    "|weather",
    "|label",
    "slots.lead",
    "slots",
    "i",
    "\n",
    " ",
    "  ",
    "'",
    "\"",
    "\\",
    "|",
    "~",
    "*",
    "<a href=\"x\">",
    "</a>",
    "\u{8}",
    "\u{202e}",
    "🀄",
    "0x",
    "null",
    "true",
    "-",
    "#",
    "%",
    "{#",
    "#}",
    "{% set x = ",
    "{% macro m() %}",
    "{% endmacro %}",
    "m()",
    "x",
    "loop.index",
    "size(",
    "has(event.text)",
];

fn assembled(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn load(text: &str, kind: AccountKind) {
    match Playbook::parse("fuzz.yaml", text, kind) {
        Ok(playbook) => [None, Some(Enrichment { visit_started: true, ..Enrichment::default() })]
            .iter()
            .for_each(|who| decide_twice(&playbook, who.as_ref(), kind)),
        Err(problems) => {
            let lines = text.lines().count();
            assert!(!problems.0.is_empty());
            assert!(problems.0.iter().all(|problem| problem.line <= lines + 1), "{problems}\n{text}");
        }
    }
}

fn decide_twice(playbook: &Playbook, enrichment: Option<&Enrichment>, kind: AccountKind) {
    let catalogue = Catalogue::new().snapshot();
    let links = Links { key: LinkKey::derive("fuzz"), base_url: "http://g/c/".to_owned(), lifetime_s: 60 };
    let text =
        TextReceived { content: "<a href=\"http://evil\">文</a>".to_owned(), ..TextReceived::default() };
    for kind_of_event in [Kind::Entered(Entered::default()), Kind::TextReceived(text)] {
        let event = Event { kind: Some(kind_of_event), ..Event::default() };
        let picked = playbook.pick(&event, enrichment, 1_768_176_000_000);
        assert!(picked.sources_needed().len() <= 1);
        let inputs = Inputs { picked: &picked, gathered: &[], catalogue: &catalogue, links: &links };
        let decided = decide(&inputs);
        assert_eq!(decided, decide(&inputs));
        if let Verdict::Reply { messages } = decided.verdict {
            assert!((1..=5).contains(&messages.len()));
            assert!(messages.iter().all(|message| message.check(kind).is_ok()));
        }
    }
}

#[test]
fn fuzz_playbook() {
    bolero::check!().with_test_time(Duration::from_millis(500)).for_each(|bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            load(text, AccountKind::Official);
        }
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let (rule, template) = (quoted(&assembled(first)), quoted(&assembled(second)));
        load(
            &format!(
                "account: a\nsources:\n  w: {{base: b, path: '/{{argument}}', argument: {rule}, deadline: 1s, cache: 1m}}\n\
                 replies:\n- name: r\n  on: [visit, text]\n  slots: [{{name: lead, count: 2, near: {rule}}}]\n  \
                 messages: [{{text: {template}}}]\n"
            ),
            AccountKind::MiniProgram,
        );
        load(
            &format!("account: a\nreplies:\n- name: r\n  on: [visit, text]\n  when: {rule}\n  messages: [{{text: {template}}}]\n"),
            AccountKind::Official,
        );
    });
}
