//! Questions for missing traits, and what an event says in answer to one.

use proto::{
    event::{Event, event::Kind},
    profile::{Enrichment, Trait, TraitSource},
};
use wechat::{account::AccountKind, message::Message};

use super::{Rule, Scope, facts::Facts};

/// A question of the playbook.
#[derive(Debug)]
pub(crate) struct Question {
    pub name: String,
    pub trait_name: String,
    pub text: String,
    pub tail: String,
    /// Not asked while this holds.
    pub unless: Option<Rule>,
    pub options: Vec<Answer>,
}

/// One answer that can be tapped.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Comes back as `bizmsgmenuid`.
    pub id: String,
    pub text: String,
    /// What the trait becomes.
    pub value: String,
}

impl Question {
    /// The option that the event chooses: tapped, or written out.
    pub(super) fn answered(&self, event: &Event) -> Option<&Answer> {
        let Some(Kind::TextReceived(text)) = &event.kind else { return None };
        if text.menu_option_id.is_empty() {
            self.options.iter().find(|option| option.text == text.content.trim())
        } else {
            self.options.iter().find(|option| option.id == text.menu_option_id)
        }
    }

    pub(super) fn told(&self, answer: &Answer, event: &Event) -> Trait {
        Trait {
            name: self.trait_name.clone(),
            value: answer.value.clone(),
            source: TraitSource::Asked.into(),
            at_ms: event.occurred_at_ms,
        }
    }

    /// Why the question is not to be asked now; `None`: it is.
    pub(crate) fn held_back(
        &self,
        facts: &Facts,
        enrichment: Option<&Enrichment>,
        scope: &Scope,
    ) -> Option<String> {
        let Some(profile) = enrichment.and_then(|known| known.profile.as_ref()) else {
            return Some("the profile is not known".to_owned());
        };
        if !facts.trait_value(&self.trait_name).is_empty() {
            return Some(format!("`{}` is known", self.trait_name));
        }
        if profile.asked.iter().any(|asked| asked.r#trait == self.trait_name) {
            return Some("it has been asked before".to_owned());
        }
        let visit = profile.visit.as_ref().map_or(i64::MAX, |visit| visit.started_at_ms);
        if profile.asked.iter().any(|asked| asked.at_ms >= visit) {
            return Some("another question was asked in this visit".to_owned());
        }
        match self.unless.as_ref().map(|rule| rule.holds(scope)) {
            None | Some(Ok(false)) => None,
            Some(Ok(true)) => Some("its `unless` holds".to_owned()),
            Some(Err(error)) => Some(format!("its `unless` failed: {error}")),
        }
    }

    /// The question as the account can show it: to be tapped, or to be answered in words.
    pub(crate) fn message(&self, kind: AccountKind) -> Message {
        match kind {
            AccountKind::Official => Message::MsgMenu {
                head: self.text.clone(),
                options: self.options.iter().map(|option| (option.id.clone(), option.text.clone())).collect(),
                tail: self.tail.clone(),
            },
            AccountKind::MiniProgram => {
                let options: Vec<_> = self.options.iter().map(|option| option.text.as_str()).collect();
                let content = format!("{}\n回复：{}\n{}", self.text, options.join(" / "), self.tail);
                Message::Text { content: content.trim_end().to_owned() }
            }
        }
    }
}
