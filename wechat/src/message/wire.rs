//! The JSON of `custom/send`, in the order in which the documentation writes it (`facts.md` §4.2).

use serde::Serialize;

use super::Message;

#[derive(Serialize)]
struct Body<'a> {
    touser: &'a str,
    msgtype: &'static str,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Text { content: &'a str },
    News { articles: [Article<'a>; 1] },
    MsgMenu(Menu<'a>),
    Link { title: &'a str, description: &'a str, url: &'a str, thumb_url: &'a str },
    MiniProgramPage(Page<'a>),
}

#[derive(Serialize)]
struct Article<'a> {
    title: &'a str,
    description: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    picurl: &'a str,
}

#[derive(Serialize)]
struct Menu<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    head_content: &'a str,
    list: Vec<MenuOption<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tail_content: &'a str,
}

#[derive(Serialize)]
struct MenuOption<'a> {
    id: &'a str,
    content: &'a str,
}

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    appid: &'a str,
    pagepath: &'a str,
    thumb_media_id: &'a str,
}

pub(super) fn to_json(message: &Message, touser: &str) -> String {
    let body = Body { touser, msgtype: message.msgtype(), content: content(message) };
    serde_json::to_string(&body).expect("texts under fixed names are always JSON")
}

fn content(message: &Message) -> Content<'_> {
    match message {
        Message::Text { content } => Content::Text { content },
        Message::News { title, description, url, picurl } => {
            Content::News { articles: [Article { title, description, url, picurl }] }
        }
        Message::Link { title, description, url, thumb_url } => {
            Content::Link { title, description, url, thumb_url }
        }
        Message::MsgMenu { head, options, tail } => {
            let list = options.iter().map(|(id, content)| MenuOption { id, content }).collect();
            Content::MsgMenu(Menu { head_content: head, list, tail_content: tail })
        }
        Message::MiniProgramPage { title, appid, pagepath, thumb_media_id } => {
            Content::MiniProgramPage(Page { title, appid, pagepath, thumb_media_id })
        }
    }
}
