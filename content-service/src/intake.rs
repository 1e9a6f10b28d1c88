//! What has been taken from Kafka and is not done: lanes, marks and assignments together. Pure; [`crate::consume`] is its shell.

mod behind;
mod partition;

use std::collections::HashMap;

use bytes::Bytes;
use rdkafka::Message as _;
use tokio::time::Instant;

use crate::{
    assignment::Assignment,
    lanes::{Bounds, LaneKey, Lanes},
    record::Record,
};
use partition::Partition;

pub use behind::{Again, Behind, Place, Wanted};

/// So many events of one user wait for those before them; the next one takes the place of the oldest.
const LONGEST_LANE: usize = 64;

/// One record to work on.
#[derive(Debug)]
pub struct Work {
    /// The record.
    pub record: Record,
    /// Where it stands.
    pub partition: i32,
    /// Where it stands.
    pub offset: i64,
    /// In which reading of its partition it came: see [`Place`].
    pub reading: u64,
    /// Its account's index.
    pub account: usize,
    /// Its lane: the record key.
    pub lane: LaneKey,
    /// Too many of its user wait: it has given way to a newer one, and is told at once that nothing is sent for it.
    pub superseded: bool,
    /// The right to work on it.
    pub mine: Assignment,
    /// When it was taken.
    pub arrived: Instant,
}

/// What follows from a step: work to start, and partitions to pause or to resume.
#[derive(Debug, Default)]
pub struct Next {
    /// Starts now.
    pub start: Vec<Work>,
    /// Too much waits: take no more of it.
    pub pause: Option<i32>,
    /// There is room again.
    pub resume: Vec<i32>,
    /// The partition did not go on where it was expected to.
    pub jump: Option<Jump>,
    /// An account is left behind from here on: read its records again.
    pub behind: Option<Behind>,
    /// Records that were left behind and are not there any more.
    pub gone: u64,
}

/// Where a partition went on instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// It was rewound: what follows has been read before, or its topic was made anew.
    Back,
    /// So many records are gone: the topic is neither compacted nor written in transactions, so its offsets have no other holes.
    Over(u64),
}

/// Everything under way.
#[derive(Debug)]
pub struct Intake {
    lanes: Lanes<Work>,
    partitions: HashMap<i32, Partition>,
    accounts: usize,
    generation: u64,
    buffer: usize,
    longest_lane: usize,
}

impl Intake {
    /// Nothing is under way. `accounts` are configured, and one more index is for the events of others. `buffer`: records that may wait
    /// per partition.
    #[must_use]
    pub fn new(accounts: usize, bounds: Bounds, buffer: usize) -> Self {
        Self {
            lanes: Lanes::new(accounts + 1, bounds),
            partitions: HashMap::new(),
            accounts,
            generation: 0,
            buffer: buffer.max(1),
            longest_lane: LONGEST_LANE,
        }
    }

    /// A partition is ours from now on. `next`: what the group has committed, if anything.
    pub fn assign(&mut self, partition: i32, next: Option<i64>) {
        self.generation += 1;
        let new = Partition::new(self.generation, next, self.accounts + 1);
        if let Some(old) = self.partitions.insert(partition, new) {
            old.mine.lose();
        }
    }

    /// Takes a record in; `account` is its account's index. Its key is that of its user.
    pub fn take(&mut self, account: usize, partition: i32, offset: i64, record: Record) -> Next {
        if !self.partitions.contains_key(&partition) {
            self.assign(partition, None);
        }
        let Some(held) = self.partitions.get_mut(&partition) else { return Next::default() };
        let (jump, place) = held.take(offset);
        let mut next = if self.accounts > 1 && held.leaves(account, self.buffer) {
            Next { behind: held.leave(partition, account, place), ..Next::default() }
        } else {
            Next { start: Vec::from_iter(self.admit(account, partition, place, record)), ..Next::default() }
        };
        next.start.extend(self.start());
        let pauses = self.partitions.get_mut(&partition).is_some_and(|held| held.pauses(self.buffer));
        Next { pause: pauses.then_some(partition), jump, ..next }
    }

    /// What the reader of what was left behind is to do now.
    #[must_use]
    pub fn wanted(&self, reader: &Behind) -> Wanted {
        let held = self.partitions.get(&reader.partition).filter(|held| held.is_under(&reader.mine));
        held.map_or(Wanted::Over, |held| held.wanted(reader, self.buffer))
    }

    /// What was wanted has been read again, from the first on. What has been forgotten meanwhile is passed over.
    pub fn take_again(&mut self, reader: &Behind, all: Vec<Again>) -> Next {
        let mut next = Next::default();
        for Again { place, record } in all {
            let held = self.partitions.get_mut(&reader.partition).filter(|held| held.is_under(&reader.mine));
            let Some(held) = held else { break };
            if !held.comes(reader, place) {
                break;
            }
            if let Some(record) = record {
                next.start.extend(self.admit(reader.account, reader.partition, place, record));
            } else {
                held.mark.done(place.offset, place.reading);
                next.gone += 1;
            }
        }
        next.start.extend(self.start());
        next.resume = self.resume();
        next
    }

