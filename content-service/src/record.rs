//! What a record of the events topic holds: an event, or something that has to be set aside.

use prost::Message as _;
use proto::{
    event::{Event, event::Kind},
    reply::Reply,
};
use rdkafka::{
    Message,
    message::{Headers as _, OwnedMessage},
};
use runtime::trace::{self, TraceParent};

/// Longest id that is taken over from a header.
const LONGEST_ID: usize = 128;
/// Longest record key that names somebody: an AppId and an openid are far shorter.
pub const LONGEST_KEY: usize = 256;

/// A record, read as far as possible.
#[derive(Debug)]
pub struct Record {
    /// As it came: key, value and headers untouched.
    pub raw: OwnedMessage,
    /// What it says.
    pub content: Content,
    /// The trace that it continues.
    pub trace: TraceParent,
}

/// What a record says.
#[derive(Debug)]
pub enum Content {
    /// An event.
    Event(Box<Event>),
    /// Nobody can read it: it goes to the DLQ topic.
    Unreadable(Box<Unreadable>),
}

/// Why a record has to be set aside, and under which name.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// What is known of the event; `event_id` is always there.
    pub subject: Reply,
    /// Its name in the ledger and as `ce_id`: the event's id, or `aside:<topic>/<partition>/<offset>` where that is only claimed. A
    /// damaged copy must neither hide behind the event whose id it carries nor stand in its way.
    pub name: String,
    /// Class, for metrics: `no_id`, `content_type`, `protobuf`, `incomplete`, `push`, `panic`.
    pub class: &'static str,
    /// What is wrong.
    pub error: String,
}

impl Record {
    /// Reads a record.
    #[must_use]
    pub fn read(raw: OwnedMessage) -> Self {
        let trace = TraceParent::continue_from(header(&raw, trace::HEADER));
        let content = match read(&raw) {
            Ok(event) => match unparsed(&event) {
                None => Content::Event(event),
                Some(error) => {
                    let (subject, name) = (subject_of(&event), event.id.clone());
                    Content::Unreadable(Box::new(Unreadable { subject, name, class: "push", error }))
                }
            },
            Err((class, error)) => {
                let name = format!("aside:{}/{}/{}", raw.topic(), raw.partition(), raw.offset());
                Content::Unreadable(Box::new(Unreadable { subject: guess(&raw), name, class, error }))
            }
        };
        Self { raw, content, trace }
    }

    /// Whether it may be ended without an answer when too much waits. What erases a profile, and what nobody can read, may not.
    #[must_use]
    pub fn may_give_way(&self) -> bool {
        match &self.content {
            Content::Event(event) => !matches!(event.kind, Some(Kind::Unsubscribed(_))),
            Content::Unreadable(_) => false,
        }
    }

    /// AppId of the account, empty where nobody knows.
    #[must_use]
    pub fn app_id(&self) -> &str {
        match &self.content {
            Content::Event(event) => &event.app_id,
            Content::Unreadable(why) => &why.subject.app_id,
        }
    }
}

/// What an outcome says of its event.
#[must_use]
pub fn subject_of(event: &Event) -> Reply {
    Reply {
        event_id: event.id.clone(),
        account: event.account.clone(),
        app_id: event.app_id.clone(),
        openid: event.openid.clone(),
        occurred_at_ms: event.occurred_at_ms,
        event_kind: event.kind_name().to_owned(),
        ..Reply::default()
    }
}

fn read(raw: &OwnedMessage) -> Result<Box<Event>, (&'static str, String)> {
    if header(raw, "ce_id").is_none_or(str::is_empty) {
        return Err(("no_id", "the record has no header ce_id".to_owned()));
    }
    if let Some(other) = header(raw, "content-type").filter(|kind| *kind != "application/protobuf") {
        let kind: String = other.chars().take(80).collect();
        return Err(("content_type", format!("content-type is {kind:?}, not application/protobuf")));
    }
    let event =
        Event::decode(raw.payload().unwrap_or_default()).map_err(|error| ("protobuf", error.to_string()))?;
    if event.id.is_empty() || event.app_id.is_empty() {
        return Err(("incomplete", "the event has no id or names no account".to_owned()));
    }
    Ok(Box::new(event))
}

