//! Which reply an event gets: the first whose trigger and rule match.

use std::{fmt, sync::Arc};

use proto::{
    event::{Event, event::Kind},
    profile::Enrichment,
    reply::RuleMatch,
};

use super::{
    Playbook, Reply, SourceRequest,
    facts::Facts,
    rule::{Scope, scope},
    trigger::Trigger,
};

/// The reply that a playbook has for an event, every one that was looked at, and what was known when it was picked.
pub struct Picked<'a> {
    pub(crate) playbook: &'a Playbook,
    pub(crate) event: &'a Event,
    pub(crate) enrichment: Option<&'a Enrichment>,
    pub(crate) at_ms: i64,
    pub(crate) facts: Arc<Facts>,
    pub(crate) scope: Scope,
    pub(crate) reply: Option<&'a Reply>,
    pub(crate) rules: Vec<RuleMatch>,
    /// The user entered again within a visit, and replies that greet at its beginning were passed over for that.
    pub(crate) greeted: bool,
}

impl fmt::Debug for Picked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picked")
            .field("rules", &self.rules)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Playbook {
    /// Picks the reply to an event at `at_ms`, Unix milliseconds; no enrichment: the profile is away.
    #[must_use]
    pub fn pick<'a>(
        &'a self,
        event: &'a Event,
        enrichment: Option<&'a Enrichment>,
        at_ms: i64,
    ) -> Picked<'a> {
        let facts = self.facts(event, enrichment, at_ms);
        let scope = scope(&facts, &self.variables);
        let (reply, rules, greeted) = (None, Vec::new(), false);
        let mut picked =
            Picked { playbook: self, event, enrichment, at_ms, facts, scope, reply, rules, greeted };
        picked.listen();
        picked
    }
}

impl Picked<'_> {
    /// What has to be fetched before the event can be decided.
    #[must_use]
    pub fn sources_needed(&self) -> Vec<SourceRequest> {
        let used = self.reply.map(|reply| reply.sources.as_slice()).unwrap_or_default();
        used.iter().filter_map(|name| self.playbook.sources.get(name)?.request(&self.scope)).collect()
    }

    fn listen(&mut self) {
        let Self { event, facts, .. } = self;
        let entry = matches!(event.kind, Some(Kind::Entered(_) | Kind::Subscribed(_)));
        for reply in &self.playbook.replies {
            let heard =
                reply.on.iter().find(|on| on.matches(event, facts.opens_visit, facts.answer.as_deref()));
            let verdict = match heard {
                Some(_) => reply.held(self.enrichment.is_some(), &self.scope),
                None if entry && reply.on.contains(&Trigger::Visit) => {
                    self.greeted = true;
                    Err("the visit has already begun".to_owned())
                }
                None => continue,
            };
            let held = verdict.is_ok();
            self.rules.push(RuleMatch {
                reply: reply.name.clone(),
                trigger: heard.unwrap_or(&Trigger::Visit).to_string(),
                held,
                reason: verdict.err().unwrap_or_default(),
            });
            if held {
                self.reply = Some(reply);
                self.greeted = false;
                break;
            }
        }
    }
}

impl Reply {
    fn held(&self, known: bool, scope: &Scope) -> Result<(), String> {
        match (self.neutral, known) {
            (Some(true), true) => return Err("only for the neutral edition".to_owned()),
            (Some(false), false) => return Err("not for the neutral edition".to_owned()),
            _ => {}
        }
        match self.when.as_ref().map(|rule| rule.holds(scope)) {
            None | Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => Err("its `when` does not hold".to_owned()),
            Some(Err(error)) => Err(format!("its `when` failed: {error}")),
        }
    }
}
