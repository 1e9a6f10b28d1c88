//! What one account has of a partition's memory, and where its records stand that had to be left behind.
//!
//! An account whose platform is slow must not fill the memory that all accounts of the partition share. Of its newer records only the
//! places are kept; they are read again, in order, as there is room for them.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::Notify;

use crate::{assignment::Assignment, record::Record};

/// One record of a partition, in one reading of it: see [`Watermark::start`](crate::watermark::Watermark::start).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it stands.
    pub offset: i64,
    /// In which reading it came.
    pub reading: u64,
}

/// An account that was left behind in a partition: whoever holds this reads its records again. Clones are the same reader.
#[derive(Clone, Debug)]
pub struct Behind {
    /// The partition.
    pub partition: i32,
    /// The account's index.
    pub account: usize,
    /// The right to read.
    pub mine: Assignment,
    /// Told when there may be room.
    pub room: Arc<Notify>,
}

/// What its reader is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Wait for room.
    Nothing,
    /// Read these, in this order.
    Places(Vec<Place>),
    /// It has caught up, or somebody else reads.
    Over,
}

/// What was read again.
#[derive(Debug)]
pub struct Again {
    /// Where it stood.
    pub place: Place,
    /// `None`: it is not there any more.
    pub record: Option<Record>,
}

/// What one account has of one partition.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Records that wait in memory.
    pub(super) waiting: usize,
    behind: VecDeque<Place>,
    /// Of its reader, if it has one.
    room: Arc<Notify>,
}

impl Share {
    pub(super) fn is_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// The first one that is left behind gets a reader: what it is told of room by.
    pub(super) fn leave(&mut self, place: Place) -> Option<Arc<Notify>> {
        let first = self.behind.is_empty().then(|| {
            self.room = Arc::default();
            Arc::clone(&self.room)
        });
        self.behind.push_back(place);
        first
    }

    /// The partition is read again from `offset`, or given up: what was left behind there is forgotten. How many those were.
    pub(super) fn forget(&mut self, offset: i64) -> usize {
        let before = self.behind.len();
        self.behind.retain(|place| place.offset < offset);
        self.room.notify_one();
        before - self.behind.len()
    }

    pub(super) fn starts(&mut self) {
        self.waiting -= 1;
        if self.is_behind() {
            self.room.notify_one();
        }
    }

    /// What is left behind, for its reader alone.
    pub(super) fn read_by(&self, reader: &Behind) -> Option<&VecDeque<Place>> {
        (self.is_behind() && Arc::ptr_eq(&self.room, &reader.room)).then_some(&self.behind)
    }

    /// The oldest that was left behind has been read by its reader, if it is this one.
    pub(super) fn comes(&mut self, reader: &Behind, place: Place) -> bool {
        let comes = self.read_by(reader).is_some_and(|behind| behind.front() == Some(&place));
        if comes {
            self.behind.pop_front();
        }
        comes
    }
}
