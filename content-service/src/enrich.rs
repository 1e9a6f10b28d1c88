//! First room: who is it? Without the profile in time there is still an answer, the neutral edition.

use std::time::Duration;

use proto::{
    event::event::Kind,
    profile::{Enrichment, Trait},
};
use runtime::telemetry::uid;
use tokio::time::Instant;

use crate::{
    assignment::{Abandoned, Backoff},
    case::Case,
    metrics::Metrics,
    profiles::Profiles,
};

/// An `Unsubscribed` event has to reach profile-service, since it erases the profile: its user's lane waits so long for it. Longer
/// would let a service that is away fill the bound in flight; afterwards the outcome says that the profile was not erased.
const ERASE_WITHIN: Duration = Duration::from_secs(120);

/// What enriching an event came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// The profile as of the event.
    Profile(Box<Enrichment>),
    /// It did not come in time.
    Away,
    /// The same, and with it an erasure was missed.
    NotErased,
}

impl Known {
    /// The enrichment, if it came.
    #[must_use]
    pub fn enrichment(&self) -> Option<&Enrichment> {
        match self {
            Self::Profile(enrichment) => Some(enrichment),
            Self::Away | Self::NotErased => None,
        }
    }
}

/// Asks for the profile; one try for an ordinary event, as many as the time allows for an `Unsubscribed` one.
///
/// # Errors
/// [`Abandoned`] when the partition is given up while an erasure waits.
pub async fn enrich(profiles: &Profiles, metrics: &Metrics, case: &Case<'_>) -> Result<Known, Abandoned> {
    if case.event.openid.is_empty() {
        return Ok(Known::Away);
    }
    let told: Vec<Trait> =
        case.playbook.as_ref().map(|playbook| playbook.told(case.event)).unwrap_or_default();
    let erases = matches!(case.event.kind, Some(Kind::Unsubscribed(_)));
    let ends = Instant::now() + ERASE_WITHIN;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let error = match profiles.enrich(case.event, told.clone(), case.trace).await {
            Ok(enrichment) => return Ok(Known::Profile(Box::new(enrichment))),
            Err(error) => error,
        };
        metrics.fallback("profile");
        let user = uid(case.user);
        tracing::info!(event_id = case.event.id, user, code = ?error.code(), "no profile in time");
        if !erases {
            return Ok(Known::Away);
        }
        if Instant::now() >= ends {
            metrics.fallback("erase");
            tracing::error!(event_id = case.event.id, user, "the profile was not erased: erase it by hand");
            return Ok(Known::NotErased);
        }
        case.mine.pause(backoff.pause()).await?;
    }
}
