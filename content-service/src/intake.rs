//! What has been taken from Kafka and is not done: lanes, marks and assignments together. Pure; [`crate::consume`] is its shell.

mod partition;

use std::collections::HashMap;

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    assignment::Assignment,
    lanes::{Bounds, LaneKey, Lanes},
    record::Record,
};
use partition::Partition;

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
    /// In which reading of its partition it came: see [`Watermark::start`].
    pub reading: u64,
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
    generation: u64,
    buffer: usize,
    longest_lane: usize,
}

impl Intake {
    /// Nothing is under way. `buffer`: records that may wait per partition.
    #[must_use]
    pub fn new(accounts: usize, bounds: Bounds, buffer: usize) -> Self {
        let (lanes, partitions) = (Lanes::new(accounts, bounds), HashMap::new());
        Self { lanes, partitions, generation: 0, buffer: buffer.max(1), longest_lane: LONGEST_LANE }
    }

    /// A partition is ours from now on. `next`: what the group has committed, if anything.
    pub fn assign(&mut self, partition: i32, next: Option<i64>) {
        self.generation += 1;
        let new = Partition::new(self.generation, next);
        if let Some(old) = self.partitions.insert(partition, new) {
            old.mine.lose();
        }
    }

    /// Takes a record in; `account` is its account's index.
    pub fn take(&mut self, account: usize, partition: i32, offset: i64, key: &[u8], record: Record) -> Next {
        if !self.partitions.contains_key(&partition) {
            self.assign(partition, None);
        }
        let Some(held) = self.partitions.get_mut(&partition) else { return Next::default() };
        let (jump, reading) = held.take(offset);
        let lane =
            if key.is_empty() { Bytes::from(format!("{partition}")) } else { Bytes::copy_from_slice(key) };
        let mine = held.mine.clone();
        let work = Work {
            record,
            partition,
            offset,
            reading,
            lane,
            superseded: false,
            mine,
            arrived: Instant::now(),
        };
        held.waits();
        let mut start = Vec::from_iter(self.queue(account, work));
        start.extend(self.start());
        let pauses = self.partitions.get_mut(&partition).is_some_and(|held| held.pauses(self.buffer));
        Next { start, pause: pauses.then_some(partition), jump, ..Next::default() }
    }

    /// Puts work behind its user's other work. Where too much waits already, it takes the place of the oldest, which is returned to
    /// be ended at once.
    fn queue(&mut self, account: usize, work: Work) -> Option<Work> {
        let lane = work.lane.clone();
        if self.lanes.waiting(&lane) < self.longest_lane {
            self.lanes.push(account, &lane, work);
            return None;
        }
        let mut oldest = self.lanes.replace(account, &lane, work, |work| work.record.may_give_way())?;
        oldest.superseded = true;
        if let Some(held) = self.of(&oldest) {
            held.gives_way();
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
        for held in partitions.iter().filter_map(|partition| self.partitions.get(partition)) {
            held.mine.stop();
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

    /// The partitions that are ours, each with the records from its mark to the newest taken.
    pub fn open(&self) -> impl Iterator<Item = (i32, usize)> {
        self.partitions.iter().map(|(partition, held)| (*partition, held.mark.open()))
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
                held.starts();
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
        (held.mine.generation() == work.mine.generation()).then_some(held)
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "intake_schedules.rs"]
mod schedules;
