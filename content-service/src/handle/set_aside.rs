//! A record that nobody can read: into the DLQ topic, an outcome that says so, and the offset moves on.

use proto::reply::{Outcome, Reply};
use rdkafka::Message as _;

use super::Rooms;
use crate::{
    assignment::Abandoned,
    intake::Work,
    ledger::{End, Proposal, State},
    publish::DlqReason,
    record::{LONGEST_KEY, Unreadable},
};

/// Sets a record aside, once: the ledger remembers it like any other event, under the record's own name.
pub(super) async fn set_aside(
    rooms: &Rooms,
    work: &Work,
    why: &Unreadable,
    fence: String,
) -> Result<Option<Reply>, Abandoned> {
    let Unreadable { subject, name, class, error } = why;
    let user = proto::record_key(&subject.app_id, &subject.openid);
    let place = rooms.ledger.place(&user, name, fence);
    let at_ms = rooms.clock.now_ms();
    let end = End { outcome: Outcome::SetAside, reason: format!("{class}: {error}"), until_ms: 0, at_ms };

    let reply = subject.clone();
    let proposal = Proposal { reply, end: Some(end.clone()), granted: None, revokes: false };
    let mut entry = rooms.ledger.reserve(&place, &work.mine, proposal, false).await?;
    rooms.deliverer.without_sending(&place, &work.mine, &mut entry, end).await?;
    if entry.state == State::Closed || rooms.closer.published(&place) {
        return Ok(None);
    }

    let raw = &work.record.raw;
    rooms.publisher.set_aside(raw, DlqReason { class, error, at_ms }, &work.mine).await?;
    let key = raw.key().filter(|key| key.len() <= LONGEST_KEY).unwrap_or(user.as_bytes());
    let outcome = rooms.publisher.outcome(&entry.reply, name, key, work.record.trace, &work.mine).await?;
    rooms.closer.close(&place, &outcome).await;
    Ok(Some(entry.reply))
}
