//! The contiguous low-water mark of one partition: up to where everything has been handled.

use std::collections::VecDeque;

/// Offsets under way and the first that is not done. Pure; nothing else decides what may be committed.
#[derive(Clone, Debug, Default)]
pub struct Watermark {
    /// Started and not below the mark, ascending.
    open: VecDeque<Open>,
    /// One past the newest that was started.
    next: Option<i64>,
    reading: u64,
}

/// One record between the mark and the newest.
#[derive(Clone, Copy, Debug)]
struct Open {
    offset: i64,
    reading: u64,
    done: bool,
}

impl Watermark {
    /// Takes note of a record before it is worked on; [`Watermark::done`] wants the number that it returns.
    ///
    /// An offset that is not beyond the newest one begins another reading: the partition was rewound, or its topic made anew. What
    /// was started from there on comes again, and may be something else by now, so its end counts for nothing; what is under way
    /// below still holds the mark.
    pub fn start(&mut self, offset: i64) -> u64 {
        if self.is_behind(offset) {
            self.reading += 1;
            self.open.retain(|open| open.offset < offset);
        }
        self.open.push_back(Open { offset, reading: self.reading, done: false });
        self.next = Some(offset + 1);
        self.reading
    }

    fn is_behind(&self, offset: i64) -> bool {
        self.next.is_some_and(|next| offset < next)
    }

    /// The record has had its outcome. One that was never started in that reading is ignored.
    pub fn done(&mut self, offset: i64, reading: u64) {
        if let Ok(at) = self.open.binary_search_by_key(&offset, |open| open.offset) {
            let open = &mut self.open[at];
            open.done |= open.reading == reading;
        }
        while self.open.front().is_some_and(|open| open.done) {
            self.open.pop_front();
        }
    }

    /// The offset to commit: every record below it is done. `None` before the first record.
    #[must_use]
    pub fn low(&self) -> Option<i64> {
        self.open.front().map(|open| open.offset).or(self.next)
    }

    /// Records from the mark up to the newest one.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gap_holds_the_mark() {
        let mut mark = Watermark::default();
        assert_eq!(mark.low(), None);
        let readings = [5, 6, 9].map(|offset| mark.start(offset));
        assert_eq!(readings, [0, 0, 0]);
        mark.done(6, 0);
        mark.done(9, 0);
        assert_eq!(mark.low(), Some(5));
        mark.done(5, 0);
        assert_eq!(mark.low(), Some(10), "6 and 9 were only waiting for 5");
    }

    #[test]
    fn a_rewind_begins_again_from_there_and_loses_nothing_below() {
        let mut mark = Watermark::default();
        for offset in 5..9 {
            mark.start(offset);
        }
        mark.done(6, 0);
        assert_eq!(mark.start(7), 1, "a rewind to 7");
        assert_eq!((mark.low(), mark.open()), (Some(5), 3));
        mark.done(7, 0);
        mark.done(8, 0);
        mark.done(5, 0);
        assert_eq!(mark.low(), Some(7), "what was read before the rewind is no end of what is read now");
        mark.done(7, 1);
        assert_eq!(mark.low(), Some(8), "and 8 has not come again yet");
    }

    #[test]
    fn a_topic_made_anew_begins_at_its_beginning() {
        let mut mark = Watermark::default();
        let old = mark.start(70);
        let new = mark.start(0);
        mark.done(70, old);
        assert_eq!(mark.low(), Some(0));
        mark.done(0, new);
        assert_eq!(mark.low(), Some(1));
    }

    proptest! {
        #[test]
        fn nothing_undone_is_ever_below_the_mark(
            gaps in proptest::collection::vec(1i64..4, 1..60),
            order in any::<prop::sample::Index>(),
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let offsets: Vec<i64> = gaps.iter().scan(order.index(1000) as i64, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut mark = Watermark::default();
            for offset in &offsets {
                prop_assert_eq!(mark.start(*offset), 0);
            }
            let mut undone = offsets.clone();
            let mut last = mark.low();
            for pick in picks {
                if undone.is_empty() { break; }
                mark.done(undone.remove(pick.index(undone.len())), 0);
                let expected = undone.iter().min().copied().unwrap_or(offsets[offsets.len() - 1] + 1);
                prop_assert_eq!(mark.low(), Some(expected));
                prop_assert!(mark.low() >= last, "it never goes back");
                last = mark.low();
            }
        }
    }
}
