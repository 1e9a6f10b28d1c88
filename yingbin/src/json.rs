//! Contracts as protobuf JSON and back: lowerCamelCase names, 64-bit integers as strings, defaults left out.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};
use serde_json::Value;

/// Why something is not protobuf JSON of a contract, or not its bytes.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The contracts have no message of this name.
    #[error("the contracts have no message {0}")]
    NoSuchMessage(String),
    /// The bytes are no message of this type.
    #[error("the bytes are no {name}: {source}")]
    Bytes {
        /// Full name of the message.
        name: String,
        /// What prost says.
        source: prost::DecodeError,
    },
    /// The JSON does not fit the message.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// A message of the contracts that stands alone: in a record, in an answer or in a line of a file.
pub trait Contract: Message + Default {
    /// Its full name: `yingbin.event.v1.Event`.
    const NAME: &'static str;
}

macro_rules! contracts {
    ($($type:path = $name:literal;)*) => {$(
        impl Contract for $type {
            const NAME: &'static str = $name;
        }
    )*};
}

contracts! {
    proto::event::Event = "yingbin.event.v1.Event";
    proto::reply::Reply = "yingbin.reply.v1.Reply";
    proto::reply::Decision = "yingbin.reply.v1.Decision";
    proto::profile::Profile = "yingbin.profile.v1.Profile";
    proto::profile::Enrichment = "yingbin.profile.v1.Enrichment";
    proto::content::Item = "yingbin.content.v1.Item";
    proto::activity::Activity = "yingbin.activity.v1.Activity";
}

/// A message as protobuf JSON.
#[must_use]
pub fn to_json<M: Contract>(message: &M) -> Value {
    decode(M::NAME, &message.encode_to_vec())
        .expect("a message that was just encoded reads back, and its name is one of the contracts (tested)")
}

/// A message from protobuf JSON; names may be lowerCamelCase or `snake_case`, unknown ones are errors.
///
/// # Errors
/// [`JsonError::Json`] says which field does not fit.
pub fn from_json<M: Contract>(json: &Value) -> Result<M, JsonError> {
    let bytes = encode(M::NAME, json)?;
    M::decode(bytes.as_slice()).map_err(|source| JsonError::Bytes { name: M::NAME.to_owned(), source })
}

/// Bytes of the message `full_name` as protobuf JSON.
///
/// # Errors
/// No such message, or the bytes are none.
pub fn decode(full_name: &str, bytes: &[u8]) -> Result<Value, JsonError> {
    let message = DynamicMessage::decode(descriptor(full_name)?, bytes)
        .map_err(|source| JsonError::Bytes { name: full_name.to_owned(), source })?;
    Ok(message.serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())?)
}

/// Protobuf JSON as bytes of the message `full_name`.
///
/// # Errors
/// No such message, or the JSON does not fit it.
pub fn encode(full_name: &str, json: &Value) -> Result<Vec<u8>, JsonError> {
    let message = DynamicMessage::deserialize_with_options(
        descriptor(full_name)?,
        json,
        &DeserializeOptions::new().deny_unknown_fields(true),
    )?;
    Ok(message.encode_to_vec())
}

fn descriptor(full_name: &str) -> Result<MessageDescriptor, JsonError> {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(proto::DESCRIPTORS).expect("the contracts' own build made the descriptors")
    });
    POOL.get_message_by_name(full_name).ok_or_else(|| JsonError::NoSuchMessage(full_name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proto::{
        content::{Item, Topic, TopicKind},
        event::{Entered, EntrySignal, Event, event::Kind},
    };
    use serde_json::json;

    fn name_of<M: Contract>() -> String {
        descriptor(M::NAME).unwrap().full_name().to_owned()
    }

    #[test]
    fn every_contract_is_known_by_its_name() {
        assert_eq!(name_of::<Event>(), "yingbin.event.v1.Event");
        assert_eq!(name_of::<proto::reply::Reply>(), "yingbin.reply.v1.Reply");
        assert_eq!(name_of::<proto::reply::Decision>(), "yingbin.reply.v1.Decision");
        assert_eq!(name_of::<proto::profile::Profile>(), "yingbin.profile.v1.Profile");
        assert_eq!(name_of::<proto::profile::Enrichment>(), "yingbin.profile.v1.Enrichment");
        assert_eq!(name_of::<Item>(), "yingbin.content.v1.Item");
        assert_eq!(name_of::<proto::activity::Activity>(), "yingbin.activity.v1.Activity");
        assert!(matches!(decode("yingbin.event.v1.Nothing", b""), Err(JsonError::NoSuchMessage(_))));
    }

    #[test]
    fn names_are_camel_case_large_numbers_text_and_defaults_absent() {
        let event = Event {
            id: "1".into(),
            occurred_at_ms: 1_754_000_000_000,
            kind: Some(Kind::Entered(Entered { signal: EntrySignal::Enter.into(), ..Entered::default() })),
            ..Event::default()
        };
        let expected = json!({
            "id": "1", "occurredAtMs": "1754000000000", "entered": { "signal": "ENTRY_SIGNAL_ENTER" }
        });
        assert_eq!(to_json(&event), expected);
    }

    #[test]
    fn both_spellings_are_read_and_unknown_names_refused() {
        let camel: Item = from_json(&json!({ "id": "a", "publishedAtMs": 5 })).unwrap();
        let snake: Item = from_json(&json!({ "id": "a", "published_at_ms": "5" })).unwrap();
        assert_eq!((&camel, camel.published_at_ms), (&snake, 5));
        let error = from_json::<Item>(&json!({ "titel": "a" })).unwrap_err().to_string();
        assert!(error.contains("titel"), "{error}");
    }

    proptest! {
        #[test]
        fn an_item_comes_back_as_it_was(
            id in "[a-z0-9-]{0,40}", title in "\\PC{0,20}", at in any::<i64>(), pin in any::<i64>(), kind in 0i32..5,
        ) {
            let topics = vec![Topic { name: title.clone(), kind: TopicKind::try_from(kind).unwrap().into() }];
            let item = Item { id, title, published_at_ms: at, pin_micros: pin, topics, ..Item::default() };
            prop_assert_eq!(from_json::<Item>(&to_json(&item)).unwrap(), item);
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = decode("yingbin.event.v1.Event", &bytes) {
                prop_assert!(value.is_object());
            }
        }
    }
}
