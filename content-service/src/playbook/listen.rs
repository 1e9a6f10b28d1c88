//! Which reply an event gets: the first whose trigger and rule match.

use cel::Context;
use proto::{
    event::{Event, event::Kind},
    reply::RuleMatch,
};

use super::{Playbook, Reply, facts::Facts, trigger::Trigger};

/// The reply, and every one that was looked at.
#[derive(Debug)]
pub(crate) struct Picked<'a> {
    pub reply: Option<&'a Reply>,
    pub rules: Vec<RuleMatch>,
    /// The user entered again within a visit, and replies that greet at its beginning were passed over for that.
    pub greeted: bool,
}

impl Playbook {
    pub(crate) fn pick(
        &self,
        event: &Event,
        known: bool,
        facts: &Facts,
        scope: &Context<'static, 'static>,
    ) -> Picked<'_> {
        let entry = matches!(event.kind, Some(Kind::Entered(_) | Kind::Subscribed(_)));
        let mut picked = Picked { reply: None, rules: Vec::new(), greeted: false };
        for reply in &self.replies {
            let heard =
                reply.on.iter().find(|on| on.matches(event, facts.opens_visit, facts.answer.as_deref()));
            let verdict = match heard {
                Some(_) => reply.held(known, scope),
                None if entry && reply.on.contains(&Trigger::Visit) => {
                    picked.greeted = true;
                    Err("the visit has already begun".to_owned())
                }
                None => continue,
            };
            picked.rules.push(RuleMatch {
                reply: reply.name.clone(),
                trigger: heard.unwrap_or(&Trigger::Visit).to_string(),
                held: verdict.is_ok(),
                reason: verdict.as_ref().err().cloned().unwrap_or_default(),
            });
            if verdict.is_ok() {
                picked.reply = Some(reply);
                picked.greeted = false;
                break;
            }
        }
        picked
    }
}

impl Reply {
    fn held(&self, known: bool, scope: &Context<'static, 'static>) -> Result<(), String> {
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
