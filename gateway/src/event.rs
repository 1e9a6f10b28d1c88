//! From a verified push, or a tap on a link, to the event that every consumer reads. Pure.

use proto::{
    content::Topic,
    event::{
        Entered, EntrySignal, Event, Field, ImageReceived, LinkClicked, LinkReceived, LocationReceived,
        LocationReported, MenuClicked, MenuViewed, Scanned, Subscribed, TextReceived, Unrecognised,
        Unsubscribed, VoiceReceived, event::Kind,
    },
};
use wechat::{
    document::Document,
    push::{Entrance, Kind as Pushed, Push},
};

/// Most bytes of names and values that an unrecognised push may hold as fields: a record of Kafka takes 1 MiB, and a
/// nested document repeats the outer names with every leaf.
const MAX_FIELD_BYTES: usize = 512 * 1024;

/// The event of a push of `account` whose inner document is `document`, taken at `received_at_ms` (Unix milliseconds).
///
/// Never fails: what verified is never refused. What cannot be read becomes `Unrecognised` with the raw bytes.
#[must_use]
pub fn of_push(account: &str, app_id: &str, document: &[u8], received_at_ms: i64) -> Event {
    let read = match Document::parse(document) {
        Ok(read) => read,
        Err(why) => return unreadable(account, app_id, document, &why.to_string(), received_at_ms),
    };
    let push = Push::read(&read);
    let kind = match kind(&push.kind) {
        Some(kind) => kind,
        None if field_bytes(&read) > MAX_FIELD_BYTES => {
            return unreadable(account, app_id, document, "its fields are too large", received_at_ms);
        }
        None => unrecognised(&push, &read),
    };
    Event {
        id: id(app_id, &push),
        account: account.to_owned(),
        app_id: app_id.to_owned(),
        openid: push.from_user_name.to_owned(),
        to_user_name: push.to_user_name.to_owned(),
        occurred_at_ms: occurred_at(push.create_time, received_at_ms),
        received_at_ms,
        kind: Some(kind),
    }
}

/// The event of a tap on `link` at `now_ms`. Taps of one second on one link are one event: a double tap, a prefetch.
#[must_use]
pub fn of_click(account: &str, token: &str, link: proto::Link, topics: Vec<Topic>, now_ms: i64) -> Event {
    let second = now_ms.div_euclid(1000).to_be_bytes();
    Event {
        id: proto::event_id([link.app_id.as_bytes(), b"link_clicked", token.as_bytes(), &second]),
        account: account.to_owned(),
        app_id: link.app_id,
        openid: link.openid,
        to_user_name: String::new(),
        occurred_at_ms: now_ms,
        received_at_ms: now_ms,
        kind: Some(Kind::LinkClicked(LinkClicked {
            item_id: link.item_id,
            reply_event_id: link.reply_event_id,
            slot: link.slot,
            topics,
        })),
    }
}

/// Whether no parser could read the push.
pub(crate) fn is_unreadable(event: &Event) -> bool {
    matches!(&event.kind, Some(Kind::Unrecognised(unrecognised)) if !unrecognised.reason.is_empty())
}

fn id(app_id: &str, push: &Push<'_>) -> String {
    let identity = push.identity();
    let fields = identity.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    proto::event_id(std::iter::once(app_id.as_bytes()).chain(fields))
}

/// The platform's second, never later than now; where it is missing or odd, now.
fn occurred_at(create_time: Option<i64>, received_at_ms: i64) -> i64 {
    create_time
        .filter(|seconds| *seconds > 0)
        .map_or(received_at_ms, |seconds| seconds.saturating_mul(1000).min(received_at_ms))
}

fn unreadable(account: &str, app_id: &str, document: &[u8], reason: &str, received_at_ms: i64) -> Event {
    Event {
        id: proto::event_id([app_id.as_bytes(), b"unreadable", document]),
        account: account.to_owned(),
        app_id: app_id.to_owned(),
        openid: String::new(),
        to_user_name: String::new(),
        occurred_at_ms: received_at_ms,
        received_at_ms,
        kind: Some(Kind::Unrecognised(Unrecognised {
            raw: document.to_vec(),
            reason: reason.to_owned(),
            ..Unrecognised::default()
        })),
    }
}

