//! The links in a message, as a reader sees them.

/// A link in a text message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextLink {
    /// Where it leads.
    pub url: String,
    /// What stands on it.
    pub title: String,
}

/// The `<a href="…">…</a>` of a text, in order.
#[must_use]
pub fn links_of(text: &str) -> Vec<TextLink> {
    let link = |piece: &str| {
        let (url, rest) = piece.split_once('"')?;
        let (_, rest) = rest.split_once('>')?;
        let (title, _) = rest.split_once("</a>")?;
        Some(TextLink { url: url.to_owned(), title: title.to_owned() })
    };
    text.split("<a href=\"").skip(1).filter_map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_order() {
        let text = "早上好\n<a href=\"http://g/c/1\">台湾</a> 和 <a href=\"http://g/c/2\" data-x=\"y\">奎屯</a>，<a href=\"cut";
        let found: Vec<_> = links_of(text).into_iter().map(|link| (link.url, link.title)).collect();
        let expected = [("http://g/c/1", "台湾"), ("http://g/c/2", "奎屯")];
        assert_eq!(found, expected.map(|(url, title)| (url.to_owned(), title.to_owned())));
    }
}
