//! What is to be reserved for an event: the rules that need no playbook, then the playbook's decision.

use proto::{
    event::event::Kind,
    reply::{Decision, Outcome, Part, Reply},
};

use super::{NOT_CONFIGURED, Rooms, unsent};
use crate::{
    accounts::Account,
    case::Case,
    decide::{Decided, Inputs, Verdict, decide},
    enrich::Known,
    ledger::{End, Proposal},
    playbook::Playbook,
    record::subject_of,
    rights::granted,
};

/// Decides what the event is to get.
pub(super) async fn propose(rooms: &Rooms, case: &Case<'_>, known: Known) -> Proposal {
    let account = case.account;
    let right =
        account.and_then(|account| granted(account.kind, account.rules, case.event, rooms.terms.margin));
    let mut reply = subject_of(case.event);
    let end = match (account, &case.playbook) {
        (Some(account), Some(playbook)) => match early_end(rooms, case, account, &known, right.is_some()) {
            Some(end) => Some(end),
            None => decided(rooms, case, playbook, known, &mut reply).await,
        },
        _ => Some(suppressed(rooms, NOT_CONFIGURED.to_owned(), 0)),
    };
    let revokes = matches!(case.event.kind, Some(Kind::Unsubscribed(_)));
    Proposal { reply, end, granted: right, revokes }
}

/// What ends without a decision.
fn early_end(rooms: &Rooms, case: &Case<'_>, account: &Account, known: &Known, right: bool) -> Option<End> {
    if matches!(case.event.kind, Some(Kind::Unsubscribed(_))) {
        let reason = match known {
            Known::ErasurePending => "unsubscribed; the erasure of the profile is pending",
            Known::Profile(_) | Known::Away => "unsubscribed",
        };
        return Some(suppressed(rooms, reason.to_owned(), 0));
    }
    if !right || case.event.openid.is_empty() {
        return Some(suppressed(rooms, "no right".to_owned(), 0));
    }
    let (deliverer, occurred_at_ms) = (&rooms.deliverer, case.event.occurred_at_ms);
    let superseded = || Some(suppressed(rooms, unsent(case)?.to_owned(), 0));
    let forgotten = deliverer.forgotten(occurred_at_ms);
    forgotten.or_else(superseded).or_else(|| deliverer.hopeless(account, occurred_at_ms, None))
}

async fn decided(
    rooms: &Rooms,
    case: &Case<'_>,
    playbook: &Playbook,
    known: Known,
    reply: &mut Reply,
) -> Option<End> {
    let picked = playbook.pick(case.event, known.enrichment(), rooms.clock.now_ms());
    let gathered = rooms.gatherer.gather(picked.sources_needed()).await;
    let catalogue = rooms.catalogue.snapshot();
    let inputs = Inputs { picked: &picked, gathered: &gathered, catalogue: &catalogue, links: &rooms.links };
    let Decided { decision, verdict } = decide(&inputs);
    reply.decision = Some(Decision { enrichment: known.into_enrichment(), ..decision });
    match verdict {
        Verdict::Suppress { reason, until_ms } => Some(suppressed(rooms, reason, until_ms)),
        Verdict::Reply { messages } if messages.is_empty() => {
            Some(suppressed(rooms, "the reply holds no message".to_owned(), 0))
        }
        Verdict::Reply { messages } => {
            let part = |message: String| Part { message, ..Part::default() };
            reply.parts = messages.iter().map(|message| part(message.to_json(&case.event.openid))).collect();
            None
        }
    }
}

fn suppressed(rooms: &Rooms, reason: String, until_ms: i64) -> End {
    End { outcome: Outcome::Suppressed, reason, until_ms, at_ms: rooms.clock.now_ms() }
}
