//! What is counted of the accounts and of what the platform says to them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use runtime::telemetry::Seldom;
use tokio::time::Instant;
use wechat::errcode;

use super::Named;

/// An alarming code is logged at most once in this time.
const SAID_FOR: Duration = Duration::from_secs(60);
/// More codes than this have no label of their own: nobody but the platform says how many there are.
const CODES: usize = 32;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Code {
    errcode: String,
}

/// The accounts' own metrics.
#[derive(Debug, Default)]
pub struct AccountMetrics {
    stops: Family<Named, Counter>,
    stopped: Family<Named, Gauge>,
    token_calls: Family<Named, Gauge>,
    unknown_codes: Family<Code, Counter>,
    /// When each of them was logged last.
    said: Mutex<BTreeMap<i32, Seldom>>,
}

impl AccountMetrics {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register("account_stops", "Times that an account was stopped", self.stops.clone());
        all.register("account_stopped", "1 while an account is stopped", self.stopped.clone());
        all.register("token_calls", "Calls of the token endpoint since the start", self.token_calls.clone());
        let unknown = "Answers with a code that is in no list, or that a person has to see: their messages are given up";
        all.register("unknown_errcodes", unknown, self.unknown_codes.clone());
    }

    /// An account was stopped.
    pub fn stop(&self, account: &str) {
        self.stops.get_or_create(&Named { name: account.to_owned() }).inc();
    }

    /// Whether an account is stopped.
    pub fn stopped(&self, account: &str, stopped: bool) {
        self.stopped.get_or_create(&Named { name: account.to_owned() }).set(i64::from(stopped));
    }

    /// Calls of the token endpoint for an account so far.
    pub fn token_calls(&self, account: &str, calls: u64) {
        let calls = i64::try_from(calls).unwrap_or(i64::MAX);
        self.token_calls.get_or_create(&Named { name: account.to_owned() }).set(calls);
    }

    /// The platform answered with a code that nobody here knows, or that a person has to see.
    pub fn alarming_code(&self, account: &str, errcode: i32, errmsg: &str) {
        let (labelled, say) = self.note(errcode);
        let label = if labelled { errcode.to_string() } else { "other".to_owned() };
        self.unknown_codes.get_or_create(&Code { errcode: label }).inc();
        if say {
            tracing::error!(
                account,
                errcode,
                errmsg,
                what_to_do = errcode::remedy(errcode),
                "the platform answers with a code that a person has to see, and messages are given up"
            );
        }
    }

    /// Whether a code has a label of its own, and whether it has to be said again.
    fn note(&self, errcode: i32) -> (bool, bool) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= CODES && !said.contains_key(&errcode) {
            return (false, false);
        }
        let say = said.entry(errcode).or_insert_with(|| Seldom::every(SAID_FOR)).is_due(Instant::now());
        (true, say)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_code_is_said_once_a_minute_and_labels_are_bounded() {
        let metrics = AccountMetrics::default();
        assert_eq!(
            [metrics.note(1), metrics.note(1), metrics.note(2)],
            [(true, true), (true, false), (true, true)]
        );
        tokio::time::advance(SAID_FOR).await;
        assert_eq!(metrics.note(1), (true, true));
        let labels = (100..200).filter(|code| metrics.note(*code).0).count();
        assert_eq!(labels, CODES - 2);
    }
}
