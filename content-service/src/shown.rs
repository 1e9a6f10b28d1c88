//! What was shown is told to profile-service, within its deadline; the offset never waits for it.

use proto::{
    activity::User,
    profile::Shown,
    reply::{Outcome, Reply, ShownRecord},
};

use crate::{case::Case, metrics::Metrics, profiles::Profiles};

/// What a reply has shown; `None`: nothing that anybody has to remember.
#[must_use]
pub fn shown_by(reply: &Reply) -> Option<Shown> {
    let decision = reply.decision.as_ref()?;
    let item_ids: Vec<String> = decision.slots.iter().flat_map(|slot| slot.item_ids.clone()).collect();
    let taken = reply.parts.iter().any(|part| part.outcome() == Outcome::Sent);
    let something = !item_ids.is_empty() || !decision.asked_trait.is_empty();
    (taken && something).then(|| Shown {
        id: format!("{}:shown", reply.event_id),
        user: Some(User { app_id: reply.app_id.clone(), openid: reply.openid.clone() }),
        at_ms: reply.ended_at_ms,
        item_ids,
        asked_trait: decision.asked_trait.clone(),
    })
}

/// Tells what a reply has shown; the same id when it is told again.
pub async fn record(profiles: &Profiles, metrics: &Metrics, case: &Case<'_>, reply: &Reply) -> ShownRecord {
    let Some(shown) = shown_by(reply) else { return ShownRecord::Unspecified };
    match profiles.record_shown(shown, case.trace).await {
        Ok(()) => ShownRecord::Recorded,
        Err(error) => {
            metrics.fallback("shown");
            tracing::info!(event_id = reply.event_id, code = ?error.code(), "what was shown is not recorded");
            ShownRecord::NotRecorded
        }
    }
}
