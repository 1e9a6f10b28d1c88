//! What the platform checks in the body of `custom/send` (`facts.md` §4.2).

use serde_json::Value;
use wechat::account::AccountKind::{self, MiniProgram, Official};
use wechat::message::TEXT_BYTES;

use crate::platform::answer::Refusal;

/// A body that names its receiver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    /// `touser`.
    pub openid: String,
    /// The whole body.
    pub message: Value,
}

impl Body {
    /// Reads the body as far as it can be recorded.
    ///
    /// # Errors
    /// 44002 for an empty body, 47001 for one that is no JSON object.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.trim_ascii().is_empty() {
            return Err(Refusal::of(44002));
        }
        let message: Value = serde_json::from_slice(bytes).map_err(|_| Refusal::of(47001))?;
        if !message.is_object() {
            return Err(Refusal::of(47001));
        }
        Ok(Self { openid: text(&message, "/touser").to_owned(), message })
    }

    /// Checks type and content for an account of this kind.
    ///
    /// # Errors
    /// 40008 for an unknown type, 48008 for one that the account can not show, and the code of the content.
    pub(crate) fn check(&self, kind: AccountKind) -> Result<(), Refusal> {
        let msgtype = text(&self.message, "/msgtype");
        let row = TYPES.iter().find(|row| row.msgtype == msgtype).ok_or(Refusal::of(40008))?;
        if !row.kinds.contains(&kind) {
            return Err(Refusal::of(48008));
        }
        if !self.message[msgtype].is_object() {
            return Err(Refusal::of(40035));
        }
        (row.check)(&self.message[msgtype], kind)
    }
}

struct Type {
    msgtype: &'static str,
    kinds: &'static [AccountKind],
    check: fn(&Value, AccountKind) -> Result<(), Refusal>,
}

const OFFICIAL: &[AccountKind] = &[Official];
const BOTH: &[AccountKind] = &[Official, MiniProgram];

/// Who may send what: a mini-program text, image, link and card, an Official Account all but link.
const TYPES: &[Type] = &[
    Type { msgtype: "text", kinds: BOTH, check: check_text },
    Type { msgtype: "image", kinds: BOTH, check: check_media },
    Type { msgtype: "voice", kinds: OFFICIAL, check: check_media },
    Type { msgtype: "video", kinds: OFFICIAL, check: check_media },
    Type { msgtype: "music", kinds: OFFICIAL, check: |music, _| filled(music, &["thumb_media_id"], 40007) },
    Type { msgtype: "news", kinds: OFFICIAL, check: check_news },
    Type { msgtype: "mpnews", kinds: OFFICIAL, check: check_media },
    Type {
        msgtype: "mpnewsarticle",
        kinds: OFFICIAL,
        check: |article, _| filled(article, &["article_id"], 40007),
    },
    Type { msgtype: "msgmenu", kinds: OFFICIAL, check: check_menu },
    Type { msgtype: "wxcard", kinds: OFFICIAL, check: |card, _| filled(card, &["card_id"], 40035) },
    Type { msgtype: "miniprogrampage", kinds: BOTH, check: check_page },
    Type { msgtype: "link", kinds: &[MiniProgram], check: |link, _| filled(link, &["title", "url"], 40035) },
];

fn check_text(content: &Value, _: AccountKind) -> Result<(), Refusal> {
    filled(content, &["content"], 44004)?;
    if text(content, "/content").len() > TEXT_BYTES {
        return Err(Refusal::of(45002));
    }
    Ok(())
}

fn check_media(media: &Value, _: AccountKind) -> Result<(), Refusal> {
    filled(media, &["media_id"], 40007)
}

fn check_news(news: &Value, _: AccountKind) -> Result<(), Refusal> {
    match news["articles"].as_array().map(Vec::as_slice) {
        None | Some([]) => Err(Refusal::of(44003)),
        Some([article]) => filled(article, &["title"], 40035),
        Some(_) => Err(Refusal::of(45008)),
    }
}

