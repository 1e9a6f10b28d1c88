//! The decision: what this user gets for this event, and why. Pure: the same inputs give the same bytes.

mod choose;
pub(crate) mod compose;
mod fit;
mod score;

use proto::{
    LinkKey,
    event::{Event, event::Kind},
    profile::Enrichment,
    reply::{Decision, SourceState},
};
use wechat::message::Message;

use crate::{
    catalogue::Snapshot,
    playbook::{Picked, Playbook, facts::VISIT_GAP_MS, scope},
};

/// Everything that a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What happened.
    pub event: &'a Event,
    /// Who it is; `None`: the profile did not come in time, the neutral edition is made.
    pub enrichment: Option<&'a Enrichment>,
    /// What came of the requests of [`Playbook::sources_needed`].
    pub gathered: &'a [Gathered],
    /// What to say.
    pub playbook: &'a Playbook,
    /// What there is to show.
    pub catalogue: &'a Snapshot,
    /// The time of the decision, Unix milliseconds.
    pub at_ms: i64,
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
    pub value: Option<serde_json::Value>,
    /// How it came.
    pub state: SourceState,
}

/// A decision and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The record for `wechat.replies.v1`, complete but for the budget.
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
        /// Items that are shown, in order.
        item_ids: Vec<String>,
        /// Trait that is asked for.
        asked_trait: Option<String>,
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
    let Inputs { event, enrichment, playbook, .. } = *inputs;
    let facts = playbook.facts(event, enrichment, inputs.at_ms);
    let scope = scope(&facts);
    let Picked { reply, rules, greeted } = playbook.pick(event, enrichment.is_some(), &facts, &scope);
    let mut decision = Decision { rules, ..opening(inputs) };
    let Some(reply) = reply else { return silence(decision, inputs, greeted) };
    decision.reply.clone_from(&reply.name);

    let question = reply.question.as_ref().and_then(|name| playbook.question(name));
    let held_back = question.map(|question| question.held_back(&facts, enrichment, &scope));
    let asked = question.filter(|_| held_back == Some(None));
    decision.question = match held_back {
        None => "this reply has no question".to_owned(),
        Some(None) => "asked".to_owned(),
        Some(Some(reason)) => format!("not asked: {reason}"),
    };

    let slots = choose::slots(inputs, reply, &facts, &scope);
    let fitted = fit::fit(inputs, reply, &facts, slots, asked);
    decision.slots = fitted.slots;
    decision.sources = fitted.sources;
    match fitted.messages {
        Ok(messages) => {
            let asked_trait = asked.map(|question| question.trait_name.clone());
            decision.asked_trait = asked_trait.clone().unwrap_or_default();
            let item_ids = decision.slots.iter().flat_map(|slot| slot.item_ids.clone()).collect();
            Decided { decision, verdict: Verdict::Reply { messages, item_ids, asked_trait } }
        }
        Err(reason) => suppress(decision, reason, 0),
    }
}

fn opening(inputs: &Inputs<'_>) -> Decision {
    Decision {
        at_ms: inputs.at_ms,
        seed: inputs.event.id.clone(),
        playbook: inputs.playbook.hash().to_owned(),
        catalogue_version: inputs.catalogue.version(),
        enrichment: inputs.enrichment.cloned(),
        neutral: inputs.enrichment.is_none(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Decision::default()
    }
}

/// A second entry within the visit gets no second greeting; anything else had no reply waiting for it.
fn silence(decision: Decision, inputs: &Inputs<'_>, greeted: bool) -> Decided {
    let visit = inputs.enrichment.and_then(|known| known.profile.as_ref()?.visit.as_ref());
    let entered = matches!(inputs.event.kind, Some(Kind::Entered(_)));
    match visit.filter(|_| greeted && entered) {
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