/// Why an event's push could not be read, if it could not.
fn unparsed(event: &Event) -> Option<String> {
    match &event.kind {
        Some(Kind::Unrecognised(push)) if !push.reason.is_empty() => {
            Some(format!("no parser could read the push: {}", push.reason))
        }
        _ => None,
    }
}

/// What can be said of an unreadable record: the id of its header, else a hash of where it stands and of what it holds.
fn guess(raw: &OwnedMessage) -> Reply {
    let told = header(raw, "ce_id").filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    let (partition, offset) = (raw.partition().to_be_bytes(), raw.offset().to_be_bytes());
    let hashed =
        || proto::event_id([raw.topic().as_bytes(), &partition, &offset, raw.payload().unwrap_or_default()]);
    let key = raw.key().filter(|key| key.len() <= LONGEST_KEY).unwrap_or_default();
    let key = String::from_utf8_lossy(key);
    let (app_id, openid) = key.split_once(':').unwrap_or((&key, ""));
    Reply {
        event_id: told.map_or_else(hashed, str::to_owned),
        app_id: app_id.to_owned(),
        openid: openid.to_owned(),
        occurred_at_ms: raw.timestamp().to_millis().unwrap_or_default(),
        event_kind: "unreadable".to_owned(),
        ..Reply::default()
    }
}

fn header<'a>(raw: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    let found = raw.headers()?.iter().find(|header| header.key == name)?;
    std::str::from_utf8(found.value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::event::Unrecognised;
    use rdkafka::{
        Timestamp,
        message::{Header, OwnedHeaders},
    };

    fn record(value: &[u8], headers: &[(&str, &str)]) -> Record {
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let (key, time) = (Some(b"wx1:o1".to_vec()), Timestamp::CreateTime(7));
        Record::read(OwnedMessage::new(Some(value.to_vec()), key, "t".into(), time, 3, 9, Some(headers)))
    }

    fn class(record: &Record) -> Option<&'static str> {
        match &record.content {
            Content::Event(_) => None,
            Content::Unreadable(why) => Some(why.class),
        }
    }

    #[test]
    fn what_nobody_can_read_is_told_by_class() {
        let event = Event { id: "e".into(), app_id: "wx1".into(), ..Event::default() };
        let good = event.encode_to_vec();
        assert_eq!(class(&record(&good, &[("ce_id", "other")])), None, "an id that differs does no harm");
        assert_eq!(class(&record(&good, &[])), Some("no_id"));
        assert_eq!(
            class(&record(&good, &[("ce_id", "e"), ("content-type", "text/plain")])),
            Some("content_type")
        );
        assert_eq!(class(&record(b"\xff\xff", &[("ce_id", "e")])), Some("protobuf"));
        assert_eq!(class(&record(b"", &[("ce_id", "e")])), Some("incomplete"));
        let push = Unrecognised { raw: b"<xml".to_vec(), reason: "cut".into(), ..Unrecognised::default() };
        let raw = Event { kind: Some(Kind::Unrecognised(push)), ..event };
        assert_eq!(class(&record(&raw.encode_to_vec(), &[("ce_id", "e")])), Some("push"));
    }

    #[test]
    fn an_id_that_is_only_claimed_is_no_name() {
        let name = |value: &[u8]| match record(value, &[("ce_id", "e")]).content {
            Content::Unreadable(why) => (why.subject.event_id, why.name),
            Content::Event(_) => panic!("nobody can read it"),
        };
        assert_eq!(name(b"\xff"), ("e".to_owned(), "aside:t/3/9".to_owned()));
        let push = Unrecognised { raw: b"<xml".to_vec(), reason: "cut".into(), ..Unrecognised::default() };
        let kind = Some(Kind::Unrecognised(push));
        let told = Event { id: "e".into(), app_id: "wx1".into(), kind, ..Event::default() };
        assert_eq!(name(&told.encode_to_vec()), ("e".to_owned(), "e".to_owned()), "the gateway says so");
    }

    #[test]
    fn a_record_without_an_id_is_named_by_its_place_and_content() {
        let subject = |value: &[u8]| match record(value, &[]).content {
            Content::Unreadable(why) => why.subject,
            Content::Event(_) => panic!("it has no id"),
        };
        let (one, two) = (subject(b"x"), subject(b"y"));
        assert_eq!(one, subject(b"x"));
        assert_ne!(one.event_id, two.event_id);
        assert_eq!((one.app_id.as_str(), one.openid.as_str()), ("wx1", "o1"));
    }
}
