//! `….done`, beside a file of the spool: what Kafka has taken of it.
//!
//! An entry is 12 bytes, number and checksum of the record, and counts only if both fit: a bit flipped here costs a repetition and never a
//! record. It is not synced; after a crash of the machine a record may go to Kafka again, under the same id.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::segment::open;

const ENTRY: usize = 12;

/// The notes beside a file, as they were when it was recovered.
#[derive(Debug)]
pub(super) struct Notes(BTreeSet<(u64, u32)>);

impl Notes {
    /// Notes that cannot be read cost repetitions, too.
    pub(super) fn beside(file: &Path) -> Self {
        let path = path(file);
        let bytes = fs::read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(
                    file = %path.display(),
                    %error,
                    "cannot read what kafka has of a file of the spool: all of that file is sent again"
                );
            }
            Vec::new()
        });
        let entry = |entry: &[u8]| {
            let (number, crc) = entry.split_at_checked(8)?;
            Some((u64::from_le_bytes(number.try_into().ok()?), u32::from_le_bytes(crc.try_into().ok()?)))
        };
        Self(bytes.chunks_exact(ENTRY).filter_map(entry).collect())
    }

    /// Kafka has taken this record.
    pub(super) fn hold(&self, number: u64, crc: u32) -> bool {
        self.0.contains(&(number, crc))
    }

    /// As far as can be said of a record whose checksum is not known.
    pub(super) fn name(&self, number: u64) -> bool {
        self.0.range((number, 0)..=(number, u32::MAX)).next().is_some()
    }
}

/// Where the notes of a file are.
pub(super) fn path(file: &Path) -> PathBuf {
    file.with_extension("done")
}

/// Adds one entry. One that is there in part is cut off, or all that follow would be read at the wrong place.
pub(super) fn add(file: &Path, number: u64, crc: u32) -> io::Result<()> {
    let mut notes = open(&path(file))?;
    let length = notes.metadata()?.len();
    let whole = length - length % ENTRY as u64;
    if whole < length {
        notes.set_len(whole)?;
    }
    notes.write_all(&[number.to_le_bytes().as_slice(), &crc.to_le_bytes()].concat())
}
