//! The folder against a model: whatever is appended, drained, killed, torn or flipped, what is intact comes back in order, once, and the
//! rest is counted.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::Write as _,
    mem,
    path::{Path, PathBuf},
    time::Duration,
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    frame::{self, HEAD, Piece},
    notes,
    store::{Bounds, Full, Recovered, Store},
};

pub(super) const BOUNDS: Bounds = Bounds { max_bytes: 64 * 1024, max_age: Duration::from_secs(3600) };

#[derive(Clone, Debug)]
enum Step {
    /// One batch of records with so many bytes each.
    Append(Vec<usize>),
    /// A batch that is prepared when the process is killed.
    Stage(usize),
    /// Kafka takes the record at this place of those that wait.
    Remove(prop::sample::Index),
    /// Kafka takes so many from the oldest on.
    Drain(usize),
    Kill,
    /// A batch is being appended, and of what it adds to the file so much is there when the process is killed.
    KillWhileAppending(Vec<usize>, prop::sample::Index),
    /// Kafka takes so many from the oldest on, and the process is killed when that is noted and no file is deleted yet.
    KillBeforeDeleting(usize),
    /// Killed while a record was being written: so much of it is in the file.
    Tear(prop::sample::Index),
    /// Killed, and the end of the newest file is cut off.
    Truncate(prop::sample::Index),
    /// Killed, and a bit of some file is another.
    Flip(prop::sample::Index, prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    use prop::sample::Index;
    prop_oneof![
        6 => prop::collection::vec(0..900_usize, 1..12).prop_map(Step::Append),
        1 => (0..900_usize).prop_map(Step::Stage),
        3 => any::<Index>().prop_map(Step::Remove),
        2 => (0..30_usize).prop_map(Step::Drain),
        2 => Just(Step::Kill),
        2 => (prop::collection::vec(0..900_usize, 1..12), any::<Index>())
            .prop_map(|(sizes, cut)| Step::KillWhileAppending(sizes, cut)),
        2 => (0..30_usize).prop_map(Step::KillBeforeDeleting),
        1 => any::<Index>().prop_map(Step::Tear),
        1 => any::<Index>().prop_map(Step::Truncate),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(file, bit)| Step::Flip(file, bit)),
    ]
}

