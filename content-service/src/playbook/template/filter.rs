//! The filters of templates, and what becomes of everything that a template writes out.

use std::borrow::Cow;

use minijinja::{Error, ErrorKind, Output, State, Value};

use super::super::facts::clip;

/// Everything that a template writes out passes here: only what [`link`] made keeps its markup.
pub(super) fn write_value(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match (value.as_str(), value.is_safe()) {
        (Some(text), true) => out.write_str(text),
        (Some(text), false) => out.write_str(&plain(text)),
        _ if value.is_none() || value.is_undefined() => Ok(()),
        _ => out.write_str(&plain(&value.to_string())),
    };
    written.map_err(Error::from)
}

/// A user's or an editor's words on one line and without anything that WeChat takes for markup (`facts.md` §4.2: it
/// does not know HTML's escapes, so the brackets are exchanged for their full-width forms).
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let kept = |c| match c {
        '\n' | '\r' | '\t' => Some(' '),
        '<' => Some('＜'),
        '>' => Some('＞'),
        c if c.is_control() || invisible(c) => None,
        c => Some(c),
    };
    if text.chars().all(|c| kept(c) == Some(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter_map(kept).collect())
}

/// Marks that turn or hide the text around them.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

pub(super) fn link(item: Value, text: Option<String>) -> Result<Value, Error> {
    let (url, title) = (item.get_attr("url")?, item.get_attr("title")?);
    let (Some(url), Some(title)) = (url.as_str(), title.as_str()) else {
        return Err(Error::new(ErrorKind::InvalidOperation, "link takes an item of a slot"));
    };
    let (url, title) = (plain(url).replace('"', "%22"), plain(text.as_deref().unwrap_or(title)));
    Ok(Value::from_safe_string(format!("<a href=\"{url}\">{title}</a>")))
}

/// The text in at most so many bytes, with an ellipsis where something was cut off.
pub(super) fn shorten(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        text.to_owned()
    } else {
        format!("{}…", clip(text, bytes.saturating_sub(3)).trim_end())
    }
}

/// `小雪，-3～2℃，北风4级` of whatever the weather source gave.
pub(super) fn weather(value: &Value) -> String {
    let field = |name| value.get_attr(name).ok().filter(|held| !held.is_undefined() && !held.is_none());
    let degrees = match (field("low"), field("high")) {
        (Some(low), Some(high)) => Some(format!("{low}～{high}℃")),
        (Some(only), None) | (None, Some(only)) => Some(format!("{only}℃")),
        (None, None) => None,
    };
    let text = |name| field(name).map(|held| held.to_string()).filter(|text| !text.is_empty());
    let parts: Vec<String> = [text("text"), degrees, text("wind")].into_iter().flatten().collect();
    parts.join("，")
}
