//! The spool on the disk: appended in order, removed in any order, found again after a crash. Synchronous; owned by one thread.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    frame::{self, HEAD},
    segment::{self, Damage, Segment, Slot, WriteError, sync_folder},
};

/// Where files go that hold something for a person.
const ASIDE: &str = "aside";
/// A file that has so many bytes is followed by the next one.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// How much may wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_bytes: u64,
    pub(super) max_age: Duration,
}

/// Why a record is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// The files together have as many bytes as they may.
    #[error("the spool has reached spool.max_bytes")]
    Bytes,
    /// Kafka has been away for longer than the spool may bridge.
    #[error("the oldest record of the spool is older than spool.max_age")]
    Age,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("{}: {source}: name a folder that this process may write as spool.dir", path.display())]
    Unusable { path: PathBuf, source: io::Error },
    #[error("{} is in use by another gateway: give each its own spool.dir", .0.display())]
    InUse(PathBuf),
    #[error("{} and the file before it hold records of the same numbers: move one of them away", .0.display())]
    Overlap(PathBuf),
}

/// What was found when the folder was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recovered {
    /// Records that wait.
    pub(super) records: u64,
    /// Records that could not be read, kept in their files.
    pub(super) damage: Damage,
}

/// A folder of segments.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    bounds: Bounds,
    mark: u64,
    /// Held while the process lives.
    _lock: File,
    segments: BTreeMap<u64, Segment>,
    /// The one that is appended to; never one of an earlier process, whose end may be torn.
    active: Option<u64>,
    next: u64,
    frames: Vec<u8>,
    slots: Vec<Slot>,
}

impl Store {
    /// Opens the folder, which is made if it is not there, and tells `each` every record that waits, in order, and hears whose
    /// it is. `mark` has to be random.
    pub(super) fn open(
        folder: &Path,
        bounds: Bounds,
        mark: u64,
        now_ms: i64,
        each: &mut dyn FnMut(&[u8]) -> u64,
    ) -> Result<(Self, Recovered), OpenError> {
        let unusable = |source| OpenError::Unusable { path: folder.to_owned(), source };
        make(folder).map_err(unusable)?;
        let mut store = Self {
            folder: folder.to_owned(),
            bounds,
            mark,
            _lock: lock(folder)?,
            segments: BTreeMap::new(),
            active: None,
            // Ahead of every number that an earlier process gave, also to files that were moved aside and may come back.
            next: u64::try_from(now_ms).unwrap_or(0) << 10,
            frames: Vec::new(),
            slots: Vec::new(),
        };
        let mut recovered = Recovered::default();
        for path in files(folder).map_err(unusable)? {
            let damage = match Segment::recover(&path, each) {
                Ok(None) => continue,
                Ok(Some((segment, damage))) => {
                    recovered.records += segment.waiting() as u64;
                    store.take(segment, damage, &path)?;
                    damage
                }
                Err(error) => store.pass_over(&path, &error),
            };
            recovered.damage.records += damage.records;
            recovered.damage.bytes += damage.bytes;
        }
        sync_folder(folder).map_err(unusable)?;
        Ok((store, recovered))
    }

    fn take(&mut self, segment: Segment, damage: Damage, path: &Path) -> Result<(), OpenError> {
        if damage.bytes > 0 {
            let (file, Damage { records, bytes }) = (path.display(), damage);
            tracing::error!(%file, records, bytes, "damaged records in the spool: kept, moved to `aside` when the rest has drained");
        }
        let before = self.segments.values().next_back().map_or(0, Segment::end);
        if segment.first() < before {
            return Err(OpenError::Overlap(path.to_owned()));
        }
        self.next = self.next.max(segment.end());
        let first = segment.first();
        self.segments.insert(first, segment);
        self.retire_if_drained(first);
        Ok(())
    }

    /// Leaves a file where it is that cannot be read; nobody can tell how many records it holds, nor of whom: later events of its users do
    /// not wait for it, and overtake those that it gives back at a later start.
    fn pass_over(&mut self, path: &Path, error: &io::Error) -> Damage {
        let bytes = fs::metadata(path).map_or(0, |file| file.len());
        tracing::error!(
            file = %path.display(),
            bytes,
            %error,
            "cannot read a file of the spool: it stays where it is and its events are not sent. Look at the disk; when the file can be \
             read again, or a copy of it lies in its place, start the gateway anew and they are"
        );
        // Its numbers are not given again: it may come back.
        let end = segment::name(path).map_or(0, |(first, _)| first.saturating_add(bytes.max(1)));
        self.next = self.next.max(end);
        Damage { records: 1, bytes }
    }