/// A folder, the store that is open on it, and what has to be in it.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) store: Option<Store>,
    /// Bodies in the order in which they were appended.
    pub(super) waiting: Vec<Vec<u8>>,
    appended: u32,
    pub(super) starts: u32,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self { folder, store: None, waiting: Vec::new(), appended: 0, starts: 0 };
        world.start();
        world
    }

    /// Kills what runs and starts anew; what comes back is what has to be there.
    pub(super) fn start(&mut self) -> Recovered {
        self.store = None;
        self.starts += 1;
        let mut found = Vec::new();
        let (mark, now_ms) = (u64::from(self.starts) << 40 | 0xabcd, i64::from(self.starts));
        let opened = Store::open(self.folder.path(), BOUNDS, mark, now_ms, &mut |body| {
            found.push(body.to_vec());
            0
        });
        let (store, recovered) = opened.unwrap();
        assert_eq!(found, self.waiting);
        assert_eq!((recovered.records, store.waiting()), (found.len() as u64, found.len()));
        self.store = Some(store);
        recovered
    }

    pub(super) fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn body(&mut self, bytes: usize) -> Vec<u8> {
        self.appended += 1;
        [self.appended.to_le_bytes().as_slice(), &vec![b'x'; bytes]].concat()
    }

    pub(super) fn append(&mut self, sizes: &[usize]) {
        let bodies: Vec<Vec<u8>> = sizes.iter().map(|bytes| self.body(*bytes)).collect();
        let taken: Vec<Vec<u8>> =
            bodies.into_iter().filter(|body| self.store().stage(body, 0, 1) != Err(Full::Bytes)).collect();
        assert_eq!(self.store().commit().unwrap(), taken.len());
        self.waiting.extend(taken);
        assert!(self.store().bytes() <= BOUNDS.max_bytes);
    }

    pub(super) fn remove(&mut self, index: usize) {
        let number = self.store().waiting_from(0).nth(index).unwrap().0;
        assert_eq!(self.store().read(number).unwrap().unwrap(), self.waiting[index]);
        self.store().remove(number);
        self.waiting.remove(index);
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
        files.sort();
        files
    }

    /// Records of a file are lost, by where they begin and end.
    fn lose(&mut self, file: &Path, is_lost: impl Fn(usize, usize) -> bool) {
        for piece in frame::scan(&fs::read(file).unwrap(), mark(file)) {
            if let Piece::Intact(frame) = piece
                && is_lost(frame.offset, frame.offset + HEAD + frame.body.len())
            {
                self.waiting.retain(|body| body != frame.body);
            }
        }
    }

    fn truncate(&mut self, keep: prop::sample::Index) {
        let Some(file) = self.files().pop() else { return };
        self.cut(&file, keep.index(length(&file) + 1));
    }

    fn cut(&mut self, file: &Path, keep: usize) {
        self.lose(file, |_, end| end > keep);
        OpenOptions::new().write(true).open(file).unwrap().set_len(keep as u64).unwrap();
    }

    /// A folder with the files as they are at this moment; what runs on the first one is told nothing.
    fn copied(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in self.files() {
            for path in [notes::path(&file), file].iter().filter(|path| path.exists()) {
                fs::copy(path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        copy
    }

    /// Starts on `folder` while the earlier process still has its own open.
    fn start_on(&mut self, folder: TempDir) {
        let _runs_on = (self.store.take(), mem::replace(&mut self.folder, folder));
        self.start();
    }

    fn kill(&mut self) {
        let copy = self.copied();
        self.start_on(copy);
    }

    fn kill_while_appending(&mut self, sizes: &[usize], cut: prop::sample::Index) {
        let before: HashMap<PathBuf, usize> =
            self.files().into_iter().map(|file| (file.clone(), length(&file))).collect();
        self.append(sizes);
        let Some(file) = self.files().pop() else { return };
        let (from, copy) = (before.get(&file).copied().unwrap_or(0), self.copied());
        self.cut(&copy.path().join(file.file_name().unwrap()), from + cut.index(length(&file) - from + 1));
        self.start_on(copy);
    }

    fn kill_before_deleting(&mut self, most: usize) {
        let links = tempfile::tempdir().unwrap();
        for file in self.files() {
            for path in [notes::path(&file), file] {
                OpenOptions::new().create(true).append(true).open(&path).unwrap();
                fs::hard_link(&path, links.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        (0..most.min(self.waiting.len())).for_each(|_| self.remove(0));
        self.start_on(links);
    }

    fn tear(&mut self, at: prop::sample::Index) {
        let Some(file) = self.files().pop() else { return };
        let mut frame = Vec::new();
        frame::write(&mut frame, mark(&file), 1 << 50, 1, b"never acknowledged");
        let torn = &frame[..at.index(frame.len())];
        OpenOptions::new().append(true).open(&file).unwrap().write_all(torn).unwrap();
    }

    fn flip(&mut self, file: prop::sample::Index, bit: prop::sample::Index) {
        let files = self.files();
        if files.is_empty() {
            return;
        }
        let file = &files[file.index(files.len())];
        let bit = bit.index(length(file).max(1) * 8);
        self.lose(file, |begin, end| (begin..end).contains(&(bit / 8)));
        flip(file, bit);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(sizes) => self.append(&sizes),
            Step::Stage(bytes) => {
                let body = self.body(bytes);
                let _full_or_not = self.store().stage(&body, 0, 1);
                self.kill();
            }
            Step::Remove(index) if !self.waiting.is_empty() => self.remove(index.index(self.waiting.len())),
            Step::Drain(most) => (0..most.min(self.waiting.len())).for_each(|_| self.remove(0)),
            Step::Remove(_) => {}
            Step::Kill => self.kill(),
            Step::KillWhileAppending(sizes, cut) => self.kill_while_appending(&sizes, cut),
            Step::KillBeforeDeleting(most) => self.kill_before_deleting(most),
            Step::Tear(at) => {
                self.tear(at);
                self.start();
            }
            Step::Truncate(keep) => {
                self.truncate(keep);
                self.start();
            }
            Step::Flip(file, bit) => {
                self.flip(file, bit);
                self.start();
            }
        }
        let waiting = self.waiting.len();
        assert_eq!(self.store().waiting(), waiting);
    }
}

fn length(file: &Path) -> usize {
    usize::try_from(fs::metadata(file).unwrap().len()).unwrap()
}

fn mark(file: &Path) -> u64 {
    let name = file.file_stem().unwrap().to_str().unwrap();
    u64::from_str_radix(name.split_once('-').unwrap().1, 16).unwrap()
}

pub(super) fn flip(file: &Path, bit: usize) {
    let mut bytes = fs::read(file).unwrap();
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
        fs::write(file, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_intact_comes_back_in_order_and_once(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.start();
    }

    #[test]
    fn recovered_is_what_waits_less_what_is_damaged_of_it(
        sizes in prop::collection::vec(0..900_usize, 1..40),
        drained in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        file in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.append(&sizes);
        for index in drained {
            if !world.waiting.is_empty() {
                world.remove(index.index(world.waiting.len()));
            }
        }
        let waited = world.waiting.len() as u64;
        world.flip(file, bit);
        let left = world.waiting.len() as u64;
        let recovered = world.start();
        prop_assert_eq!((recovered.records, recovered.damage.records), (left, waited - left));
    }
}
