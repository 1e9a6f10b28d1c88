//! How a request that was not taken ends: one status and one body for the sender; a count and now and then a line for the operator.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use runtime::{kafka::ProduceError, telemetry::Seldom};
use tokio::time::Instant;
use wechat::push::Refusal;

use crate::{
    accounts::Account,
    metrics::Metrics,
    pages::{self, Answer},
    spool::NotSpooled,
};

/// The same trouble of the same account is logged this often at most.
const QUIET_FOR: Duration = Duration::from_secs(60);

/// Why a request of `/wechat/…` was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// More than 64 KiB.
    #[error("the body is larger than a push can be")]
    TooLarge,
    /// Not all of the body came in time.
    #[error("the body did not arrive in time")]
    BodyLate,
    /// The connection or the body broke off.
    #[error("the body broke off")]
    BodyCut,
    /// Older, or from further in the future, than the tolerance.
    #[error("its timestamp is outside the replay tolerance: a replay, or a clock that is wrong")]
    Stale,
    /// It did not verify.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A URL verification that would have given back a decrypted document.
    #[error("its echostr holds a whole document: somebody tries to have a captured push decrypted")]
    Oracle,
    /// So many pushes were being handled that it waited too long for its turn.
    #[error("too many pushes at once, the platform will repeat it: see limits.in_flight")]
    Overloaded,
    /// A mistake of ours, which takes neither the process nor the connection along.
    #[error("a defect: its handler panicked, the platform will repeat the push")]
    Defect,
    /// Kafka did not take it, and there is no spool, or it is too large for the topic.
    #[error("the event is not in kafka, the platform will repeat the push: {0}")]
    NotTaken(#[from] ProduceError),
    /// Kafka did not say in time whether it took it.
    #[error("kafka did not answer in time, the platform will repeat the push")]
    NoReport,
    /// Kafka did not take it in time, and the spool did not either.
    #[error("the event is neither in kafka nor in the spool, the platform will repeat the push: {0}")]
    NotSpooled(#[from] NotSpooled),
}

impl Failure {
    /// The word for metrics and logs.
    fn name(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::BodyLate => "body_late",
            Self::BodyCut => "body_cut",
            Self::Stale => "stale",
            Self::Refused(refusal) => refusal.kind(),
            Self::Oracle => "oracle",
            Self::NotTaken(ProduceError::QueueFull) => "queue_full",
            Self::NotTaken(_) => "not_taken",
            Self::NoReport => "no_report",
            Self::Overloaded => "overloaded",
            Self::Defect => "defect",
            Self::NotSpooled(NotSpooled::Full(_)) => "spool_full",
            Self::NotSpooled(_) => "not_spooled",
        }
    }

    /// What the sender sees. All that went wrong up to and with verification looks alike.
    fn seen(&self) -> (StatusCode, &'static str) {
        match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too large"),
            Self::Defect => (StatusCode::INTERNAL_SERVER_ERROR, "try again"),
            Self::Overloaded | Self::NotTaken(_) | Self::NoReport | Self::NotSpooled(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "try again")
            }
            Self::BodyLate | Self::BodyCut | Self::Stale | Self::Refused(_) | Self::Oracle => {
                (StatusCode::FORBIDDEN, "forbidden")
            }
        }
    }

    /// Nothing was wrong with the push: it is wanted again.
    fn is_ours(&self) -> bool {
        self.seen().0 == StatusCode::SERVICE_UNAVAILABLE
    }

    fn answer(&self) -> Answer {
        let (status, text) = self.seen();
        pages::text(status, text)
    }
}

/// Counts a failure, logs it if nothing like it was logged lately, and makes the answer.
pub(crate) fn failed(metrics: &Metrics, account: &Account, failure: &Failure) -> Answer {
    let (name, reason) = (account.name.as_str(), failure.name());
    metrics.push(name, reason).inc();
    if let Some(times) = account.reports.note(reason, Instant::now()) {
        if failure.is_ours() {
            tracing::error!(account = name, reason, times, "push not taken: {failure}");
        } else {
            tracing::warn!(account = name, reason, times, "push refused: {failure}");
        }
    }
    failure.answer()
}

/// Counts a push that is in Kafka although nobody could read it, and logs it now and then.
pub(crate) fn unreadable(metrics: &Metrics, account: &Account, event_id: &str) {
    let (name, reason) = (account.name.as_str(), "unreadable");
    metrics.push(name, reason).inc();
    if let Some(times) = account.reports.note(reason, Instant::now()) {
        tracing::warn!(account = name, event_id, times, "a push verified but cannot be read, kept raw");
    }
}

/// What was logged of one account, by reason.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<HashMap<&'static str, Tally>>);

#[derive(Debug)]
struct Tally {
    said: Seldom,
    since: u64,
}

impl Reports {
    /// Notes one more; `Some(n)` when it is time to say that there were `n` since the last time.
    fn note(&self, reason: &'static str, now: Instant) -> Option<u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(reason)
            .or_insert_with(Tally::new)
            .note(now)
    }
}

impl Tally {
    fn new() -> Self {
        Self { said: Seldom::every(QUIET_FOR), since: 0 }
    }

    fn note(&mut self, now: Instant) -> Option<u64> {
        self.since += 1;
        self.said.is_due(now).then(|| std::mem::take(&mut self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_once_a_minute_with_their_number() {
        let reports = Reports::default();
        let start = Instant::now();
        assert_eq!(reports.note("signature", start), Some(1));
        for second in 0..59 {
            assert_eq!(reports.note("signature", start + Duration::from_secs(second)), None);
        }
        assert_eq!(reports.note("decrypt", start), Some(1));
        assert_eq!(reports.note("signature", start + QUIET_FOR), Some(60));
    }
}
