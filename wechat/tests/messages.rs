//! Messages as they leave, and what is refused before it does.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use wechat::AccountKind::{self, MiniProgram, Official};
use wechat::message::{Message, MessageError, TEXT_BYTES, printable};

fn text(content: &str) -> Message {
    Message::Text { content: content.into() }
}

fn news(title: &str, url: &str, picurl: &str) -> Message {
    Message::News { title: title.into(), description: "二".into(), url: url.into(), picurl: picurl.into() }
}

fn menu(options: &[(&str, &str)]) -> Message {
    let options = options.iter().map(|(id, content)| ((*id).into(), (*content).into())).collect();
    Message::MsgMenu { head: "您要哪个座位？".into(), options, tail: String::new() }
}

fn page(appid: &str) -> Message {
    Message::MiniProgramPage {
        title: "订单".into(),
        appid: appid.into(),
        pagepath: "pages/i?x=1".into(),
        thumb_media_id: "T".into(),
    }
}

fn link() -> Message {
    Message::Link {
        title: "台湾".into(),
        description: String::new(),
        url: "https://example.com/a?b=1&c=<2>".into(),
        thumb_url: "https://example.com/p.jpg".into(),
    }
}

#[test]
fn messages_are_raw_utf8_in_the_documented_shape() {
    let rich = text("李大爷，<a href=\"https://example.com/?a=1&b=2\">台湾</a>\n😀");
    let full = news("t", "https://example.com/", "https://example.com/p.jpg");
    let messages = [
        rich,
        full,
        news("t", "https://example.com/", ""),
        menu(&[("101", "靠窗"), ("102", "过道")]),
        link(),
        page("wx1"),
        page(""),
    ];
    let written: Vec<String> = messages.iter().map(|message| message.to_json("oUser")).collect();
    insta::assert_snapshot!(written.join("\n"));
}

#[test]
fn each_kind_of_account_takes_what_it_can_show() {
    let all = [text("t"), news("t", "https://e.cn", ""), menu(&[("1", "a")]), link(), page("wx1")];
    let shown = |kind: AccountKind| -> Vec<_> {
        all.iter().filter(|m| m.kind_allowed(kind).is_ok()).map(Message::msgtype).collect()
    };
    assert_eq!(shown(Official), ["text", "news", "msgmenu", "miniprogrampage"]);
    assert_eq!(shown(MiniProgram), ["text", "link", "miniprogrampage"]);
    let error = link().check(Official).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an account of kind `official` can not show `link`: it shows text, news, msgmenu, miniprogrampage"
    );
    assert!(
        all.iter().all(|message| message.check(Official).is_ok() == message.kind_allowed(Official).is_ok())
    );
}

#[test]
fn what_the_platform_would_refuse_is_refused_here() {
    use MessageError::{Address, Control, Empty, SameOption, TooLong};
    let refused = |message: Message| message.check(Official).unwrap_err();
    assert_eq!(refused(text(" \n")), Empty("content"));
    assert_eq!(refused(text(&"中".repeat(683))), TooLong(2049));
    assert_eq!(text(&"a".repeat(TEXT_BYTES)).check(Official), Ok(()));
    assert_eq!(refused(text("a\u{8}b")), Control("content"));
    assert_eq!(refused(news("", "https://e.cn", "")), Empty("title"));
    assert_eq!(refused(news("t", "javascript:1", "")), Address("url"));
    assert_eq!(refused(news("t", "http://e.cn", "p.jpg")), Address("picurl"));
    assert_eq!(refused(menu(&[])), Empty("options"));
    assert_eq!(refused(menu(&[("1", "")])), Empty("option"));
    assert_eq!(refused(menu(&[("1", "a"), ("1", "b")])), SameOption("1".into()));
    assert_eq!(refused(page("")), Empty("appid"));
    assert_eq!(page("").check(MiniProgram), Ok(()));
}

#[test]
fn printable_drops_control_characters_and_keeps_lines() {
    assert_eq!(printable("a\u{8}\u{7f}b\n\t中"), "ab\n\t中");
    assert!(matches!(printable("中文"), std::borrow::Cow::Borrowed(_)));
}
