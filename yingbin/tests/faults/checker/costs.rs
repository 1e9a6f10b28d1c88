//! Ends that nobody wants, and how many of them a fault may cost.

use super::{Books, End, outcomes};

/// How many events may end as nobody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Costs {
    pub(crate) unknown: usize,
    pub(crate) refused: usize,
    pub(crate) expired: usize,
    pub(crate) set_aside: usize,
}

impl Costs {
    /// Only so many unknown ends.
    pub(crate) const fn unknown(unknown: usize) -> Self {
        Self { unknown, refused: 0, expired: 0, set_aside: 0 }
    }

    /// Only so many refusals.
    pub(crate) const fn refused(refused: usize) -> Self {
        Self { unknown: 0, refused, expired: 0, set_aside: 0 }
    }
}

/// Ends of which there are more than a fault may cost, and how many there are.
pub(crate) fn beyond(books: &Books, costs: Costs) -> Vec<(End, usize)> {
    let first = outcomes(books);
    let count = |end| first.values().filter(|outcome| outcome.end == end).count();
    let most = [
        (End::Unknown, costs.unknown),
        (End::Refused, costs.refused),
        (End::Expired, costs.expired),
        (End::SetAside, costs.set_aside),
    ];
    most.into_iter()
        .map(|(end, most)| (end, count(end), most))
        .filter(|(_, count, most)| count > most)
        .map(|(end, count, _)| (end, count))
        .collect()
}
