//! Percentiles of a round, and medians of rounds with their range.

use std::{fmt, time::Duration};

/// Latencies of one round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Latency {
    /// Half of them were faster, milliseconds.
    pub(crate) p50: f64,
    /// 99 of 100 were faster, milliseconds.
    pub(crate) p99: f64,
}

impl Latency {
    /// Of all latencies of a round.
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |share: f64| {
            let index = (all.len() as f64 * share) as usize;
            all.get(index.min(all.len().saturating_sub(1))).map_or(f64::NAN, |one| one.as_secs_f64() * 1e3)
        };
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// The median of some rounds and their range.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    /// Of the values of all rounds.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The middle one; of an even number the mean of both.
    pub(crate) fn median(&self) -> f64 {
        match self.0.len() {
            0 => f64::NAN,
            n if n.is_multiple_of(2) => f64::midpoint(self.0[n / 2 - 1], self.0[n / 2]),
            n => self.0[n / 2],
        }
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(low), Some(high)) = (self.0.first(), self.0.last()) else { return f.write_str("–") };
        let digits = f.precision().unwrap_or(1);
        write!(f, "{:.digits$}", self.median())?;
        if self.0.len() > 1 {
            write!(f, " ({low:.digits$}–{high:.digits$})")?;
        }
        Ok(())
    }
}
