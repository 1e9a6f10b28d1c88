//! Records of a newer and of an older version: both are read as far as they are known.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use prost::Message as _;
use proto::event::{Entered, EntrySignal, Event, event::Kind};

/// A field that this version does not know: a number, and a message.
const NUMBER: &[u8] = &[0xa0, 0x38, 0x01];
const MESSAGE: &[u8] = &[0x9a, 0x38, 0x02, 0x08, 0x01];

fn entered(signal: i32) -> Event {
    let kind = Kind::Entered(Entered { signal, session_from: "page=home".into() });
    Event { id: "e1".into(), openid: "o1".into(), kind: Some(kind), ..Event::default() }
}

#[test]
fn fields_that_a_newer_writer_adds_are_passed_over() {
    let known = entered(EntrySignal::Tempsession.into());
    let newer = [NUMBER, &known.encode_to_vec(), MESSAGE].concat();
    assert_eq!(Event::decode(newer.as_slice()).unwrap(), known);
}

#[test]
fn a_kind_that_a_newer_writer_adds_leaves_the_rest_readable() {
    let known = Event { kind: None, ..entered(0) };
    let newer = [&known.encode_to_vec(), MESSAGE].concat();
    assert_eq!(Event::decode(newer.as_slice()).unwrap(), known);
}

#[test]
fn a_value_that_a_newer_writer_adds_to_an_enum_is_no_known_one_and_is_kept() {
    let newer = entered(77).encode_to_vec();
    let Some(Kind::Entered(read)) = Event::decode(newer.as_slice()).unwrap().kind else { panic!("no entry") };
    assert_eq!((read.signal(), read.signal), (EntrySignal::Unspecified, 77));
}

#[test]
fn what_an_older_writer_does_not_know_has_its_default() {
    let older = [0x0a, 0x02, b'e', b'1'];
    assert_eq!(Event::decode(older.as_slice()).unwrap(), Event { id: "e1".into(), ..Event::default() });
}
