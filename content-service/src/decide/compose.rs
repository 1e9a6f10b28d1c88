//! From a reply and its chosen items to messages.

use std::sync::Arc;

use minijinja::{
    Value,
    value::{Enumerator, Object},
};
use proto::{Link, content::Item};
use wechat::message::Message;

use super::Inputs;
use crate::playbook::{
    Part, Picked, Playbook, Reply,
    facts::DAY_MS,
    template::{TemplateError, plain},
};

/// The first template of a message, where its problems are shown.
pub(crate) fn first_template(part: &Part) -> &str {
    match part {
        Part::Text(text) => text,
        Part::News(card) | Part::Link(card) => &card.title,
        Part::MsgMenu { head, .. } => head,
        Part::MiniProgramPage { title, .. } => title,
    }
}

/// The messages of a reply; one whose first field comes out empty is left away.
pub(crate) fn render<'r>(
    playbook: &Playbook,
    reply: &'r Reply,
    context: &Value,
) -> Result<Vec<(&'r Part, Message)>, TemplateError> {
    let mut messages = Vec::new();
    for part in &reply.parts {
        let field = |template: &str| playbook.templates.render(template, context);
        let first = field(first_template(part))?;
        if !first.is_empty() {
            messages.push((part, message(part, first, &field)?));
        }
    }
    Ok(messages)
}

fn message(
    part: &Part,
    first: String,
    field: &impl Fn(&str) -> Result<String, TemplateError>,
) -> Result<Message, TemplateError> {
    let optional =
        |template: &Option<String>| template.as_ref().map_or(Ok(String::new()), |name| field(name));
    Ok(match part {
        Part::Text(_) => Message::Text { content: first },
        Part::News(card) => Message::News {
            title: first,
            description: optional(&card.description)?,
            url: field(&card.url)?,
            picurl: optional(&card.picture)?,
        },
        Part::Link(card) => Message::Link {
            title: first,
            description: optional(&card.description)?,
            url: field(&card.url)?,
            thumb_url: optional(&card.picture)?,
        },
        Part::MsgMenu { options, tail, .. } => Message::MsgMenu {
            head: first,
            options: options
                .iter()
                .map(|(id, text)| Ok((id.clone(), field(text)?)))
                .collect::<Result<_, _>>()?,
            tail: optional(tail)?,
        },
        Part::MiniProgramPage { appid, page, cover, .. } => Message::MiniProgramPage {
            title: first,
            appid: optional(appid)?,
            pagepath: field(page)?,
            thumb_media_id: field(cover)?,
        },
    })
}

/// An item as templates see it.
#[derive(Debug)]
struct Shown {
    item: Arc<Item>,
    topic: String,
    age: String,
    /// The signed link by which a tap comes back as an event.
    url: String,
}

impl Object for Shown {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let item = &*self.item;
        Some(match name {
            "age" => Value::from(self.age.as_str()),
            "id" => Value::from(item.id.as_str()),
            "picture" => Value::from(item.picture_url.as_str()),
            "place" => Value::from(item.places.first().map(String::as_str).unwrap_or_default()),
            "section" => Value::from(item.section.as_str()),
            "summary" => Value::from(plain(&item.summary)),
            "title" => Value::from(plain(&item.title)),
            "topic" => Value::from(self.topic.as_str()),
            "url" => Value::from(self.url.as_str()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["age", "id", "picture", "place", "section", "summary", "title", "topic", "url"])
    }
}

/// What the templates see of an item in a slot.
pub(super) fn item(inputs: &Inputs<'_>, slot: &str, item: &Arc<Item>) -> Value {
    let Picked { playbook, at_ms, .. } = inputs.picked;
    let topic = item.topics.iter().find_map(|topic| playbook.topics.get(&topic.name));
    Value::from_object(Shown {
        item: Arc::clone(item),
        topic: topic.cloned().unwrap_or_default(),
        age: age(at_ms.saturating_sub(item.published_at_ms)),
        url: link(inputs, slot, item),
    })
}

fn link(inputs: &Inputs<'_>, slot: &str, item: &Item) -> String {
    let Picked { event, at_ms, .. } = inputs.picked;
    let token = inputs.links.key.seal(&Link {
        app_id: event.app_id.clone(),
        openid: event.openid.clone(),
        item_id: item.id.clone(),
        reply_event_id: event.id.clone(),
        slot: slot.to_owned(),
        expires_at: (at_ms / 1_000).saturating_add(inputs.links.lifetime_s),
    });
    format!("{}{token}", inputs.links.base_url)
}

fn age(ms: i64) -> String {
    match (ms / 3_600_000, ms / DAY_MS) {
        (..1, _) => "刚刚".to_owned(),
        (hours, ..1) => format!("{hours}小时前"),
        (_, days) => format!("{days}天前"),
    }
}
