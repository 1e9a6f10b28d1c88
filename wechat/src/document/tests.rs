//! What a document keeps, what it bends for, and what it does not read.

use proptest::prelude::*;

use super::*;

fn leaves(text: &str) -> Vec<(String, String)> {
    let document = Document::parse(text.as_bytes()).unwrap();
    document.leaves().iter().map(|leaf| (leaf.name.to_string(), leaf.value.to_string())).collect()
}

fn value(text: &str) -> String {
    leaves(text).pop().unwrap().1
}

fn refused(text: &str) -> Unreadable {
    Document::parse(text.as_bytes()).unwrap_err()
}

#[test]
fn texts_are_borrowed_and_trimmed() {
    let text = "<xml>\n <A>\n <![CDATA[ b ]]>\n </A></xml>";
    let document = Document::parse(text.as_bytes()).unwrap();
    assert!(matches!(document.leaves(), [Leaf { name: Cow::Borrowed("A"), value: Cow::Borrowed("b") }]));
    assert_eq!(document.get("A"), Some("b"));
    assert_eq!(document.get("a"), None);
}

#[test]
fn control_characters_stay_in_however_they_are_written() {
    assert_eq!(value("<xml><A><![CDATA[x\u{8}y\0z]]></A></xml>"), "x\u{8}y\0z");
    assert_eq!(value("<xml><A>x&#8;y&#x8;z</A></xml>"), "x\u{8}y\u{8}z");
    assert_eq!(value("{\"A\":\"x\\by\u{8}z\\u0008\"}"), "x\u{8}y\u{8}z\u{8}");
}

#[test]
fn references_are_resolved_and_unknown_ones_kept() {
    assert_eq!(value("<xml><A>&lt;&amp;&gt;&quot;&apos;&#20013;&#x6587;</A></xml>"), "<&>\"'中文");
    let odd = "&nbsp;&#0;&#xD800;&#99999999;&#x;&#+8;";
    assert_eq!(value(&format!("<xml><A>{odd}</A></xml>")), "&nbsp;&#0;&#xD800;&#99999999;&#x;&#+8;");
    assert_eq!(value("<xml><A>Q & A &</A></xml>"), "Q & A &");
}

