//! The decision: what this user gets for this event, and why. Pure: the same inputs give the same bytes.

mod choose;
pub(crate) mod compose;
mod fit;
mod score;

use std::sync::Arc;

use proto::{
    LinkKey,
    event::event::Kind,
    reply::{Decision, SourceState},
};
use wechat::message::Message;

use crate::{
    catalogue::Snapshot,
    playbook::{Picked, facts::VISIT_GAP_MS},
};

/// Everything that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What happened, to whom, and the reply that the playbook has for it. Without a profile in time: the neutral edition.
    pub picked: &'a Picked<'a>,
    /// What came of the requests of [`Picked::sources_needed`].
    pub gathered: &'a [Gathered],
    /// What there is to show.
    pub catalogue: &'a Snapshot,
    /// How links are made.
    pub links: &'a Links,
}

/// How the links of a reply are made.
#[derive(Clone, Debug)]
pub struct Links {
    /// Shared with the gateway, which opens them.
    pub key: LinkKey,
    /// Address before the token: `https://gateway/c/`.
    pub base_url: String,
    /// Seconds for which a link is honoured.
    pub lifetime_s: i64,
}

/// What came of one request to a source.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Name of the source.
    pub source: String,
    /// What was asked for.
    pub argument: String,
    /// What came; `None`: nothing that could be used.
    pub value: Option<Arc<serde_json::Value>>,
    /// How it came.
    pub state: SourceState,
}

/// A decision and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The record for `wechat.replies.v1`, complete but for the enrichment and the budget.
    pub decision: Decision,
    /// What to do.
    pub verdict: Verdict,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send these.
    Reply {
        /// One to five messages, each of which passes its check.
        messages: Vec<Message>,
    },
    /// Send nothing.
    Suppress {
        /// Why.
        reason: String,
        /// Until when that holds, Unix milliseconds; 0: not bounded.
        until_ms: i64,
    },
}

/// Decides one event. Whether it carries a send right is not asked here.
#[must_use]
pub fn decide(inputs: &Inputs<'_>) -> Decided {
    let picked = inputs.picked;
    let mut decision = opening(inputs);
    let Some(reply) = picked.reply else { return silence(decision, picked) };
    decision.reply.clone_from(&reply.name);
    decision.set_unknown(reply.unknown);

    let question = reply.question.as_ref().and_then(|name| picked.playbook.question(name));
    let held_back =
        question.map(|question| question.held_back(&picked.facts, picked.enrichment, &picked.scope));
    let asked = question.filter(|_| held_back == Some(None));
    decision.question = match held_back {
        None => "this reply has no question".to_owned(),
        Some(None) => "asked".to_owned(),
        Some(Some(reason)) => format!("not asked: {reason}"),
    };

    let slots = choose::slots(inputs, reply);
    let fitted = fit::fit(inputs, reply, slots, asked);
    decision.slots = fitted.slots;
    decision.sources = fitted.sources;
    match fitted.messages {
        Ok(messages) => {
            decision.asked_trait = asked.map(|question| question.trait_name.clone()).unwrap_or_default();
            Decided { decision, verdict: Verdict::Reply { messages } }
        }
        Err(reason) => suppress(decision, reason, 0),
    }
}

fn opening(inputs: &Inputs<'_>) -> Decision {
    let Picked { playbook, event, enrichment, at_ms, rules, .. } = inputs.picked;
    Decision {
        at_ms: *at_ms,
        seed: event.id.clone(),
        playbook: playbook.hash().to_owned(),
        catalogue_version: inputs.catalogue.version(),
        neutral: enrichment.is_none(),
        rules: rules.clone(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Decision::default()
    }
}

/// A second entry within the visit gets no second greeting; anything else had no reply waiting for it.
fn silence(decision: Decision, picked: &Picked<'_>) -> Decided {
    let visit = picked.enrichment.and_then(|known| known.profile.as_ref()?.visit.as_ref());
    let entered = matches!(picked.event.kind, Some(Kind::Entered(_)));
    match visit.filter(|_| picked.greeted && entered) {
        Some(visit) => {
            let until_ms = visit.last_at_ms.saturating_add(VISIT_GAP_MS);
            suppress(decision, "already greeted in this visit".to_owned(), until_ms)
        }
        None if decision.rules.is_empty() => suppress(decision, "no reply listens to this".to_owned(), 0),
        None => suppress(decision, "no rule held".to_owned(), 0),
    }
}

fn suppress(mut decision: Decision, reason: String, until_ms: i64) -> Decided {
    for slot in &mut decision.slots {
        slot.item_ids.clear();
    }
    Decided { decision, verdict: Verdict::Suppress { reason, until_ms } }
}

#[cfg(test)]
mod choose_tests;
#[cfg(test)]
mod example_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
