//! The contiguous low-water mark of one partition: up to where everything has been handled.

use std::collections::VecDeque;

/// Offsets under way and the first that is not done. Pure; nothing else decides what may be committed.
#[derive(Clone, Debug, Default)]
pub struct Watermark {
    /// Started and not below the mark, ascending; `true`: done.
    open: VecDeque<(i64, bool)>,
    /// One past the newest that was started.
    next: Option<i64>,
}

impl Watermark {
    /// Takes note of a record before it is worked on. `false`: it has been seen already and is not to be worked on again.
    pub fn start(&mut self, offset: i64) -> bool {
        let fresh = self.next.is_none_or(|next| offset >= next);
        if fresh {
            self.open.push_back((offset, false));
            self.next = Some(offset + 1);
        }
        fresh
    }

    /// The record has had its outcome. One that was never started is ignored.
    pub fn done(&mut self, offset: i64) {
        if let Ok(at) = self.open.binary_search_by_key(&offset, |(offset, _)| *offset) {
            self.open[at].1 = true;
        }
        while self.open.front().is_some_and(|(_, done)| *done) {
            self.open.pop_front();
        }
    }

    /// The offset to commit: every record below it is done. `None` before the first record.
    #[must_use]
    pub fn low(&self) -> Option<i64> {
        self.open.front().map(|(offset, _)| *offset).or(self.next)
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
        for offset in [5, 6, 9] {
            assert!(mark.start(offset));
        }
        assert!(!mark.start(6), "seen already");
        mark.done(6);
        mark.done(9);
        assert_eq!(mark.low(), Some(5));
        mark.done(5);
        assert_eq!(mark.low(), Some(10), "6 and 9 were only waiting for 5");
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
                prop_assert!(mark.start(*offset));
            }
            let mut undone = offsets.clone();
            let mut last = mark.low();
            for pick in picks {
                if undone.is_empty() { break; }
                mark.done(undone.remove(pick.index(undone.len())));
                let expected = undone.iter().min().copied().unwrap_or(offsets[offsets.len() - 1] + 1);
                prop_assert_eq!(mark.low(), Some(expected));
                prop_assert!(mark.low() >= last, "it never goes back");
                last = mark.low();
            }
        }
    }
}
