//! How long a run takes: the whole one under ten minutes, the quick one under two.

use std::time::Duration;

/// Rounds, durations and sizes of one run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Interleaved rounds of which the median counts.
    pub(crate) rounds: usize,
    /// Rounds of each point of the slopes.
    pub(crate) slope_rounds: usize,
    /// Every gateway is warmed up for so long; a broker that has just begun is slow.
    pub(crate) warm_up: Duration,
    /// A closed loop lasts so long.
    pub(crate) closed: Duration,
    /// An open loop against a gateway lasts so long.
    pub(crate) open_push: Duration,
    /// An open loop from push to message lasts so long.
    pub(crate) open_message: Duration,
    /// Distinct pushes for the gateways.
    pub(crate) pushes: usize,
    /// Sizes of the profile store.
    pub(crate) profiles: Vec<u64>,
    /// Sizes of the catalogue.
    pub(crate) items: Vec<u64>,
    only: Vec<String>,
    /// The short run.
    pub(crate) quick: bool,
}

impl Plan {
    /// The run that the arguments ask for; `cargo bench` adds flags of its own, which say nothing here.
    pub(crate) fn read(arguments: &[String], quick: bool) -> Self {
        let mut words: Vec<String> =
            arguments.iter().filter(|word| !word.starts_with('-')).cloned().collect();
        let quick = quick || words.iter().any(|word| word == "quick");
        words.retain(|word| word != "quick");
        let seconds = Duration::from_secs;
        let whole = Self {
            rounds: 3,
            slope_rounds: 2,
            warm_up: seconds(4),
            closed: seconds(4),
            open_push: seconds(8),
            open_message: seconds(6),
            pushes: 200_000,
            profiles: vec![1_000, 10_000, 100_000, 1_000_000],
            items: vec![100, 1_000, 10_000, 100_000],
            only: words,
            quick: false,
        };
        if !quick {
            return whole;
        }
        Self {
            rounds: 1,
            slope_rounds: 1,
            warm_up: seconds(1),
            closed: seconds(2),
            open_push: seconds(3),
            open_message: seconds(2),
            pushes: 50_000,
            profiles: vec![1_000, 10_000, 100_000],
            items: vec![100, 1_000, 10_000],
            quick: true,
            ..whole
        }
    }

    /// Whether a part of the bench is wanted.
    pub(crate) fn runs(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}
