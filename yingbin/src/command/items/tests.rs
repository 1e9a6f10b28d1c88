//! What a file of items may hold and what it may not.

use super::*;
use proptest::prelude::*;
use proto::content::{Topic, TopicKind};

const NOW: i64 = 1_754_000_000_000;
const HOUR: i64 = 3_600_000;

fn line(change: serde_json::Value) -> String {
    let mut item = json!({
        "id": "taiwan-1", "account": "qianjiang", "title": "台湾新闻", "url": "https://example.com/1",
        "publishedHoursAgo": 2, "topics": [{ "name": "taiwan", "kind": "TOPIC_KIND_NEWS" }]
    });
    for (key, value) in change.as_object().unwrap() {
        item[key] = value.clone();
    }
    item.to_string()
}

#[test]
fn hours_are_counted_from_now() {
    let text = line(json!({ "validHours": 24, "validFromHours": 1, "pin_hours": 0.5, "pinMicros": "7" }));
    let item = read(&text, NOW).unwrap().remove(0);
    assert_eq!(item.published_at_ms, NOW - 2 * HOUR);
    assert_eq!((item.valid_from_ms, item.valid_until_ms), (NOW + HOUR, NOW + 24 * HOUR));
    assert_eq!((item.pin_until_ms, item.pin_micros), (NOW + HOUR / 2, 7));
    assert_eq!(item.topics, [Topic { name: "taiwan".into(), kind: TopicKind::News.into() }]);
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        (json!({ "id": "Taiwan 1" }), "id \"Taiwan 1\": 1 to 40 of a-z, 0-9 and -"),
        (json!({ "id": "a".repeat(41) }), "id \""),
        (json!({ "account": "" }), "account is missing"),
        (json!({ "title": " " }), "title is missing"),
        (json!({ "url": "javascript:alert(1)" }), "url \"javascript:alert(1)\": not an absolute address"),
        (json!({ "url": "http://a/" }), "url \"http://a/\": only https addresses are followed"),
        (json!({ "pictureUrl": "x" }), "pictureUrl \"x\" is no"),
        (json!({ "publishedHoursAgo": null }), "publishedHoursAgo is no number"),
        (json!({ "validHours": 1, "validFromHours": 2 }), "validUntilMs is not after validFromMs"),
        (json!({ "topics": [{ "name": "Tai wan" }] }), "topic \"Tai wan\""),
        (json!({ "topics": [{ "name": "a", "kind": "TOPIC_KIND_X" }] }), ""),
    ];
    for (change, expected) in cases {
        let problems = read(&line(change.clone()), NOW).unwrap_err();
        assert!(problems[0].what.starts_with(expected), "{change}: {}", problems[0]);
    }
}

#[test]
fn a_second_line_of_one_id_is_refused() {
    let text = [line(json!({})), String::new(), line(json!({}))].join("\n");
    let problems = read(&text, NOW).unwrap_err();
    assert_eq!(problems, [Problem { line: 3, what: "taiwan-1 stands here twice".into() }]);
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(id in "[a-z0-9-]{1,40}", title in "[a-z台湾]{1,9}", at in 1i64..i64::MAX) {
        let item = Item {
            id, title, account: "a".into(), url: "https://h/".into(), published_at_ms: at, ..Item::default()
        };
        let text = crate::json::to_json(&item).to_string();
        prop_assert_eq!(read(&text, NOW).unwrap(), vec![item]);
    }
}