fn unrecognised(push: &Push<'_>, document: &Document<'_>) -> Kind {
    let field = |leaf: &wechat::document::Leaf<'_>| Field {
        name: leaf.name.clone().into_owned(),
        value: leaf.value.clone().into_owned(),
    };
    Kind::Unrecognised(Unrecognised {
        msg_type: push.msg_type.to_owned(),
        event: push.event.to_owned(),
        fields: document.leaves().iter().map(field).collect(),
        raw: Vec::new(),
        reason: String::new(),
    })
}

fn field_bytes(document: &Document<'_>) -> usize {
    document.leaves().iter().map(|leaf| leaf.name.len() + leaf.value.len()).sum()
}

/// The kind with its own fields; `None`: kept with all its fields.
fn kind(pushed: &Pushed<'_>) -> Option<Kind> {
    Some(match *pushed {
        Pushed::Text { .. }
        | Pushed::Image { .. }
        | Pushed::Voice { .. }
        | Pushed::Location { .. }
        | Pushed::Link { .. } => return message(pushed),
        Pushed::Subscribe { scene, ticket, event_key } => Kind::Subscribed(Subscribed {
            scene: scene.unwrap_or_default().to_owned(),
            ticket: ticket.to_owned(),
            event_key: event_key.to_owned(),
        }),
        Pushed::Unsubscribe => Kind::Unsubscribed(Unsubscribed {}),
        Pushed::Scan { scene, ticket } => {
            Kind::Scanned(Scanned { scene: scene.to_owned(), ticket: ticket.to_owned() })
        }
        Pushed::Click { key } => Kind::MenuClicked(MenuClicked { key: key.to_owned() }),
        Pushed::View { url, menu_id } => {
            Kind::MenuViewed(MenuViewed { url: url.to_owned(), menu_id: menu_id.to_owned() })
        }
        Pushed::LocationReport { latitude, longitude, precision } => {
            Kind::LocationReported(LocationReported { latitude, longitude, precision })
        }
        Pushed::Enter(entrance) => Kind::Entered(entered(entrance)),
        Pushed::Unrecognised => return None,
    })
}

fn entered(entrance: Entrance<'_>) -> Entered {
    match entrance {
        Entrance::TempSession { session_from } => {
            Entered { signal: EntrySignal::Tempsession.into(), session_from: session_from.to_owned() }
        }
        Entrance::Enter => Entered { signal: EntrySignal::Enter.into(), session_from: String::new() },
    }
}

fn message(pushed: &Pushed<'_>) -> Option<Kind> {
    Some(match *pushed {
        Pushed::Text { message_id, content, menu_option_id } => Kind::TextReceived(TextReceived {
            message_id: message_id.to_owned(),
            content: content.to_owned(),
            menu_option_id: menu_option_id.unwrap_or_default().to_owned(),
        }),
        Pushed::Image { message_id, pic_url, media_id } => Kind::ImageReceived(ImageReceived {
            message_id: message_id.to_owned(),
            pic_url: pic_url.to_owned(),
            media_id: media_id.to_owned(),
        }),
        Pushed::Voice { message_id, media_id, format, recognition } => Kind::VoiceReceived(VoiceReceived {
            message_id: message_id.to_owned(),
            media_id: media_id.to_owned(),
            format: format.to_owned(),
            recognition: recognition.unwrap_or_default().to_owned(),
        }),
        Pushed::Location { message_id, latitude, longitude, scale, label } => {
            Kind::LocationReceived(LocationReceived {
                message_id: message_id.to_owned(),
                latitude,
                longitude,
                scale: scale.map(|scale| scale as f64),
                label: label.to_owned(),
            })
        }
        Pushed::Link { message_id, title, description, url } => Kind::LinkReceived(LinkReceived {
            message_id: message_id.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            url: url.to_owned(),
        }),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
