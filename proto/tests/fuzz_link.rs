//! Fuzz targets: no link token opens that was not made with the key, every link comes back as it was, and no message makes headers
//! that a record cannot carry.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

use std::time::Duration;

use prost::Message as _;
use proto::{
    CloudEvent, DeadLetter, Link, LinkError, LinkKey, activity::Activity, event::Event, reply::Reply,
};

const MOMENT: Duration = Duration::from_millis(300);

#[test]
fn fuzz_link() {
    let (key, other) = (LinkKey::derive("secret"), LinkKey::derive("another"));
    bolero::check!().with_test_time(MOMENT).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(key.open(&text, 0), Err(LinkError::Forged));
        let mut parts = text.split('\n').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        let link = Link {
            app_id: part(),
            openid: part(),
            item_id: part(),
            reply_event_id: part(),
            slot: part(),
            expires_at: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        };
        let token = key.seal(&link);
        assert_eq!(key.open(&token, link.expires_at - 1), Ok(link.clone()));
        assert_eq!(key.open(&token, link.expires_at), Err(LinkError::Expired));
        assert_eq!(other.open(&token, 0), Err(LinkError::Forged));
        for cut in 0..token.len().min(64) {
            assert_eq!(key.open(token.get(..cut).unwrap_or_default(), 0), Err(LinkError::Forged));
        }
    });
}

#[test]
fn fuzz_headers() {
    bolero::check!().with_test_time(MOMENT).for_each(|bytes: &[u8]| {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        if let Ok(event) = Event::decode(bytes) {
            told(&CloudEvent::of_event(&event, trace));
        }
        if let Ok(reply) = Reply::decode(bytes) {
            told(&CloudEvent::of_reply(&reply, trace));
        }
        if let Ok(activity) = Activity::decode(bytes)
            && let Some(attributes) = CloudEvent::of_activity(&activity, "/crm", trace)
        {
            told(&attributes);
        }
        let text = String::from_utf8_lossy(bytes);
        let letter = DeadLetter {
            reason: "protobuf",
            error: &text,
            topic: &text,
            partition: 0,
            offset: 0,
            at_ms: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            attempts: 0,
            left_out: &text,
            value_bytes: bytes.len(),
        };
        assert!(letter.headers().iter().all(|(name, _)| !name.is_empty()));
    });
}

/// Every attribute once, the time as RFC 3339, and the key that orders it.
fn told(attributes: &CloudEvent<'_>) {
    let headers = attributes.headers();
    let value =
        |name: &str| headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_ref());
    assert_eq!(value("ce_partitionkey"), Some(attributes.key.as_str()));
    assert_eq!(value("ce_id"), Some(attributes.id.as_ref()));
    let time = value("ce_time").unwrap_or_default();
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
}
