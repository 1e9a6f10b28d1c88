//! Makes a reply fit: what is too long loses items from the end, what came unusable from outside gives way to its
//! fallback.

use minijinja::Value;
use proto::reply::{self, Exclusion, SourceState, SourceValue};
use wechat::message::{Message, MessageError};

use super::{Inputs, choose::Filled, compose};
use crate::playbook::{
    Picked, Question, Reply,
    template::{self, Context},
};

/// A reply as it can be sent, or why it can not.
pub(super) struct Fitted {
    pub slots: Vec<reply::Slot>,
    pub sources: Vec<SourceValue>,
    pub messages: Result<Vec<Message>, String>,
}

/// A source's value with its record.
struct Held {
    value: Value,
    record: SourceValue,
}

pub(super) fn fit(
    inputs: &Inputs<'_>,
    reply: &Reply,
    mut slots: Vec<Filled>,
    asked: Option<&Question>,
) -> Fitted {
    let mut sources: Vec<Held> = reply.sources.iter().map(|name| held(inputs, name, true)).collect();
    let messages = loop {
        match attempt(inputs, reply, &slots, &sources, asked) {
            Ok(messages) => break Ok(messages),
            Err(Trouble::TooLong) if drop_last(&mut slots) => {}
            Err(Trouble::Template(_)) if sources.iter().any(Held::is_foreign) => {
                sources = reply.sources.iter().map(|name| held(inputs, name, false)).collect();
            }
            Err(trouble) => break Err(trouble.to_string()),
        }
    };
    Fitted {
        slots: slots.into_iter().map(|slot| slot.record).collect(),
        sources: sources.into_iter().map(|source| source.record).collect(),
        messages,
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the message does not fit, even without items")]
    TooLong,
    #[error("a template failed: {0}")]
    Template(template::TemplateError),
    #[error("a message can not be sent: {0}")]
    Message(MessageError),
    #[error("every message came out empty")]
    Empty,
}

fn attempt(
    inputs: &Inputs<'_>,
    reply: &Reply,
    slots: &[Filled],
    sources: &[Held],
    asked: Option<&Question>,
) -> Result<Vec<Message>, Trouble> {
    let shown = slots.iter().map(|slot| {
        let name = slot.record.name.as_str();
        (name, slot.items.iter().map(|item| compose::item(inputs, name, item)).collect::<Value>())
    });
    let values = reply.sources.iter().cloned().zip(sources.iter().map(|source| source.value.clone()));
    let Picked { playbook, facts, .. } = inputs.picked;
    let context = Value::from_object(Context::new(facts, Value::from_pairs(shown), values, asked.is_some()));
    let rendered = compose::render(playbook, reply, &context);
    let parts = rendered.map_err(Trouble::Template)?;
    let kind = playbook.kind();
    let messages: Vec<_> = parts
        .into_iter()
        .map(|(_, message)| message)
        .chain(asked.map(|question| question.message(kind)))
        .collect();
    if messages.is_empty() {
        return Err(Trouble::Empty);
    }
    match messages.iter().find_map(|message| message.check(kind).err()) {
        None => Ok(messages),
        Some(MessageError::TooLong(_)) => Err(Trouble::TooLong),
        Some(other) => Err(Trouble::Message(other)),
    }
}

/// Leaves the last item of the fullest slot out, of the later one among equals.
fn drop_last(slots: &mut [Filled]) -> bool {
    let fullest = slots.iter_mut().max_by_key(|slot| slot.items.len());
    let Some((slot, item)) = fullest.and_then(|slot| slot.items.pop().map(|item| (slot, item))) else {
        return false;
    };
    slot.record.item_ids.pop();
    slot.record
        .exclusions
        .push(Exclusion { item_id: item.id.clone(), reason: "the message would not fit".to_owned() });
    true
}

impl Held {
    fn is_foreign(&self) -> bool {
        self.record.state() != SourceState::Fallback
    }
}

/// What a source gave, or its fallback.
fn held(inputs: &Inputs<'_>, name: &str, trusting: bool) -> Held {
    let gathered = inputs.gathered.iter().find(|gathered| gathered.source == name);
    let came =
        gathered.filter(|_| trusting).and_then(|gathered| Some((gathered.value.as_deref()?, gathered.state)));
    let fallback = || inputs.picked.playbook.sources.get(name).and_then(|source| source.fallback.as_ref());
    let (value, state) = match came {
        Some((value, state)) => (Some(value), state),
        None => (fallback(), SourceState::Fallback),
    };
    let argument = gathered.map(|gathered| gathered.argument.as_str()).unwrap_or_default();
    Held {
        value: value.map_or(Value::from(()), template::value),
        record: SourceValue {
            name: format!("{name}({argument})"),
            value: value.map(ToString::to_string).unwrap_or_default(),
            state: state.into(),
        },
    }
}
