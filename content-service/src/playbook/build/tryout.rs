//! Tries every reply out before an event needs it: with nobody and no items, and with a newcomer and full slots.

use std::sync::Arc;

use minijinja::Value;
use wechat::message::MessageError;

use super::{
    super::{Part, Playbook, Reply, facts::Facts, problem::Within, sample, template},
    Builder,
};
use crate::decide::compose;

impl Builder<'_> {
    pub(super) fn try_out(&mut self, playbook: &Playbook) {
        for reply in &playbook.replies {
            self.try_reply(playbook, reply, &Arc::new(sample::empty().clone()), false);
            self.try_reply(playbook, reply, &Arc::new(sample::newcomer()), true);
        }
    }

    fn try_reply(&mut self, playbook: &Playbook, reply: &Reply, facts: &Arc<Facts>, full: bool) {
        match compose::render(playbook, reply, &names(playbook, reply, facts, full)) {
            Err(error) => {
                let Some(written) = self.written.get(&error.template).cloned() else { return };
                let with = if full { "with full slots" } else { "without profile and items" };
                self.report.within(&written, error.within, format!("tried out {with}: {}", error.message));
            }
            Ok(messages) => {
                for (part, message) in messages {
                    self.check(part, message.check(playbook.kind), full);
                }
            }
        }
    }

    fn check(&mut self, part: &Part, checked: Result<(), MessageError>, full: bool) {
        let Err(error) = checked else { return };
        if full && matches!(error, MessageError::TooLong(_)) {
            return; // Items are left out of a real message until it fits.
        }
        if let Some(written) = self.written.get(compose::first_template(part)).cloned() {
            self.report.within(&written, Within::START, error.to_string());
        }
    }
}

fn names(playbook: &Playbook, reply: &Reply, facts: &Arc<Facts>, full: bool) -> Value {
    let slots = reply.slots.iter().map(|slot| {
        let count = if full { slot.count } else { 0 };
        (slot.name.clone(), (0..count).map(|_| item()).collect::<Value>())
    });
    let fallback = |name: &String| playbook.sources.get(name).and_then(|source| source.fallback.as_ref());
    let sources = reply
        .sources
        .iter()
        .map(|name| (name.clone(), fallback(name).map_or(Value::from(()), template::value)));
    let asked = full && reply.question.is_some();
    Value::from_object(template::Context::new(facts, Value::from_pairs(slots), sources, asked))
}

fn item() -> Value {
    let fields = ["id", "title", "summary", "section", "topic", "place", "age"].map(|name| (name, "样例"));
    let addresses = ["url", "picture"].map(|name| (name, "https://example.com/c/token"));
    Value::from_pairs(fields.into_iter().chain(addresses))
}
