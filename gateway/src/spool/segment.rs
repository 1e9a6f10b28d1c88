//! One file of the spool, `<first number>-<mark>.log`, and which of its records Kafka has not taken yet.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{
    frame::{self, HEAD, Piece},
    notes::{self, Notes},
};

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) offset: u64,
    /// With its head.
    pub(super) length: usize,
    pub(super) crc: u32,
    pub(super) at_ms: i64,
    /// As the gate names the user, while the record waits.
    pub(super) user: u64,
    pub(super) waits: bool,
}

/// What is not there or is not whole.
const NOTHING: Slot = Slot { offset: 0, length: 0, crc: 0, at_ms: 0, user: 0, waits: false };

/// One file and which of its records still wait.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    mark: u64,
    first: u64,
    /// Open only while it is appended to: there may be more files than descriptors.
    tail: Option<File>,
    /// By number, from `first` on.
    slots: Vec<Slot>,
    /// No slot before this one waits.
    oldest: usize,
    waiting: usize,
    bytes: u64,
    /// Something in it is for a person: it is moved aside and not deleted.
    keep: bool,
}

/// What could not be read of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// Records that Kafka does not have, as far as numbers and marks tell.
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// Why records are not in the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// They are not; the file is as it was.
    #[error("cannot write: {0}")]
    Unwritable(#[source] io::Error),
    /// What is on the disk is not known any more.
    #[error("{what} of {} failed: {source}", path.display())]
    Broken { what: &'static str, path: PathBuf, source: io::Error },
}

impl Segment {
    /// Makes an empty file whose name survives a crash.
    pub(super) fn create(folder: &Path, first: u64, mark: u64) -> Result<Self, WriteError> {
        let path = folder.join(format!("{first:020}-{mark:016x}.log"));
        let file = open(&path).map_err(WriteError::Unwritable)?;
        fail::fail_point!("s6", |_| std::process::abort());
        sync_folder(folder).map_err(|source| WriteError::Broken {
            what: "syncing the folder",
            path: path.clone(),
            source,
        })?;
        Ok(Self { tail: Some(file), ..Self::new(path, first, mark) })
    }

    fn new(path: PathBuf, first: u64, mark: u64) -> Self {
        let slots = Vec::new();
        Self { path, mark, first, tail: None, slots, oldest: 0, waiting: 0, bytes: 0, keep: false }
    }

    /// Reads a file that an earlier process left; `each` is told the body of every record that waits, in order, and names the user. `None`:
    /// the name is not that of a segment.
    ///
    /// # Errors
    /// The disk does not give the file back; `each` was told nothing.
    pub(super) fn recover(
        path: &Path,
        each: &mut dyn FnMut(&[u8]) -> u64,
    ) -> io::Result<Option<(Self, Damage)>> {
        let Some((first, mark)) = name(path) else { return Ok(None) };
        let (bytes, done) = (fs::read(path)?, Notes::beside(path));
        let lost = |numbers: Range<u64>| numbers.filter(|number| !done.name(*number)).count() as u64;
        let mut segment = Self::new(path.to_owned(), first, mark);
        segment.bytes = bytes.len() as u64;
        let mut damage = Damage::default();
        let mut unread = None;
        for piece in frame::scan(&bytes, mark) {
            match piece {
                Piece::Damaged(range) => {
                    damage.bytes += range.len() as u64;
                    unread = Some(range);
                }
                Piece::Intact(frame) if segment.can_hold(frame.number) => {
                    unread = None;
                    damage.records += lost(segment.end()..frame.number);
                    let waits = !done.hold(frame.number, frame.crc);
                    segment.take(&frame, waits.then(|| each(frame.body)));
                }
                // Left of an append that was taken back, or from a file of another name.
                Piece::Intact(_) => segment.keep = true,
            }
        }
        if let Some(range) = unread {
            let records = (frame::marks(&bytes, mark, range.start).count() as u64).max(1);
            damage.records += lost(segment.end()..segment.end() + records);
        }
        segment.keep |= damage != Damage::default();
        segment.skip_done();
        Ok(Some((segment, damage)))
    }

    /// Numbers of one file follow each other, so that there are fewer of them than bytes.
    fn can_hold(&self, number: u64) -> bool {
        (self.end()..self.first.saturating_add(self.bytes)).contains(&number)
    }

    fn take(&mut self, frame: &frame::Frame<'_>, user: Option<u64>) {
        let index = usize::try_from(frame.number - self.first).unwrap_or(usize::MAX);
        self.slots.resize(index, NOTHING);
        self.push(Slot {
            offset: frame.offset as u64,
            length: HEAD + frame.body.len(),
            crc: frame.crc,
            at_ms: frame.at_ms,
            user: user.unwrap_or_default(),
            waits: user.is_some(),
        });
    }

    fn push(&mut self, slot: Slot) {
        self.waiting += usize::from(slot.waits);
        self.slots.push(slot);
    }

    /// Writes frames and waits until the disk has them. `slots` are relative to `frames`.
    pub(super) fn append(&mut self, frames: &[u8], slots: &[Slot]) -> Result<(), WriteError> {
        let broken = |what, source| WriteError::Broken { what, path: self.path.clone(), source };
        let Some(mut tail) = self.tail.as_ref() else {
            return Err(WriteError::Unwritable(io::ErrorKind::ReadOnlyFilesystem.into()));
        };
        if let Err(error) = tail.write_all(frames) {
            tail.set_len(self.bytes).map_err(|source| broken("taking back an append", source))?;
            return Err(WriteError::Unwritable(error));
        }
        fail::fail_point!("s1", |_| std::process::abort());
        tail.sync_data().map_err(|source| broken("fdatasync", source))?;
        for slot in slots {
            self.push(Slot { offset: self.bytes + slot.offset, ..*slot });
        }
        self.bytes += frames.len() as u64;
        Ok(())
    }

    /// Nothing more is appended.
    pub(super) fn seal(&mut self) {
        self.tail = None;
    }

    /// The body of a record that waits; `None` if the disk does not give it back as it was.
    ///
    /// # Errors
    /// The file cannot be opened now; that says nothing about the record.
    pub(super) fn read(&self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(slot) = self.slot(number) else { return Ok(None) };
        let (file, mut bytes) = (File::open(&self.path)?, vec![0; slot.length]);
        let whole = file.read_exact_at(&mut bytes, slot.offset).is_ok()
            && frame::read(&bytes, self.mark, 0).is_some_and(|frame| frame.number == number);
        Ok(whole.then(|| bytes.split_off(HEAD)))
    }

    fn slot(&self, number: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Kafka has taken it.
    pub(super) fn remove(&mut self, number: u64) {
        let Some(crc) = self.end_waiting(number) else { return };
        if let Err(error) = notes::add(&self.path, number, crc) {
            tracing::debug!(%error, number, "cannot note that a record was drained: after a crash it is sent again");
        }
    }

    /// It stays in the file for a person, who finds the file under `aside`.
    pub(super) fn set_aside(&mut self, number: u64) {
        self.end_waiting(number);
        self.keep = true;
    }

    fn end_waiting(&mut self, number: u64) -> Option<u32> {
        let slot = self.slots.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)?;
        let waited = std::mem::take(&mut slot.waits);
        let crc = slot.crc;
        self.waiting -= usize::from(waited);
        self.skip_done();
        waited.then_some(crc)
    }

    fn skip_done(&mut self) {
        let done = self.slots.iter().skip(self.oldest).take_while(|slot| !slot.waits).count();
        self.oldest += done;
    }

    /// The numbers from `from` on that wait, in order, and whose they are.
    pub(super) fn waiting_from(&self, from: u64) -> impl Iterator<Item = (u64, u64)> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX).max(self.oldest);
        let numbered = (self.first..).zip(&self.slots).skip(skip);
        numbered.filter(|(_, slot)| slot.waits).map(|(number, slot)| (number, slot.user))
    }

    /// When the oldest that waits was appended.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.slots.get(self.oldest).map(|slot| slot.at_ms)
    }

    /// Deletes the file, or moves it to `aside` if it holds something for a person.
    pub(super) fn retire(self, aside: &Path) -> io::Result<()> {
        let done = notes::path(&self.path);
        fail::fail_point!("s4", |_| std::process::abort());
        if self.keep {
            fs::create_dir_all(aside)?;
            move_into(&done, aside).or_else(ignore_missing)?;
            return move_into(&self.path, aside);
        }
        fs::remove_file(done).or_else(ignore_missing)?;
        fail::fail_point!("s5", |_| std::process::abort());
        fs::remove_file(&self.path)
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number after its last.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn move_into(path: &Path, folder: &Path) -> io::Result<()> {
    fs::rename(path, folder.join(path.file_name().unwrap_or_default()))
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// To append to; made if it is not there.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Makes what was created in a folder survive a crash.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// First number and mark of a segment, as its name has them.
pub(super) fn name(path: &Path) -> Option<(u64, u64)> {
    let (first, mark) = path.file_name()?.to_str()?.strip_suffix(".log")?.split_once('-')?;
    Some((first.parse().ok()?, u64::from_str_radix(mark, 16).ok()?))
}