    /// Prepares one record for the next [`Store::commit`].
    pub(super) fn stage(&mut self, body: &[u8], user: u64, now_ms: i64) -> Result<(), Full> {
        let length = HEAD + body.len();
        if self.bytes() + (self.frames.len() + length) as u64 > self.bounds.max_bytes {
            return Err(Full::Bytes);
        }
        if u128::from(self.age_ms(now_ms)) > self.bounds.max_age.as_millis() {
            return Err(Full::Age);
        }
        let (offset, number) = (self.frames.len() as u64, self.next + self.slots.len() as u64);
        let crc = frame::write(&mut self.frames, self.mark, number, now_ms, body);
        self.slots.push(Slot { offset, length, crc, at_ms: now_ms, user, waits: true });
        Ok(())
    }

    /// Bytes that are prepared.
    pub(super) fn staged(&self) -> usize {
        self.frames.len()
    }

    /// Appends what is prepared: all of it is on the disk, or none of it is promised. How many there were.
    pub(super) fn commit(&mut self) -> Result<usize, WriteError> {
        let (frames, slots) = (std::mem::take(&mut self.frames), std::mem::take(&mut self.slots));
        if slots.is_empty() {
            return Ok(0);
        }
        self.active()?.append(&frames, &slots)?;
        self.next += slots.len() as u64;
        Ok(slots.len())
    }

    fn active(&mut self) -> Result<&mut Segment, WriteError> {
        let most = (self.bounds.max_bytes / 16).min(SEGMENT_BYTES);
        let first =
            match self.active.filter(|first| self.segments.get(first).is_some_and(|s| s.bytes() < most)) {
                Some(first) => first,
                None => {
                    let segment = Segment::create(&self.folder, self.next, self.mark)?;
                    self.segments.insert(self.next, segment);
                    self.next
                }
            };
        // The full one before it may have drained while it was the active one.
        if let Some(full) = self.active.replace(first).filter(|before| *before != first) {
            self.segments.entry(full).and_modify(Segment::seal);
            self.retire_if_drained(full);
        }
        Ok(self.segments.get_mut(&first).expect("it was found or made above"))
    }

    /// The numbers from `from` on that wait, in order, and whose they are.
    pub(super) fn waiting_from(&self, from: u64) -> impl Iterator<Item = (u64, u64)> {
        let earlier = self.segments.range(..from).next_back().map_or(from, |(first, _)| *first);
        self.segments.range(earlier..).flat_map(move |(_, segment)| segment.waiting_from(from))
    }

    /// The number that the next record to be appended gets.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The body of a record; `None` if the disk does not give it back as it was.
    ///
    /// # Errors
    /// Its file cannot be opened now.
    pub(super) fn read(&self, number: u64) -> io::Result<Option<Vec<u8>>> {
        self.segments.range(..=number).next_back().map_or(Ok(None), |(_, segment)| segment.read(number))
    }

    /// Kafka has taken it.
    pub(super) fn remove(&mut self, number: u64) {
        self.end_waiting(number, Segment::remove);
    }

    /// It is left for a person.
    pub(super) fn set_aside(&mut self, number: u64) {
        self.end_waiting(number, Segment::set_aside);
    }

    fn end_waiting(&mut self, number: u64, how: impl FnOnce(&mut Segment, u64)) {
        if let Some((&first, segment)) = self.segments.range_mut(..=number).next_back() {
            how(segment, number);
            self.retire_if_drained(first);
        }
    }

    fn retire_if_drained(&mut self, first: u64) {
        if self.segments.get(&first).is_none_or(|segment| segment.waiting() > 0) {
            return;
        }
        self.active = self.active.filter(|active| *active != first);
        if let Some(segment) = self.segments.remove(&first)
            && let Err(error) = segment.retire(&self.folder.join(ASIDE))
        {
            tracing::warn!(%error, "cannot put away a drained file of the spool: the next start looks at it again");
        }
    }

    /// Records that wait.
    pub(super) fn waiting(&self) -> usize {
        self.segments.values().map(Segment::waiting).sum()
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.values().map(Segment::bytes).sum()
    }

    /// For how long the oldest record has waited; 0 if none does.
    pub(super) fn age_ms(&self, now_ms: i64) -> u64 {
        let oldest = self.segments.values().find_map(Segment::oldest_ms);
        oldest.map_or(0, |at_ms| u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or(0))
    }
}

/// Makes a folder, and those above it, that are still there after a crash.
fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    let above = missing.into_iter().filter_map(Path::parent);
    above
        .map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above })
        .try_for_each(sync_folder)
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let unusable = |source| OpenError::Unusable { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// By name, which is by number.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    files.sort_unstable();
    Ok(files)
}