/// The codes have no numbers in the docs: only what is plainly wrong is refused.
fn check_menu(menu: &Value, _: AccountKind) -> Result<(), Refusal> {
    let list = menu["list"].as_array().filter(|list| !list.is_empty()).ok_or(Refusal::of(45098))?;
    list.iter().try_for_each(|item| filled(item, &["id", "content"], 45099))
}

fn check_page(page: &Value, kind: AccountKind) -> Result<(), Refusal> {
    filled(page, &["title", "pagepath", "thumb_media_id"], 40035)?;
    if kind == Official { filled(page, &["appid"], 40035) } else { Ok(()) }
}

fn filled(object: &Value, names: &[&str], errcode: i32) -> Result<(), Refusal> {
    let missing = |name: &str| match &object[name] {
        Value::String(text) => text.is_empty(),
        Value::Number(_) => false,
        _ => true,
    };
    if names.iter().any(|name| missing(name)) { Err(Refusal::of(errcode)) } else { Ok(()) }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(kind: AccountKind, body: &Value) -> i32 {
        let checked = Body::read(body.to_string().as_bytes()).and_then(|body| body.check(kind));
        checked.map_or_else(|refusal| refusal.errcode, |()| 0)
    }

    #[test]
    fn every_type_is_shown_where_the_platform_shows_it() {
        let page = json!({ "title": "t", "appid": "wx", "pagepath": "p", "thumb_media_id": "m" });
        for (msgtype, content, official, mini) in [
            ("text", json!({ "content": "你好" }), 0, 0),
            ("image", json!({ "media_id": "m" }), 0, 0),
            ("voice", json!({ "media_id": "m" }), 0, 48008),
            ("video", json!({ "media_id": "m", "thumb_media_id": "t" }), 0, 48008),
            ("music", json!({ "thumb_media_id": "t" }), 0, 48008),
            ("news", json!({ "articles": [{ "title": "t" }] }), 0, 48008),
            ("mpnews", json!({ "media_id": "m" }), 0, 48008),
            ("mpnewsarticle", json!({ "article_id": "a" }), 0, 48008),
            ("msgmenu", json!({ "list": [{ "id": "1", "content": "是" }] }), 0, 48008),
            ("wxcard", json!({ "card_id": "c" }), 0, 48008),
            ("miniprogrampage", page, 0, 0),
            ("link", json!({ "title": "t", "url": "u" }), 48008, 0),
            ("hologram", json!({}), 40008, 40008),
        ] {
            let body = json!({ "touser": "o1", "msgtype": msgtype, msgtype: content });
            assert_eq!((code(Official, &body), code(MiniProgram, &body)), (official, mini), "{msgtype}");
        }
    }

    #[test]
    fn bad_content_has_its_own_code() {
        let text =
            |content: &str| json!({ "touser": "o1", "msgtype": "text", "text": { "content": content } });
        assert_eq!(code(Official, &text("")), 44004);
        assert_eq!(code(Official, &text(&"字".repeat(682))), 0);
        assert_eq!(code(Official, &text(&"字".repeat(683))), 45002);
        assert_eq!(code(Official, &json!({ "msgtype": "text" })), 40035);
        let news = |articles: Value| json!({ "msgtype": "news", "news": { "articles": articles } });
        assert_eq!(code(Official, &news(json!([]))), 44003);
        assert_eq!(code(Official, &news(json!([{ "title": "a" }, { "title": "b" }]))), 45008);
        let menu = |list: Value| json!({ "msgtype": "msgmenu", "msgmenu": { "list": list } });
        assert_eq!(code(Official, &menu(json!([]))), 45098);
        assert_eq!(code(Official, &menu(json!([{ "id": "1", "content": "" }]))), 45099);
        assert_eq!(code(Official, &menu(json!([{ "id": 1, "content": "是" }]))), 0);
        assert_eq!(code(Official, &json!({ "msgtype": "image", "image": { "media_id": "" } })), 40007);
    }

    #[test]
    fn a_body_that_is_none_has_its_own_code() {
        assert_eq!(Body::read(b" \n").unwrap_err().errcode, 44002);
        assert_eq!(Body::read(b"{\"touser\":").unwrap_err().errcode, 47001);
        assert_eq!(Body::read(b"[]").unwrap_err().errcode, 47001);
    }
}
