//! One partition that is ours: its mark, how much of it is held in memory, and whose records are left behind.

use super::{
    Jump,
    behind::{Behind, Place, Share, Wanted},
};
use crate::{assignment::Assignment, watermark::Watermark};

/// One part in so many of a partition's memory is what an account may have once half of it is taken.
const SHARES: usize = 8;
/// So many places may be kept for each record in memory: at a hundred records a second, ten minutes of them.
const PLACES: usize = 32;
/// So many records for each in memory may have been taken since the oldest that has not ended: that one may wait long, and each takes
/// a place, and comes again for whoever takes the partition over.
const OPEN: usize = 128;

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) mine: Assignment,
    pub(super) mark: Watermark,
    /// The offset that comes next, where that is known.
    next: Option<i64>,
    committed: Option<i64>,
    /// By account.
    shares: Vec<Share>,
    waiting: usize,
    behind: usize,
    running: usize,
    /// Of those that run.
    superseded: usize,
    paused: bool,
}

impl Partition {
    /// `next`: what the group has committed, if anything.
    pub(super) fn new(generation: u64, next: Option<i64>, accounts: usize) -> Self {
        Self {
            mine: Assignment::new(generation),
            mark: Watermark::default(),
            next,
            committed: None,
            shares: (0..accounts).map(|_| Share::default()).collect(),
            waiting: 0,
            behind: 0,
            running: 0,
            superseded: 0,
            paused: false,
        }
    }

    /// A record has come: whether it is the one that was expected, and in which reading it came.
    pub(super) fn take(&mut self, offset: i64) -> (Option<Jump>, Place) {
        let jump = self.next.and_then(|next| jump(next, offset));
        if jump == Some(Jump::Back) {
            self.forget(offset);
        }
        self.next = Some(offset + 1);
        (jump, Place { offset, reading: self.mark.start(offset) })
    }

    pub(super) fn waits(&mut self, account: usize) {
        self.waiting += 1;
        self.shares[account].waiting += 1;
    }

    pub(super) fn starts(&mut self, account: usize) {
        self.waiting -= 1;
        self.shares[account].starts();
        self.running += 1;
    }

    /// What waited has given way, and runs beside the lanes until it is ended.
    pub(super) fn gives_way(&mut self, account: usize) {
        self.starts(account);
        self.superseded += 1;
    }

    pub(super) fn ends(&mut self, superseded: bool) {
        self.running -= 1;
        self.superseded -= usize::from(superseded);
    }

    /// Whether this is the assignment that it is ours under.
    pub(super) fn is_under(&self, mine: &Assignment) -> bool {
        self.mine.generation() == mine.generation()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0
    }

    /// Held in memory beyond what runs in lanes.
    fn held(&self) -> usize {
        self.waiting + self.superseded
    }

    /// Whether a record of the account is to be left behind: it has more than its share while memory runs short, or older ones of it
    /// have been.
    pub(super) fn leaves(&self, account: usize, buffer: usize) -> bool {
        let share = &self.shares[account];
        share.is_behind() || (self.held() >= buffer / 2 && share.waiting >= share_of(buffer))
    }

    /// Leaves a record behind. `Some`: it needs a reader now.
    pub(super) fn leave(&mut self, partition: i32, account: usize, place: Place) -> Option<Behind> {
        self.behind += 1;
        let room = self.shares[account].leave(place)?;
        Some(Behind { partition, account, mine: self.mine.clone(), room })
    }

    /// Records that are left behind.
    pub(super) fn behind(&self) -> usize {
        self.behind
    }

    /// What its reader is to read. It waits until half of what the account may have is free, so that it reads many at a time.
    pub(super) fn wanted(&self, reader: &Behind, buffer: usize) -> Wanted {
        let share = &self.shares[reader.account];
        let others = self.held() - share.waiting;
        let most = share_of(buffer).max((buffer / 2).saturating_sub(others));
        match share.read_by(reader) {
            None => Wanted::Over,
            Some(_) if share.waiting > most / 2 => Wanted::Nothing,
            Some(behind) => Wanted::Places(behind.iter().take(most - share.waiting).copied().collect()),
        }
    }

    /// What was left behind is here again, unless it was forgotten meanwhile.
    pub(super) fn comes(&mut self, reader: &Behind, place: Place) -> bool {
        let comes = self.shares[reader.account].comes(reader, place);
        self.behind -= usize::from(comes);
        comes
    }

    /// Forgets what was left behind from `offset` on.
    pub(super) fn forget(&mut self, offset: i64) {
        self.behind -= self.shares.iter_mut().map(|share| share.forget(offset)).sum::<usize>();
    }

    /// Whether it is to be paused now.
    pub(super) fn pauses(&mut self, buffer: usize) -> bool {
        let full =
            self.held() >= buffer || self.behind >= PLACES * buffer || self.mark.open() >= OPEN * buffer;
        let pauses = !self.paused && full;
        self.paused |= pauses;
        pauses
    }

    /// Whether it is to be resumed now.
    pub(super) fn resumes(&mut self, buffer: usize) -> bool {
        let room = self.held() <= buffer / 2
            && self.behind <= (PLACES - 1) * buffer
            && self.mark.open() <= (OPEN - 1) * buffer;
        let resumes = self.paused && room;
        self.paused &= !resumes;
        resumes
    }

    /// The mark, if it has moved since it was asked for last.
    pub(super) fn moved(&mut self) -> Option<i64> {
        let low = self.mark.low().filter(|low| self.committed != Some(*low))?;
        self.committed = Some(low);
        Some(low)
    }

    /// The mark counts as moved again.
    pub(super) fn commit_again(&mut self) {
        self.committed = None;
    }
}

fn share_of(buffer: usize) -> usize {
    (buffer / SHARES).max(1)
}

fn jump(next: i64, offset: i64) -> Option<Jump> {
    match u64::try_from(offset - next) {
        Ok(0) => None,
        Ok(gone) => Some(Jump::Over(gone)),
        Err(_) => Some(Jump::Back),
    }
}
