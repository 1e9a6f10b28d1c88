//! One partition that is ours: its mark, and how much of it is held in memory.

use super::Jump;
use crate::{assignment::Assignment, watermark::Watermark};

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) mine: Assignment,
    pub(super) mark: Watermark,
    /// The offset that comes next, where that is known.
    next: Option<i64>,
    committed: Option<i64>,
    waiting: usize,
    running: usize,
    /// Of those that run.
    superseded: usize,
    paused: bool,
}

impl Partition {
    /// `next`: what the group has committed, if anything.
    pub(super) fn new(generation: u64, next: Option<i64>) -> Self {
        Self {
            mine: Assignment::new(generation),
            mark: Watermark::default(),
            next,
            committed: None,
            waiting: 0,
            running: 0,
            superseded: 0,
            paused: false,
        }
    }

    /// A record has come: whether it is the one that was expected, and in which reading it came.
    pub(super) fn take(&mut self, offset: i64) -> (Option<Jump>, u64) {
        let jump = self.next.and_then(|next| jump(next, offset));
        self.next = Some(offset + 1);
        (jump, self.mark.start(offset))
    }

    pub(super) fn waits(&mut self) {
        self.waiting += 1;
    }

    pub(super) fn starts(&mut self) {
        self.waiting -= 1;
        self.running += 1;
    }

    /// What waited has given way, and runs beside the lanes until it is ended.
    pub(super) fn gives_way(&mut self) {
        self.starts();
        self.superseded += 1;
    }

    pub(super) fn ends(&mut self, superseded: bool) {
        self.running -= 1;
        self.superseded -= usize::from(superseded);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0
    }

    /// Held in memory beyond what runs in lanes.
    fn held(&self) -> usize {
        self.waiting + self.superseded
    }

    /// Whether it is to be paused now.
    pub(super) fn pauses(&mut self, buffer: usize) -> bool {
        let pauses = !self.paused && self.held() >= buffer;
        self.paused |= pauses;
        pauses
    }

    /// Whether it is to be resumed now.
    pub(super) fn resumes(&mut self, buffer: usize) -> bool {
        let resumes = self.paused && self.held() <= buffer / 2;
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

fn jump(next: i64, offset: i64) -> Option<Jump> {
    match u64::try_from(offset - next) {
        Ok(0) => None,
        Ok(gone) => Some(Jump::Over(gone)),
        Err(_) => Some(Jump::Back),
    }
}
