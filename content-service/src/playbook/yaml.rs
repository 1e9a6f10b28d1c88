//! The playbook as it is written in YAML.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::shape::{Shape, Shaped, shaped};

type Text = Spanned<String>;

shaped! {
    pub(super) struct File {
        pub account: Text,
        pub timezone: Option<Text>,
        #[serde(default)]
        pub topics: BTreeMap<String, String>,
        #[serde(default)]
        pub labels: BTreeMap<String, String>,
        #[serde(default)]
        pub freshness: BTreeMap<String, Text>,
        #[serde(default)]
        pub weights: Weights,
        #[serde(default)]
        pub sources: BTreeMap<String, Source>,
        #[serde(default)]
        pub questions: BTreeMap<String, Question>,
        pub replies: Spanned<Vec<Reply>>,
    }
}

shaped! {
    #[derive(Default)]
    pub(super) struct Weights {
        pub affinity: Option<Spanned<f64>>,
        pub freshness: Option<Spanned<f64>>,
        pub preference: Option<Spanned<f64>>,
        pub context: Option<Spanned<f64>>,
        pub seen: Option<Spanned<f64>>,
    }
}

shaped! {
    pub(super) struct Source {
        pub base: Text,
        pub path: Text,
        pub argument: Text,
        pub deadline: Text,
        pub cache: Text,
        pub fallback: Option<serde_json::Value>,
    }
}

shaped! {
    pub(super) struct Question {
        #[serde(rename = "trait")]
        pub trait_name: Text,
        pub text: Text,
        pub tail: Option<Text>,
        pub unless: Option<Text>,
        pub options: Spanned<Vec<AnswerOption>>,
    }
}

shaped! {
    pub(super) struct AnswerOption {
        pub id: Text,
        pub text: Text,
        pub value: Text,
    }
}

shaped! {
    pub(super) struct Reply {
        pub name: Text,
        pub on: Spanned<Vec<Text>>,
        pub when: Option<Text>,
        pub neutral: Option<bool>,
        #[serde(default)]
        pub slots: Vec<Slot>,
        pub question: Option<Text>,
        #[serde(default)]
        pub messages: Vec<Spanned<Message>>,
        pub unknown: Option<Text>,
    }
}

shaped! {
    pub(super) struct Slot {
        pub name: Text,
        pub section: Option<String>,
        #[serde(default)]
        pub topics: Vec<Text>,
        #[serde(default)]
        pub exclude: Vec<Text>,
        pub place: Option<Text>,
        pub near: Option<Text>,
        pub count: Spanned<usize>,
        pub per_topic: Option<Spanned<usize>>,
        pub hide_seen: Option<Text>,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Message {
    Text(Text),
    News(Card),
    Link(Card),
    MsgMenu(Menu),
    MiniProgramPage(Page),
}

shaped! {
    pub(super) struct Card {
        pub title: Text,
        pub description: Option<Text>,
        pub url: Text,
        pub picture: Option<Text>,
    }
}

shaped! {
    pub(super) struct Menu {
        pub head: Text,
        pub options: Vec<MenuOption>,
        pub tail: Option<Text>,
    }
}

shaped! {
    pub(super) struct MenuOption {
        pub id: Text,
        pub text: Text,
    }
}

shaped! {
    pub(super) struct Page {
        pub title: Text,
        pub appid: Option<Text>,
        pub page: Text,
        pub cover: Text,
    }
}

impl Shaped for Message {
    const SHAPE: Shape = Shape::OneOf(&[
        ("text", Text::SHAPE),
        ("news", Card::SHAPE),
        ("link", Card::SHAPE),
        ("msgmenu", Menu::SHAPE),
        ("miniprogrampage", Page::SHAPE),
    ]);
}
