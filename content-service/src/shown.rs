//! What was shown is told to profile-service, within its deadline; the offset never waits for it.

use std::time::Duration;

use proto::{
    activity::User,
    profile::Shown,
    reply::{Outcome, Reply, ShownRecord},
};
use runtime::backoff::Backoff;
use tokio::time::Instant;

use crate::{assignment::Abandoned, case::Case, handle::Rooms, ledger::Entry, watchdog::step};

/// How long an outcome that is published for the second time waits for profile-service, which is rare: somebody died in between.
const AGAIN_WITHIN: Duration = Duration::from_secs(60);

/// What a reply has shown, be it only that there was one; `None`: nothing has arrived.
#[must_use]
pub fn shown_by(reply: &Reply) -> Option<Shown> {
    let decision = reply.decision.as_ref()?;
    let taken = reply.parts.iter().any(|part| part.outcome() == Outcome::Sent);
    taken.then(|| Shown {
        id: format!("{}:shown", reply.event_id),
        user: Some(User { app_id: reply.app_id.clone(), openid: reply.openid.clone() }),
        at_ms: reply.ended_at_ms,
        item_ids: decision.slots.iter().flat_map(|slot| slot.item_ids.iter().cloned()).collect(),
        asked_trait: decision.asked_trait.clone(),
    })
}

/// Tells what a reply has shown; the same id when it is told again.
///
/// What the outcome says of it has to be the same each time it is published: an entry that was found settled may stand in
/// Kafka as recorded, so it is told until profile-service knows it; and what is not recorded is noted before it is published.
///
/// # Errors
/// [`Abandoned`] when the partition is given up first.
pub async fn record(rooms: &Rooms, case: &Case<'_>, entry: &mut Entry) -> Result<(), Abandoned> {
    step("record what was shown");
    let Some(shown) = shown_by(&entry.reply) else { return Ok(()) };
    if entry.reply.shown() != ShownRecord::Unspecified {
        return Ok(());
    }
    if told(rooms, case, entry, shown).await? {
        entry.reply.set_shown(ShownRecord::Recorded);
        return Ok(());
    }
    rooms.ledger.note_not_recorded(&case.place, case.mine, entry).await
}

async fn told(rooms: &Rooms, case: &Case<'_>, entry: &Entry, shown: Shown) -> Result<bool, Abandoned> {
    let ends = Instant::now() + AGAIN_WITHIN;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        if rooms.erasures.settled(case).await? {
            let Err(error) = rooms.profiles.record_shown(&shown, case.trace).await else {
                return Ok(true);
            };
            tracing::info!(event_id = entry.reply.event_id, code = ?error.code(), "what was shown is not recorded");
        }
        rooms.metrics.fallback("shown");
        if !entry.found_settled || Instant::now() >= ends {
            return Ok(false);
        }
        case.mine.pause(backoff.pause()).await?;
    }
}