#[test]
fn empty_and_mixed_elements_are_leaves() {
    let expected = [("A", ""), ("B", ""), ("C", "before"), ("C.D", "1"), ("C", "after")];
    let found = leaves("<xml><A/><B></B><C>before<D>1</D>after</C></xml>");
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn json_numbers_words_and_nesting_become_text() {
    let json = r#"{"MsgId":23637352235060880,"Odd":1e400,"N":null,"T":true,
        "List":[{"Id":1},{"Id":"2"}],"E":{},"F":[[]],"S":"\u4e2d\ud83d\ude00\ud83d\q\/"}"#;
    let expected = [
        ("MsgId", "23637352235060880"),
        ("Odd", "1e400"),
        ("N", ""),
        ("T", "true"),
        ("List.Id", "1"),
        ("List.Id", "2"),
        ("E", ""),
        ("F", ""),
        ("S", "中😀\u{fffd}\\q/"),
    ];
    assert_eq!(leaves(json), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_doctype_is_not_read_but_may_be_written_about() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><xml><A>&b;</A></xml>";
    assert_eq!(refused(bomb), Unreadable::Doctype);
    assert_eq!(refused(&format!("<?xml version=\"1.0\"?>{bomb}")), Unreadable::Doctype);
    assert!(Document::parse(b"<xml><!ENTITY a \"b\"></xml>").is_err());
    assert_eq!(value("<xml><A><![CDATA[<!DOCTYPE html>]]></A></xml>"), "<!DOCTYPE html>");
}

#[test]
fn nesting_and_size_are_bounded() {
    let nested = |depth: usize| format!("<xml>{}{}</xml>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(leaves(&nested(MAX_DEPTH)).len(), 1);
    assert_eq!(refused(&nested(MAX_DEPTH + 1)), Unreadable::Depth);
    assert_eq!(refused(&"<xml>".repeat(100_000)), Unreadable::Depth);
    assert_eq!(refused(&format!("<xml>{}</xml>", "<a/>".repeat(200_000))), Unreadable::Size);
    assert_eq!(refused(&format!("<xml>{}</xml>", "<a/>".repeat(2_000_000))), Unreadable::Size);
    let pieces = |count| format!("<xml><a>{}</a></xml>", "&".repeat(count));
    assert_eq!(leaves(&pieces(MAX_PIECES)).len(), 1);
    assert_eq!(refused(&pieces(MAX_PIECES + 1)), Unreadable::Size);
    assert_eq!(refused(&format!("{{\"a\":{}", "[".repeat(100_000))), Unreadable::Depth);
    assert_eq!(refused(&format!("{{\"a\":[{}0]}}", "0,".repeat(100_000))), Unreadable::Size);
}

#[test]
fn what_has_no_one_reading_is_not_read() {
    assert_eq!(Document::parse(b"<xml><A>\xff</A></xml>"), Err(Unreadable::Utf8));
    assert_eq!(refused(""), Unreadable::Form);
    assert_eq!(refused("hello"), Unreadable::Form);
    assert_eq!(refused("<root><A>1</A></root>"), Unreadable::Root);
    let cut = [
        "<xml><A>1</A>",
        "<xml><A>1</B></xml>",
        "<xml><A><![CDATA[1</A></xml>",
        "<xml",
        "</xml>",
        "<!--",
        "<xml><></></xml>",
    ];
    let junk = ["<xml></xml>junk", "<xml></xml><xml></xml>", "<?xml version='1.0'?>", "<xml></xml></xml>"];
    let json = [
        "{",
        "{\"a\"",
        "{\"a\":}",
        "{\"a\":1",
        "{\"a\":1}x",
        "{\"a\":1,}",
        "{\"a\":\"",
        "{a:1}",
        "{\"a\":x}",
    ];
    for text in cut.iter().chain(&junk).chain(&json) {
        assert!(matches!(refused(text), Unreadable::Syntax(_)), "{text}");
    }
}

#[test]
fn declarations_comments_and_a_byte_order_mark_are_passed_over() {
    let text =
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hi --><xml a=\"b\"><A x='<'>1</A></xml>\n";
    assert_eq!(leaves(text), [("A".to_owned(), "1".to_owned())]);
    assert_eq!(value("\u{feff} {\"A\": 1 } "), "1");
}

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9_]{0,10}"
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), any::<String>()), 0..12)
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/!&;#{}\\[\\]\",:a-c \\\\u-]*") {
        let _either = Document::parse(&bytes);
        for frame in [text.clone(), format!("<xml>{text}</xml>"), format!("{{\"a\":{text}}}")] {
            let _either = Document::parse(frame.as_bytes());
        }
    }

    #[test]
    fn xml_gives_back_what_was_put_in(fields in fields(), cdata in any::<bool>()) {
        let written: String = fields
            .iter()
            .map(|(name, value)| {
                let value = if cdata {
                    format!("<![CDATA[{}]]>", value.replace("]]>", "]]]]><![CDATA[>"))
                } else {
                    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
                };
                format!("<{name}>{value}</{name}>\n")
            })
            .collect();
        let expected: Vec<_> = fields.iter().map(|(n, v)| (n.clone(), v.trim_ascii().to_owned())).collect();
        prop_assert_eq!(leaves(&format!("<xml>{written}</xml>")), expected);
    }

    #[test]
    fn json_gives_back_what_was_put_in(fields in fields()) {
        let written: Vec<String> =
            fields.iter().map(|(n, v)| format!("{}: {}", serde_json::json!(n), serde_json::json!(v))).collect();
        let expected: Vec<_> = fields.iter().map(|(n, v)| (n.clone(), v.trim_ascii().to_owned())).collect();
        prop_assert_eq!(leaves(&format!("{{{}}}", written.join(","))), expected);
    }
}
