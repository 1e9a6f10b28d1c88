//! The intake beside what must be true of it, told by other means, for [`schedules`](super::schedules) to walk through.

use std::collections::{BTreeMap, HashMap};

use super::{schedules::Choices, tests::from, *};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Take(i32),
    /// The n-th that runs ends, with or without an outcome.
    Finish(usize, bool),
    /// The n-th reader of what was left behind asks what to read, or brings what it has read.
    Read(usize),
    /// It finds nothing there any more.
    FindNothing(usize),
    Rewind(usize),
    Stop,
    /// Partition 0 is lost and comes back: read again from the mark.
    LoseAndAssign,
}

/// What may happen once, besides records that come and end.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Disturbance {
    None,
    /// To this record.
    Rewind(usize),
    GivenUp,
    Retention,
}

/// By partition, the user of each record.
pub(super) type Log = [&'static [&'static str]; 2];

/// The intake, and what must be true of it, told by other means.
pub(super) struct Run {
    log: Log,
    pub(super) intake: Intake,
    running: Vec<(usize, Work)>,
    cursor: [usize; 2],
    disturbance: Disturbance,
    stopped: bool,
    takes: usize,
    /// Which take an offset's end has to come from to count.
    open: [BTreeMap<i64, usize>; 2],
    /// By assignment, reading and place: the number of the take.
    numbers: HashMap<(u64, u64, i32, i64), usize>,
    generations: [u64; 2],
    readings: [u64; 2],
    newest: [Option<i64>; 2],
    /// The last that was started of a user.
    started: HashMap<LaneKey, usize>,
    pub(super) superseded: usize,
    /// Readers, each with what it is reading.
    readers: Vec<(Behind, Option<Vec<Place>>)>,
    /// How often something was read again.
    pub(super) again: usize,
}

impl Run {
    pub(super) fn new(log: Log, disturbance: Disturbance, places: usize) -> Self {
        Self::with(log, disturbance, Intake::new(1, Bounds::divide(places, 1), 9))
    }

    /// One place for two accounts, and memory for two records of a partition.
    pub(super) fn cramped(log: Log, disturbance: Disturbance) -> Self {
        Self::with(log, disturbance, Intake::new(2, Bounds { own: 0, shared: 1 }, 2))
    }

