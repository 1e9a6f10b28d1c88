//! Replies, their slots and their messages.

use std::collections::BTreeSet;

use proto::reply::UnknownPolicy;
use serde_saphyr::Spanned;

use super::{
    super::{
        Part, Reply, Slot,
        parts::Card,
        problem::Within,
        template::{NAMES, TemplateError},
        trigger::Trigger,
        yaml,
    },
    Builder, is_name,
};

/// Messages that one reply can have (design §6).
const MOST_MESSAGES: usize = 5;
/// Items that one slot can have.
const MOST_ITEMS: usize = 20;

impl Builder<'_> {
    pub(super) fn replies(&mut self, file: &yaml::File) -> Vec<Reply> {
        let replies = &file.replies.value;
        if replies.is_empty() {
            self.report.at(file.replies.defined, "a playbook needs at least one reply");
        }
        self.unique(replies.iter().map(|reply| &reply.name), "reply");
        replies.iter().map(|reply| self.reply(file, reply)).collect()
    }

    fn reply(&mut self, file: &yaml::File, written: &yaml::Reply) -> Reply {
        self.filled(&written.name);
        self.unique(written.slots.iter().map(|slot| &slot.name), "slot");
        self.count_messages(written);
        let mut used = BTreeSet::new();
        let messages = written.messages.iter().enumerate();
        let parts = messages
            .map(|(at, message)| self.part(file, &written.name.value, at, message, &mut used))
            .collect();
        Reply {
            name: written.name.value.clone(),
            on: self.triggers(file, written),
            when: written.when.as_ref().and_then(|rule| self.rule(rule)),
            neutral: written.neutral,
            slots: written.slots.iter().map(|slot| self.slot(file, slot)).collect(),
            question: self.question_of(file, written),
            parts,
            unknown: self.unknown_of(written),
            sources: used.into_iter().filter(|name| file.sources.contains_key(name)).collect(),
        }
    }

    fn count_messages(&mut self, written: &yaml::Reply) {
        let count = written.messages.len() + usize::from(written.question.is_some());
        if count == 0 {
            self.report.at(written.name.defined, "this reply says nothing: give it messages or a question");
        }
        if count > MOST_MESSAGES {
            let message = format!(
                "this reply has {count} messages, its question included: at most {MOST_MESSAGES} can be sent"
            );
            self.report.at(written.name.defined, message);
        }
    }

    fn triggers(&mut self, file: &yaml::File, written: &yaml::Reply) -> Vec<Trigger> {
        if written.on.value.is_empty() {
            self.report.at(written.on.defined, "this reply listens to nothing: name a trigger");
        }
        let mut triggers = Vec::new();
        for on in &written.on.value {
            match Trigger::parse(&on.value) {
                Ok(Trigger::Answer(Some(question))) if !file.questions.contains_key(&question) => {
                    let message = format!("there is no question `{question}` in `questions:`");
                    self.report.within(on, Within::START, message);
                }
                Ok(trigger) => triggers.push(trigger),
                Err(message) => self.report.within(on, Within::START, message),
            }
        }
        triggers
    }

    fn question_of(&mut self, file: &yaml::File, written: &yaml::Reply) -> Option<String> {
        let question = written.question.as_ref()?;
        if !file.questions.contains_key(&question.value) {
            let message = format!("there is no question `{}` in `questions:`", question.value);
            self.report.within(question, Within::START, message);
        }
        Some(question.value.clone())
    }

    fn unknown_of(&mut self, written: &yaml::Reply) -> UnknownPolicy {
        let Some(policy) = &written.unknown else { return UnknownPolicy::Unspecified };
        match policy.value.as_str() {
            "at_most_once" => UnknownPolicy::Unspecified,
            "ask" => UnknownPolicy::Ask,
            "at_least_once" => {
                let count = written.messages.len() + usize::from(written.question.is_some());
                if count >= MOST_MESSAGES {
                    let message = format!(
                        "{count} messages use up every right, so none is left to send one again: write one message less, or `ask`"
                    );
                    self.report.within(policy, Within::START, message);
                }
                UnknownPolicy::AtLeastOnce
            }
            other => {
                let message =
                    format!("`{other}` is no policy: write at_most_once (the default), at_least_once or ask");
                self.report.within(policy, Within::START, message);
                UnknownPolicy::Unspecified
            }
        }
    }

    fn slot(&mut self, file: &yaml::File, written: &yaml::Slot) -> Slot {
        if !is_name(&written.name.value) {
            self.report.within(&written.name, Within::START, "a slot's name is made of a-z, 0-9 and _");
        }
        if !(1..=MOST_ITEMS).contains(&written.count.value) {
            self.report.at(written.count.defined, format!("a slot holds 1 to {MOST_ITEMS} items"));
        }
        for topic in written.topics.iter().chain(&written.exclude) {
            if !file.topics.contains_key(&topic.value) {
                let message = format!(
                    "`{}` is not among the topics at the top of the file: add it with its label",
                    topic.value
                );
                self.report.within(topic, Within::START, message);
            }
        }
        let names = |list: &[Spanned<String>]| list.iter().map(|topic| topic.value.clone()).collect();
        Slot {
            name: written.name.value.clone(),
            section: written.section.clone(),
            topics: names(&written.topics),
            exclude: names(&written.exclude),
            place: written.place.as_ref().and_then(|rule| self.rule(rule)),
            near: written.near.as_ref().and_then(|rule| self.rule(rule)),
            count: written.count.value,
            per_topic: written.per_topic.as_ref().map_or(usize::MAX, |most| most.value.max(1)),
            hide_seen_ms: written.hide_seen.as_ref().map_or(0, |time| self.duration_ms(time)),
        }
    }

    fn part(
        &mut self,
        file: &yaml::File,
        reply: &str,
        at: usize,
        written: &Spanned<yaml::Message>,
        used: &mut BTreeSet<String>,
    ) -> Part {
        let mut add = |builder: &mut Self, field: &str, text: &Spanned<String>| {
            let name = format!("{reply}, message {}, {field}", at + 1);
            builder.template(file, &name, text, used);
            name
        };
        let part = match &written.value {
            yaml::Message::Text(text) => Part::Text(add(self, "text", text)),
            yaml::Message::News(card) => Part::News(self.card(card, &mut add)),
            yaml::Message::Link(card) => Part::Link(self.card(card, &mut add)),
            yaml::Message::MsgMenu(menu) => {
                self.unique(menu.options.iter().map(|option| &option.id), "option");
                let options = menu.options.iter().map(|option| {
                    (option.id.value.clone(), add(self, &format!("option {}", option.id.value), &option.text))
                });
                let options = options.collect();
                let tail = menu.tail.as_ref().map(|tail| add(self, "tail", tail));
                Part::MsgMenu { head: add(self, "head", &menu.head), options, tail }
            }
            yaml::Message::MiniProgramPage(page) => Part::MiniProgramPage {
                title: add(self, "title", &page.title),
                appid: page.appid.as_ref().map(|appid| add(self, "appid", appid)),
                page: add(self, "page", &page.page),
                cover: add(self, "cover", &page.cover),
            },
        };
        if let Err(error) = wechat::message::kind_allowed(part.msgtype(), self.kind) {
            self.report.at(written.defined, error.to_string());
        }
        part
    }

    fn card(
        &mut self,
        written: &yaml::Card,
        add: &mut impl FnMut(&mut Self, &str, &Spanned<String>) -> String,
    ) -> Card {
        Card {
            title: add(self, "title", &written.title),
            description: written.description.as_ref().map(|text| add(self, "description", text)),
            url: add(self, "url", &written.url),
            picture: written.picture.as_ref().map(|text| add(self, "picture", text)),
        }
    }

    fn template(
        &mut self,
        file: &yaml::File,
        name: &str,
        written: &Spanned<String>,
        used: &mut BTreeSet<String>,
    ) {
        match self.templates.add(name, &written.value) {
            Ok(names) => {
                for unknown in names.iter().filter(|name| !known(file, name)) {
                    let at = written.value.find(unknown.as_str()).unwrap_or(0);
                    let message = format!(
                        "`{unknown}` is not known here: a template sees {} and the sources",
                        NAMES.join(", ")
                    );
                    self.report.within(written, Within::at(&written.value, at), message);
                }
                used.extend(names);
                self.written.insert(name.to_owned(), written.clone());
            }
            Err(TemplateError { within, message, .. }) => self.report.within(written, within, message),
        }
    }

    fn unique<'n>(&mut self, names: impl Iterator<Item = &'n Spanned<String>>, what: &str) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name.value.as_str()) {
                self.report.within(
                    name,
                    Within::START,
                    format!("there are two of the {what} `{}`: rename one", name.value),
                );
            }
        }
    }
}

fn known(file: &yaml::File, name: &str) -> bool {
    NAMES.contains(&name) || file.sources.contains_key(name)
}
