//! Fuzz target: nothing that users, profiles, sources or editors say makes rules or templates panic, run away or write markup.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use content_service::{
    catalogue::Catalogue,
    decide::{Gathered, Inputs, Links, Verdict, decide},
    playbook::Playbook,
};
use prost::Message as _;
use proto::{
    LinkKey,
    content::Item,
    event::{Entered, Event, TextReceived, event::Kind},
    profile::Enrichment,
    reply::SourceState,
};
use wechat::AccountKind;

/// Rules and templates that look at everything that comes from outside.
const PLAYBOOK: &str = r#"
account: a
sources:
  weather: {base: w, path: '/{argument}', argument: trait('city'), deadline: 1s, cache: 1m}
replies:
- name: ruled
  on: [text]
  when: size(event.text) > 8 && (event.text.contains('a') || int(event.text) > 9 || trait('city') == event.text)
  messages: [{text: 'ruled'}]
- name: known
  on: [visit]
  when: profile.activities.exists(a, a.kind == 'purchase') || habit('seat') != '' || days_since('purchase') < 30
  messages: [{text: '{{ habit("seat") }}'}]
- name: all
  on: [text, visit]
  slots: [{name: lead, count: 3}]
  messages:
  - text: '{{ event.text }}|{{ event.text|clip(20) }}|{{ event.text|label }}'
  - text: '{% for item in slots.lead %}{{ item.title }}{{ item|link }}{% endfor %}.'
  - text: '{{ weather|weather }}.'
"#;

fn split(bytes: &[u8]) -> [&[u8]; 4] {
    let mut rest = bytes.splitn(4, |byte| *byte == 0x1e);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

fn decides(playbook: &Playbook, [said, who, source, item]: [&[u8]; 4]) {
    let catalogue = Catalogue::new();
    catalogue.apply("item", Item::decode(item).ok(), 0);
    let catalogue = catalogue.snapshot();
    let links = Links { key: LinkKey::derive("fuzz"), base_url: "http://g/c/".to_owned(), lifetime_s: 60 };
    let enrichment = Enrichment::decode(who).ok();
    let content = String::from_utf8_lossy(said).into_owned();
    let text = TextReceived { content, ..TextReceived::default() };
    for kind in [Kind::Entered(Entered::default()), Kind::TextReceived(text)] {
        let event =
            Event { kind: Some(kind), app_id: "wx1".to_owned(), openid: "o1".to_owned(), ..Event::default() };
        let picked = playbook.pick(&event, enrichment.as_ref(), 1_768_176_000_000);
        let gathered: Vec<Gathered> = picked
            .sources_needed()
            .into_iter()
            .map(|request| {
                assert!(
                    request.path.len() < 400 && !request.path.contains([' ', '?', '#']),
                    "{}",
                    request.path
                );
                let value = serde_json::from_slice(source).ok().map(Arc::new);
                Gathered {
                    source: request.source,
                    argument: request.argument,
                    value,
                    state: SourceState::Fetched,
                }
            })
            .collect();
        let inputs = Inputs { picked: &picked, gathered: &gathered, catalogue: &catalogue, links: &links };
        let decided = decide(&inputs);
        assert_eq!(decided, decide(&inputs));
        if let Verdict::Reply { messages } = decided.verdict {
            for message in messages {
                assert!(message.check(AccountKind::Official).is_ok());
                closed(&message.to_json("o1"));
            }
        }
    }
}

/// Whatever anchors there are are ours.
fn closed(json: &str) {
    for (at, _) in json.match_indices("<a ") {
        let anchor = json.get(at..).unwrap_or_default();
        assert!(anchor.starts_with("<a href=\\\"http://g/c/"), "{json}");
    }
}

static LOADED: LazyLock<Playbook> = LazyLock::new(|| {
    let loaded = Playbook::parse("fuzz.yaml", PLAYBOOK, AccountKind::Official);
    loaded.unwrap_or_else(|problems| panic!("{problems}"))
});

#[test]
fn fuzz_input() {
    LazyLock::force(&LOADED);
    bolero::check!().with_test_time(Duration::from_millis(500)).for_each(|bytes: &[u8]| {
        decides(&LOADED, split(bytes));
        decides(&LOADED, [bytes, b"", b"", b""]);
        decides(&LOADED, [b"x", bytes, b"", b""]);
        decides(&LOADED, [b"x", b"", bytes, bytes]);
    });
}