    fn with(log: Log, disturbance: Disturbance, mut intake: Intake) -> Self {
        intake.assign(0, Some(0));
        intake.assign(1, Some(0));
        Self {
            log,
            intake,
            running: Vec::new(),
            cursor: [0, 0],
            disturbance,
            stopped: false,
            takes: 0,
            open: Default::default(),
            numbers: HashMap::new(),
            generations: [1, 2],
            readings: [0, 0],
            newest: [None, None],
            started: HashMap::new(),
            superseded: 0,
            readers: Vec::new(),
            again: 0,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let records = |p: usize| !(p == 0 && self.stopped) && self.cursor[p] < self.log[p].len();
        let mut steps: Vec<Step> = (0..2).filter(|p| records(*p)).map(|p| Step::Take(p as i32)).collect();
        for (n, (_, work)) in self.running.iter().enumerate() {
            steps.push(Step::Finish(n, true));
            if self.stopped && work.partition == 0 {
                steps.push(Step::Finish(n, false));
            }
        }
        for (n, (reader, reading)) in self.readers.iter().enumerate() {
            if reading.is_some() || self.intake.wanted(reader) != Wanted::Nothing {
                steps.push(Step::Read(n));
            }
            if reading.is_some() && self.disturbance == Disturbance::Retention {
                steps.push(Step::FindNothing(n));
            }
        }
        match self.disturbance {
            Disturbance::Rewind(to) if self.cursor[0] > to => steps.push(Step::Rewind(to)),
            Disturbance::GivenUp if self.stopped => steps.push(Step::LoseAndAssign),
            Disturbance::GivenUp if self.cursor[0] > 1 => steps.push(Step::Stop),
            _ => {}
        }
        steps
    }

    fn make(&mut self, step: Step) {
        match step {
            Step::Take(partition) => self.take(partition),
            Step::Finish(n, done) => self.finish(n, done),
            Step::Read(n) => self.read(n),
            Step::FindNothing(n) => self.find_nothing(n),
            Step::Rewind(to) => {
                self.disturbance = Disturbance::None;
                self.cursor[0] = to;
            }
            Step::Stop => {
                self.stopped = true;
                self.intake.stop(&[0]);
            }
            Step::LoseAndAssign => self.lose_and_assign(),
        }
        self.check();
    }

    fn take(&mut self, partition: i32) {
        let p = partition as usize;
        let offset = self.cursor[p] as i64;
        self.cursor[p] += 1;
        let _come_again = self.open[p].split_off(&offset);
        self.open[p].insert(offset, self.takes);
        if self.newest[p].is_some_and(|newest| offset <= newest) {
            self.readings[p] += 1;
        }
        self.newest[p] = Some(offset);
        let place = (self.generations[p], self.readings[p], partition, offset);
        self.numbers.insert(place, self.takes);
        self.takes += 1;
        let user = self.log[p][offset as usize];
        let next = self.intake.take(0, partition, offset, from(user));
        self.readers.extend(next.behind.map(|reader| (reader, None)));
        self.start(next.start);
    }

    fn read(&mut self, n: usize) {
        let (reader, reading) = &mut self.readers[n];
        match (reading.take(), self.intake.wanted(reader)) {
            (Some(places), _) => {
                let log = self.log[reader.partition as usize];
                let found = |place: Place| Some(from(log[place.offset as usize]));
                let all = places.into_iter().map(|place| Again { place, record: found(place) });
                let next = self.intake.take_again(reader, all.collect());
                self.again += 1;
                self.start(next.start);
            }
            (None, Wanted::Over) => drop(self.readers.remove(n)),
            (None, Wanted::Places(places)) => {
                assert!(!places.is_empty());
                *reading = Some(places);
            }
            (None, Wanted::Nothing) => {}
        }
    }

    fn find_nothing(&mut self, n: usize) {
        let (reader, reading) = &mut self.readers[n];
        let places = reading.take().unwrap();
        let gone: Vec<_> = places.iter().map(|place| Again { place: *place, record: None }).collect();
        let next = self.intake.take_again(reader, gone);
        assert_eq!(next.gone, places.len() as u64);
        self.open[reader.partition as usize]
            .retain(|offset, _| places.iter().all(|place| place.offset != *offset));
        self.start(next.start);
    }

    fn start(&mut self, works: Vec<Work>) {
        for work in works {
            let place = (work.mine.generation(), work.reading, work.partition, work.offset);
            let number = self.numbers[&place];
            if !work.superseded {
                let before = self.started.insert(work.lane.clone(), number);
                assert!(
                    before.is_none_or(|before| before < number),
                    "a user's records start as they were taken"
                );
                let alone = |(_, other): &(usize, Work)| other.superseded || other.lane != work.lane;
                assert!(self.running.iter().all(alone), "one at a time per user");
            }
            self.superseded += usize::from(work.superseded);
            self.running.push((number, work));
        }
    }

    fn finish(&mut self, n: usize, done: bool) {
        let (number, work) = self.running.remove(n);
        let open = &mut self.open[work.partition as usize];
        if done && open.get(&work.offset) == Some(&number) {
            open.remove(&work.offset);
        }
        let next = self.intake.finish(&work, done);
        self.start(next.start);
    }

    fn lose_and_assign(&mut self) {
        let mark = self.intake.marks(&[0])[0].1;
        self.intake.lose(&[0]);
        assert!(self.running.iter().all(|(_, work)| work.partition == 1 || !work.mine.holds()), "fenced");
        self.intake.assign(0, Some(mark));
        self.generations[0] = 3;
        self.open[0].clear();
        (self.readings[0], self.newest[0]) = (0, None);
        self.cursor[0] = mark as usize;
        (self.stopped, self.disturbance) = (false, Disturbance::None);
    }

    /// The marks are the first record that is not done, and never beyond it.
    fn check(&self) {
        for (partition, mark) in self.intake.marks(&[0, 1]) {
            let p = partition as usize;
            let first = self.open[p].keys().next().copied();
            assert_eq!(
                Some(mark),
                first.or(self.newest[p].map(|newest| newest + 1)),
                "partition {partition}"
            );
        }
    }

    pub(super) fn ends(mut self, choices: &mut Choices) -> Self {
        loop {
            let steps = self.steps();
            if steps.is_empty() {
                break;
            }
            let step = steps[choices.pick(steps.len())];
            self.make(step);
        }
        assert_eq!(self.intake.under_way(), (0, 0), "nothing is left behind");
        let all = self.newest.iter().zip(self.log).enumerate().filter(|(_, (newest, _))| newest.is_some());
        let all: Vec<_> = all.map(|(p, (_, log))| (p as i32, log.len() as i64)).collect();
        assert_eq!(self.intake.marks(&[0, 1]), all, "everything is done");
        self
    }
}
