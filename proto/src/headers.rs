//! CloudEvents 1.0 in Kafka's binary mode: one record header per attribute, the value untouched.

use std::borrow::Cow;

use crate::{
    activity::Activity,
    event::Event,
    identity::{customer_key, record_key},
    reply::Reply,
};

/// Headers of one record, in the order in which they are written.
pub type Headers<'a> = [(&'static str, Cow<'a, str>); 9];

/// The attributes of one record, from which its headers and key are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvent<'a> {
    /// `ce_id`: unique within the source; a repeat carries the same.
    pub id: Cow<'a, str>,
    /// `ce_source`: `/wechat/<app_id>`.
    pub source: String,
    /// `ce_type`: `yingbin.event.entered.v1`.
    pub kind: String,
    /// `ce_time`, Unix milliseconds, written as RFC 3339 in UTC.
    pub time_ms: i64,
    /// `ce_subject`: the openid.
    pub subject: Cow<'a, str>,
    /// `ce_partitionkey`, which is the record key.
    pub key: String,
    /// W3C `traceparent` of the hop.
    pub traceparent: Cow<'a, str>,
}

impl<'a> CloudEvent<'a> {
    /// Attributes of an event on `wechat.events.v1`.
    #[must_use]
    pub fn of_event(event: &'a Event, traceparent: &'a str) -> Self {
        Self {
            id: Cow::Borrowed(&event.id),
            source: format!("/wechat/{}", event.app_id),
            kind: format!("yingbin.event.{}.v1", event.kind_name()),
            time_ms: event.occurred_at_ms,
            subject: Cow::Borrowed(&event.openid),
            key: record_key(&event.app_id, &event.openid),
            traceparent: Cow::Borrowed(traceparent),
        }
    }

    /// Attributes of an outcome on `wechat.replies.v1`, under its [`reply_id`].
    #[must_use]
    pub fn of_reply(reply: &'a Reply, traceparent: &'a str) -> Self {
        Self {
            id: reply_id(reply),
            source: format!("/content/{}", reply.app_id),
            kind: format!("yingbin.reply.{}.v1", reply.outcome().name()),
            time_ms: reply.ended_at_ms,
            subject: Cow::Borrowed(&reply.openid),
            key: record_key(&reply.app_id, &reply.openid),
            traceparent: Cow::Borrowed(traceparent),
        }
    }

    /// Attributes of an activity on `customer.activity.v1`, told by `source`. `None` if it names nobody.
    #[must_use]
    pub fn of_activity(activity: &'a Activity, source: &str, traceparent: &'a str) -> Option<Self> {
        let key = customer_key(activity.customer.as_ref()?)?;
        Some(Self {
            id: Cow::Borrowed(&activity.id),
            source: source.to_owned(),
            kind: "yingbin.activity.v1".to_owned(),
            time_ms: activity.occurred_at_ms,
            subject: Cow::Owned(key.clone()),
            key,
            traceparent: Cow::Borrowed(traceparent),
        })
    }

    /// The record's headers.
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        [
            ("ce_specversion", Cow::Borrowed("1.0")),
            ("ce_id", Cow::Borrowed(&self.id)),
            ("ce_source", Cow::Borrowed(&self.source)),
            ("ce_type", Cow::Borrowed(&self.kind)),
            ("ce_time", Cow::Owned(rfc3339(self.time_ms))),
            ("ce_subject", Cow::Borrowed(&self.subject)),
            ("ce_partitionkey", Cow::Borrowed(&self.key)),
            ("content-type", Cow::Borrowed("application/protobuf")),
            ("traceparent", Cow::Borrowed(&self.traceparent)),
        ]
    }
}

/// The id of an outcome: the event's, so that a republished one is the same. A revision says something new, so it has one of its own.
#[must_use]
pub fn reply_id(reply: &Reply) -> Cow<'_, str> {
    match reply.revision {
        0 => Cow::Borrowed(&reply.event_id),
        revision => Cow::Owned(format!("{}/{revision}", reply.event_id)),
    }
}

/// RFC 3339 in UTC with milliseconds; a time outside the calendar is written as the epoch.
fn rfc3339(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Entered, EntrySignal, event::Kind};
    use prost::Message as _;

    fn entered() -> Event {
        Event {
            id: "0123456789abcdef0123456789abcdef".into(),
            account: "qianjiang".into(),
            app_id: "wx1".into(),
            openid: "o1".into(),
            to_user_name: "gh_1".into(),
            occurred_at_ms: 1_754_000_000_000,
            received_at_ms: 1_754_000_000_123,
            kind: Some(Kind::Entered(Entered {
                signal: EntrySignal::Tempsession.into(),
                session_from: "page=home".into(),
            })),
        }
    }

    #[test]
    fn headers_of_an_event_are_the_contract() {
        let event = entered();
        let attributes =
            CloudEvent::of_event(&event, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let lines: Vec<String> =
            attributes.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        ce_specversion: 1.0
        ce_id: 0123456789abcdef0123456789abcdef
        ce_source: /wechat/wx1
        ce_type: yingbin.event.entered.v1
        ce_time: 2025-07-31T22:13:20.000Z
        ce_subject: o1
        ce_partitionkey: wx1:o1
        content-type: application/protobuf
        traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
        ");
    }

    #[test]
    fn the_bytes_of_an_event_are_the_contract() {
        let golden = "0a20303132333435363738396162636465663031323334353637383961626364656612097169616e6a69616e671a0377783122026f\
                      312a0467685f31308088b094863338fb88b0948633a2010d08021209706167653d686f6d65";
        assert_eq!(hex::encode(entered().encode_to_vec()), golden);
    }
}
