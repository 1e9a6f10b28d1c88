//! From a reply and its chosen items to messages.

use std::sync::Arc;

use minijinja::Value;
use proto::{Link, content::Item};
use wechat::message::Message;

use super::Inputs;
use crate::playbook::{
    Part, Playbook, Reply,
    facts::{DAY_MS, Facts},
    template::{self, TemplateError, plain},
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

/// Everything that the templates of a reply see.
pub(crate) fn names(
    facts: &Arc<Facts>,
    slots: Value,
    sources: impl Iterator<Item = (String, Value)>,
    asked: bool,
) -> Value {
    let known = template::names(facts).into_iter().map(|(name, value)| (name.to_owned(), value));
    let rest = [("slots".to_owned(), slots), ("asked".to_owned(), Value::from(asked))];
    Value::from_pairs(known.chain(rest).chain(sources))
}

/// The messages of a reply; one whose first field comes out empty is left away.
pub(crate) fn render<'r>(
    playbook: &Playbook,
    reply: &'r Reply,
    names: &Value,
) -> Result<Vec<(&'r Part, Message)>, TemplateError> {
    let mut messages = Vec::new();
    for part in &reply.parts {
        let field = |template: &str| playbook.templates.render(template, names);
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

/// An item as templates see it. `url` is the signed link by which a tap comes back as an event.
pub(super) fn item(inputs: &Inputs<'_>, slot: &str, item: &Item) -> Value {
    let label = item.topics.iter().find_map(|topic| inputs.playbook.topics.get(&topic.name));
    Value::from_pairs([
        ("id", Value::from(item.id.as_str())),
        ("title", Value::from(plain(&item.title))),
        ("summary", Value::from(plain(&item.summary))),
        ("section", Value::from(item.section.as_str())),
        ("topic", Value::from(label.map(String::as_str).unwrap_or_default())),
        ("place", Value::from(item.places.first().map(String::as_str).unwrap_or_default())),
        ("age", Value::from(age(inputs.at_ms.saturating_sub(item.published_at_ms)))),
        ("picture", Value::from(item.picture_url.as_str())),
        ("url", Value::from(link(inputs, slot, item))),
    ])
}

fn link(inputs: &Inputs<'_>, slot: &str, item: &Item) -> String {
    let token = inputs.links.key.seal(&Link {
        app_id: inputs.event.app_id.clone(),
        openid: inputs.event.openid.clone(),
        item_id: item.id.clone(),
        reply_event_id: inputs.event.id.clone(),
        slot: slot.to_owned(),
        expires_at: (inputs.at_ms / 1_000).saturating_add(inputs.links.lifetime_s),
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
