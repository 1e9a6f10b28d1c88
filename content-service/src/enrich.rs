//! First room: who is it? Without the profile in time there is still an answer, the neutral edition.

use proto::{
    event::event::Kind,
    profile::{Enrichment, Trait},
};
use runtime::telemetry::uid;

use crate::{assignment::Abandoned, case::Case, handle::Rooms, watchdog::step};

/// What enriching an event came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// The profile as of the event.
    Profile(Box<Enrichment>),
    /// It did not come in time, or may not be learned from before an erasure.
    Away,
    /// The event erases the profile; that is remembered and will be done.
    ErasurePending,
}

impl Known {
    /// The enrichment, if it came.
    #[must_use]
    pub fn into_enrichment(self) -> Option<Enrichment> {
        match self {
            Self::Profile(enrichment) => Some(*enrichment),
            Self::Away | Self::ErasurePending => None,
        }
    }

    /// As [`Known::into_enrichment`].
    #[must_use]
    pub fn enrichment(&self) -> Option<&Enrichment> {
        match self {
            Self::Profile(enrichment) => Some(enrichment),
            Self::Away | Self::ErasurePending => None,
        }
    }
}

/// Asks for the profile, within its deadline. What an earlier `Unsubscribed` event of the user still has to erase goes first, and an
/// erasure that does not come about now is remembered.
///
/// # Errors
/// [`Abandoned`] when the partition is given up while Redis is away.
pub async fn enrich(rooms: &Rooms, case: &Case<'_>) -> Result<Known, Abandoned> {
    step("enrich");
    if case.superseded || case.event.openid.is_empty() {
        return Ok(Known::Away);
    }
    let erases = matches!(case.event.kind, Some(Kind::Unsubscribed(_)));
    if !rooms.erasures.settled(case).await? && !erases {
        rooms.metrics.fallback("profile");
        return Ok(Known::Away);
    }
    let told: Vec<Trait> =
        case.playbook.as_ref().map(|playbook| playbook.told(case.event)).unwrap_or_default();
    let why = match rooms.profiles.enrich(case.event, &told, case.trace).await {
        Ok(enrichment) => return Ok(Known::Profile(Box::new(enrichment))),
        Err(why) => why,
    };
    rooms.metrics.fallback(if erases { "erase" } else { "profile" });
    let (event_id, user) = (&case.event.id, uid(case.user));
    tracing::info!(event_id, user, code = ?why.code(), "no profile in time");
    if !erases {
        return Ok(Known::Away);
    }
    Box::pin(rooms.erasures.remember(case, &why)).await?;
    Ok(Known::ErasurePending)
}
