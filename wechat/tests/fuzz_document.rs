//! Fuzz target: no inner document makes the reader panic, grow or read things twice in two ways.
//!
//! `cargo test` replays the corpus and then tries inputs for a moment; `BOLERO_RANDOM_TEST_TIME_MS` makes it longer.

use std::time::Duration;

use wechat::document::{Document, MAX_NODES};
use wechat::push::Push;

/// Pieces of documents: random bytes choose among them, because random bytes alone never get past the root.
const PIECES: &[&str] = &[
    "<xml>",
    "</xml>",
    "<A>",
    "</A>",
    "<B x='1'>",
    "</B>",
    "<C/>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?",
    "?>",
    "&",
    "&#8;",
    "&lt;",
    "&#x",
    ";",
    " ",
    "\n",
    "<!DOCTYPE",
    "<",
    ">",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"a\"",
    "1",
    "-1.5e9",
    "null",
    "\\u",
    "d83d",
    "\\",
    "\u{8}",
    "中",
    "<MsgType>event</MsgType>",
    "<Event>",
    "</Event>",
    "LOCATION",
    "<Latitude>",
    "</Latitude>",
    "\"MsgType\":\"text\"",
    "qrscene_",
    "]]",
    "\u{feff}",
    "'",
];

fn assembled(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect()
}

fn read(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else { return };
    assert!(document.leaves().len() <= 2 * MAX_NODES + 1);
    for leaf in document.leaves() {
        assert!(!leaf.name.is_empty() || bytes.contains(&b'"'));
        assert_eq!(leaf.value, leaf.value.trim_ascii());
        assert!(document.get(&leaf.name).is_some());
    }
    let push = Push::read(&document);
    assert!(push.identity().len() <= document.leaves().len().max(4));
    assert_eq!(Document::parse(bytes).as_ref(), Ok(&document));
}

#[test]
fn fuzz_document() {
    bolero::check!().with_test_time(Duration::from_millis(300)).for_each(|bytes: &[u8]| {
        read(bytes);
        let text = assembled(bytes);
        read(text.as_bytes());
        read(format!("<xml>{text}</xml>").as_bytes());
        read(format!("{{\"a\":{text}}}").as_bytes());
    });
}
