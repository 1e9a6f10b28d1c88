//! Half-lives: what evidence is worth after a while, and how evidence of different times is added.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// What is left of 1 after `age_ms`: `2^(−age/half-life)`. An age below zero counts as zero.
pub(crate) fn left(age_ms: i64, half_life_ms: i64) -> f64 {
    (-(age_ms.max(0) as f64) / half_life_ms as f64).exp2()
}

/// What an old sum and new evidence are worth at the later of their times.
///
/// Late evidence is discounted by its own age, so the order of arrival does not change a sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meeting {
    /// The later of the two times, Unix milliseconds.
    pub(crate) at_ms: i64,
    /// Factor of the old sum.
    pub(crate) old: f64,
    /// Factor of the new evidence.
    pub(crate) new: f64,
}

/// Brings a sum as of `sum_at_ms` and evidence of `at_ms` to one time.
pub(crate) fn meet(sum_at_ms: i64, at_ms: i64, half_life_ms: i64) -> Meeting {
    Meeting {
        at_ms: sum_at_ms.max(at_ms),
        old: left(at_ms.saturating_sub(sum_at_ms), half_life_ms),
        new: left(sum_at_ms.saturating_sub(at_ms), half_life_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_life_halves() {
        assert!((left(7 * DAY_MS, 7 * DAY_MS) - 0.5).abs() < 1e-12);
        assert!((left(0, 7 * DAY_MS) - 1.0).abs() < 1e-12);
        assert!((left(-5, 7 * DAY_MS) - 1.0).abs() < 1e-12);
        assert!(left(i64::MAX, 7 * DAY_MS) < 1e-12);
    }

    #[test]
    fn the_extremes_of_time_do_not_panic() {
        let meeting = meet(i64::MIN, i64::MAX, DAY_MS);
        assert!(meeting.old.is_finite() && meeting.new.is_finite());
    }
}