    /// Puts a record behind its user's others. What has to be ended at once for it is returned.
    fn admit(&mut self, account: usize, partition: i32, place: Place, record: Record) -> Option<Work> {
        let held = self.partitions.get_mut(&partition)?;
        held.waits(account);
        let key = record.raw.key().filter(|key| !key.is_empty());
        let work = Work {
            partition,
            offset: place.offset,
            reading: place.reading,
            account,
            lane: key.map_or_else(|| Bytes::from(format!("{partition}")), Bytes::copy_from_slice),
            record,
            superseded: false,
            mine: held.mine.clone(),
            arrived: Instant::now(),
        };
        self.queue(work)
    }

    /// Puts work behind its user's other work. Where too much waits already, it takes the place of the oldest, which is returned to
    /// be ended at once.
    fn queue(&mut self, work: Work) -> Option<Work> {
        let (account, lane) = (work.account, work.lane.clone());
        if self.lanes.waiting(&lane) < self.longest_lane {
            self.lanes.push(account, &lane, work);
            return None;
        }
        let mut oldest = self.lanes.replace(account, &lane, work, |work| work.record.may_give_way())?;
        oldest.superseded = true;
        if let Some(held) = self.of(&oldest) {
            held.gives_way(oldest.account);
        }
        Some(oldest)
    }

    /// Work has ended. `done`: it has its outcome; otherwise it was abandoned.
    pub fn finish(&mut self, work: &Work, done: bool) -> Next {
        if !work.superseded {
            self.lanes.finish(&work.lane);
        }
        if let Some(held) = self.of(work) {
            held.ends(work.superseded);
            if done {
                held.mark.done(work.offset, work.reading);
            }
        }
        let start = self.start();
        Next { start, resume: self.resume(), ..Next::default() }
    }

    /// Partitions are being given up: what waits is forgotten, what pauses is woken, what runs may end.
    pub fn stop(&mut self, partitions: &[i32]) {
        self.lanes.forget(|work| partitions.contains(&work.partition));
        for partition in partitions {
            if let Some(held) = self.partitions.get_mut(partition) {
                held.mine.stop();
                held.forget(0);
            }
        }
    }

    /// Nothing of these partitions is running any more.
    #[must_use]
    pub fn idle(&self, partitions: &[i32]) -> bool {
        partitions.iter().filter_map(|partition| self.partitions.get(partition)).all(Partition::is_idle)
    }

    /// Partitions belong to somebody else from now on: what still runs must not send.
    pub fn lose(&mut self, partitions: &[i32]) {
        for partition in partitions {
            if let Some(held) = self.partitions.remove(partition) {
                held.mine.lose();
            }
        }
    }

    /// Marks that have moved since they were asked for last: partition and offset to commit.
    pub fn moved(&mut self) -> Vec<(i32, i64)> {
        let moved =
            self.partitions.iter_mut().filter_map(|(partition, held)| Some((*partition, held.moved()?)));
        moved.collect()
    }

    /// Every mark counts as moved again.
    pub fn commit_again(&mut self) {
        self.partitions.values_mut().for_each(Partition::commit_again);
    }

    /// The marks of these partitions: what has to be committed before they are given up.
    #[must_use]
    pub fn marks(&self, partitions: &[i32]) -> Vec<(i32, i64)> {
        let mark = |partition: &i32| Some((*partition, self.partitions.get(partition)?.mark.low()?));
        partitions.iter().filter_map(mark).collect()
    }

    /// The partitions that are ours, each with the records from its mark to the newest taken, and those of them that are left behind.
    pub fn open(&self) -> impl Iterator<Item = (i32, usize, usize)> {
        self.partitions.iter().map(|(partition, held)| (*partition, held.mark.open(), held.behind()))
    }

    /// Work running and lanes with work.
    #[must_use]
    pub fn under_way(&self) -> (usize, usize) {
        (self.lanes.running(), self.lanes.len())
    }

    fn start(&mut self) -> Vec<Work> {
        let mut start = Vec::new();
        while let Some(work) = self.lanes.start() {
            if let Some(held) = self.of(&work) {
                held.starts(work.account);
            }
            start.push(work);
        }
        start
    }

    /// Whatever has just started may have made room in its own partition, so all are looked at.
    fn resume(&mut self) -> Vec<i32> {
        let roomy = self
            .partitions
            .iter_mut()
            .filter_map(|(partition, held)| held.resumes(self.buffer).then_some(*partition));
        roomy.collect()
    }

    /// The partition of a piece of work, unless that was taken under an earlier assignment.
    fn of(&mut self, work: &Work) -> Option<&mut Partition> {
        let held = self.partitions.get_mut(&work.partition)?;
        held.is_under(&work.mine).then_some(held)
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "intake_model.rs"]
mod model;

#[cfg(test)]
#[path = "intake_schedules.rs"]
mod schedules;
