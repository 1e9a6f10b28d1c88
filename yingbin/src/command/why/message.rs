//! A message of `custom/send` as its reader sees it: text without its markup, options and cards by their words.

use serde_json::Value;

/// The words of a message; the JSON itself where its kind is not one of ours.
pub(super) fn readable(message: &str) -> String {
    let value: Value = serde_json::from_str(message).unwrap_or_default();
    let kind = value["msgtype"].as_str().unwrap_or_default();
    let body = &value[kind];
    let words = match kind {
        "text" => without_links(text(&body["content"])),
        "msgmenu" => menu(body),
        "news" => card(&body["articles"][0]),
        "link" | "miniprogrampage" => card(body),
        _ => String::new(),
    };
    if words.is_empty() { message.to_owned() } else { words }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn menu(menu: &Value) -> String {
    let options = menu["list"].as_array().into_iter().flatten();
    let options = options.map(|option| format!("[{}]", text(&option["content"])));
    let lines = [text(&menu["head_content"]).to_owned()].into_iter().chain(options);
    let lines = lines.chain([text(&menu["tail_content"]).to_owned()]);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn card(card: &Value) -> String {
    let lines = [text(&card["title"]), text(&card["description"])];
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// `<a href="…">words</a>` as `words`; any other `<` stays.
fn without_links(content: &str) -> String {
    let mut pieces = content.split("<a ");
    let mut words = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once('>') {
            Some((_, rest)) => words.push_str(&rest.replacen("</a>", "", 1)),
            None => {
                words.push_str("<a ");
                words.push_str(piece);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn each_kind_is_told_by_its_words() {
        let cases = [
            (
                json!({ "msgtype": "text", "text": { "content": "早上好\n<a href=\"http://h/c/x\">台湾</a>，1 < 2" } }),
                "早上好\n台湾，1 < 2",
            ),
            (
                json!({ "msgtype": "msgmenu", "msgmenu": {
                    "head_content": "坐哪儿？",
                    "list": [{ "id": "1", "content": "靠窗" }, { "id": "2", "content": "靠过道" }],
                    "tail_content": ""
                } }),
                "坐哪儿？\n[靠窗]\n[靠过道]",
            ),
            (
                json!({ "msgtype": "news", "news": { "articles": [{ "title": "题", "description": "述" }] } }),
                "题\n述",
            ),
            (json!({ "msgtype": "miniprogrampage", "miniprogrampage": { "title": "题" } }), "题"),
        ];
        for (message, words) in cases {
            assert_eq!(readable(&message.to_string()), words);
        }
        let unknown = json!({ "msgtype": "voice", "voice": { "media_id": "m" } }).to_string();
        assert_eq!(readable(&unknown), unknown);
        assert_eq!(readable("no JSON"), "no JSON");
    }

    proptest! {
        #[test]
        fn text_without_links_stays(content in "\\PC*") {
            prop_assume!(!content.contains("<a "));
            prop_assert_eq!(without_links(&content), content);
        }
    }
}
