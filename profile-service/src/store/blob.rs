//! How a person is written: 8 bytes of stamp, 8 bytes of `erased_before_ms` (big-endian), then the protobuf profile.
//!
//! The stamp is a hash of what follows it. Unlike a count of writes it can't come back with other content, whatever a
//! failover loses: a swap that finds the expected stamp finds the expected value.

use std::hash::{DefaultHasher, Hasher as _};

use prost::Message as _;
use proto::profile::Profile;

use crate::learn::Person;

const STAMP: usize = 8;
const HEAD: usize = STAMP + 8;

/// A person as the store has it.
#[derive(Debug, Default)]
pub struct Stored {
    /// The person.
    pub person: Person,
    /// First 8 bytes of the value; empty where there is none.
    pub(super) stamp: Vec<u8>,
    /// Length of the value.
    pub(super) bytes: usize,
}

/// The stored bytes are no person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored profile cannot be read: {0}")]
pub struct Unreadable(String);

/// The value to store, and the same as it will be read.
pub(super) fn encode(person: Person) -> (Vec<u8>, Stored) {
    let mut value = Vec::with_capacity(HEAD + person.profile.encoded_len());
    value.extend_from_slice(&[0; STAMP]);
    value.extend_from_slice(&person.erased_before_ms.to_be_bytes());
    person.profile.encode_raw(&mut value);
    let mut hash = DefaultHasher::new();
    hash.write(&value[STAMP..]);
    let stamp = hash.finish().to_be_bytes();
    value[..STAMP].copy_from_slice(&stamp);
    let stored = Stored { person, stamp: stamp.to_vec(), bytes: value.len() };
    (value, stored)
}

/// Reads a value; an empty one is nobody.
pub(super) fn decode(value: &[u8]) -> Result<Stored, Unreadable> {
    if value.is_empty() {
        return Ok(Stored::default());
    }
    let short = || Unreadable(format!("{} bytes", value.len()));
    let (head, profile) = value.split_at_checked(HEAD).ok_or_else(short)?;
    let (stamp, erased) = head.split_at(STAMP);
    let erased_before_ms = i64::from_be_bytes(erased.try_into().map_err(|_| short())?);
    let profile = Profile::decode(profile).map_err(|error| Unreadable(error.to_string()))?;
    Ok(Stored { person: Person { profile, erased_before_ms }, stamp: stamp.to_vec(), bytes: value.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let person = Person { profile: Profile { version: 3, ..Profile::default() }, erased_before_ms: -7 };
        let (value, stored) = encode(person.clone());
        let read = decode(&value).unwrap();
        assert_eq!((&read.person, &read.stamp, read.bytes), (&person, &stored.stamp, stored.bytes));
        assert_eq!(value[..STAMP], read.stamp);
        let (_, other) = encode(Person { erased_before_ms: 0, ..person });
        assert_ne!(other.stamp, read.stamp);
    }

    #[test]
    fn nothing_is_nobody_and_rubbish_is_an_error() {
        assert!(decode(&[]).unwrap().stamp.is_empty());
        assert!(decode(&[1; 5]).is_err());
        assert!(decode(&[255; 40]).is_err());
    }
}
