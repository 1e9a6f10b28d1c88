//! Fuzz target: whatever stands in the events topic is an event or is set aside under a name that it cannot choose.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

use std::time::Duration;

use content_service::record::{Content, LONGEST_KEY, Record};
use rdkafka::{
    Timestamp,
    message::{Header, OwnedHeaders, OwnedMessage},
};

/// Header names that mean something, and one that means nothing.
const NAMES: [&str; 6] = ["ce_id", "content-type", "traceparent", "ce_type", "ce_time", "x"];

/// Key, headers and value from lines: a header's first byte chooses its name.
fn message(bytes: &[u8]) -> OwnedMessage {
    let (key, rest) = cut(bytes);
    let (mut headers, mut rest) = (OwnedHeaders::new(), rest);
    while let [name, line @ ..] = rest {
        if *name == b'=' {
            rest = line;
            break;
        }
        let (value, after) = cut(line);
        let value = (*name != b'0').then_some(value);
        headers = headers.insert(Header { key: NAMES[usize::from(*name) % NAMES.len()], value });
        rest = after;
    }
    let time = Timestamp::CreateTime(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    let key = (!key.is_empty()).then(|| key.to_vec());
    OwnedMessage::new(Some(rest.to_vec()), key, "t".to_owned(), time, 3, 9, Some(headers))
}

fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    end.map_or((bytes, &[]), |end| (&bytes[..end], &bytes[end + 1..]))
}

fn read(raw: OwnedMessage) {
    let record = Record::read(raw);
    match &record.content {
        Content::Event(event) => assert!(!event.id.is_empty() && event.app_id == record.app_id()),
        Content::Unreadable(why) => {
            assert!(!why.subject.event_id.is_empty() && !why.error.is_empty());
            assert!(why.class == "push" || why.name == "aside:t/3/9", "{}", why.name);
            let subject = &why.subject;
            assert!(why.class == "push" || subject.app_id.len() + subject.openid.len() <= 3 * LONGEST_KEY);
        }
    }
}

#[test]
fn fuzz_record() {
    bolero::check!().with_test_time(Duration::from_millis(300)).for_each(|bytes: &[u8]| {
        read(message(bytes));
        let headers = OwnedHeaders::new().insert(Header { key: "ce_id", value: Some("e") });
        let key = Some(b"wx1:o1".to_vec());
        read(OwnedMessage::new(
            Some(bytes.to_vec()),
            key,
            "t".into(),
            Timestamp::NotAvailable,
            3,
            9,
            Some(headers),
        ));
    });
}
