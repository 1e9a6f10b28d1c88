//! The inner document of a push, XML or JSON, as an ordered list of leaves.
//!
//! Nothing is interpreted here: numbers stay text, unknown entities stay as they were written, control
//! characters stay in. Only what has no one reading (a DOCTYPE, deep nesting, no UTF-8, another root) is
//! [`Unreadable`].

mod json;
mod xml;

use std::borrow::Cow;

/// Deepest nesting that is read, the root not counted; the platform's own documents need four.
pub const MAX_DEPTH: usize = 8;
/// Most elements, members and items that are read; the platform's own documents have fewer than a hundred.
pub const MAX_NODES: usize = 2_000;
/// Most pieces of text, each reference (`&lt;`, or a bare `&`) being one; the longest text that a user can write, every character of it
/// escaped, has half as many.
pub const MAX_PIECES: usize = 10_000;
/// Longest document that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a document is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Neither an XML element nor a JSON object.
    #[error("it begins neither like XML nor like a JSON object")]
    Form,
    /// Bytes that are no UTF-8.
    #[error("it is not UTF-8")]
    Utf8,
    /// A document type or entity declaration.
    #[error("it holds a DOCTYPE or an entity declaration")]
    Doctype,
    /// Another root than `xml`.
    #[error("its root element is not `xml`")]
    Root,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("it is nested deeper than {MAX_DEPTH}")]
    Depth,
    /// More than [`MAX_NODES`] or [`MAX_PIECES`], or more bytes than [`MAX_BYTES`] in it or in the names of its leaves.
    #[error("it holds more than {MAX_NODES} elements, {MAX_PIECES} pieces of text or {MAX_BYTES} bytes")]
    Size,
    /// Not well-formed, cut off, or followed by something else.
    #[error("it is not well-formed at byte {0}")]
    Syntax(usize),
}

/// One value of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// Names from below the root down, joined by dots: `SendPicsInfo.Count`. Repeated elements repeat it.
    pub name: Cow<'a, str>,
    /// The text, without surrounding white space.
    pub value: Cow<'a, str>,
}

/// A read document, borrowing from the bytes it was read from wherever it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<'a> {
    leaves: Vec<Leaf<'a>>,
}

impl<'a> Document<'a> {
    /// Reads XML with the root `xml`, or one JSON object, in one bounded pass.
    ///
    /// # Errors
    /// [`Unreadable`] tells why the document has no one reading.
    pub fn parse(inner: &'a [u8]) -> Result<Self, Unreadable> {
        let mut leaves = Vec::with_capacity(12);
        let mut name_bytes = 0;
        walk(inner, |path, value| {
            name_bytes += path.iter().map(|name| name.len()).sum::<usize>();
            // Names are joined per leaf: a long one around many leaves must not swell.
            if name_bytes <= MAX_BYTES {
                leaves.push(Leaf { name: dotted(path), value: trimmed(value) });
            }
        })?;
        if name_bytes > MAX_BYTES { Err(Unreadable::Size) } else { Ok(Self { leaves }) }
    }

    /// All values in the order of the document.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf<'a>] {
        &self.leaves
    }

    /// The first value of that name; names are compared exactly.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.leaves.iter().find(|leaf| leaf.name == name).map(|leaf| &*leaf.value)
    }
}

/// Calls `visit` for each leaf with its path and raw text.
pub(crate) fn walk<'a>(
    bytes: &'a [u8],
    visit: impl FnMut(&[Cow<'a, str>], Cow<'a, str>),
) -> Result<(), Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::Size);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Utf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
    match text.as_bytes().first() {
        Some(b'<') => xml::walk(text, visit),
        Some(b'{') => json::walk(text, visit),
        _ => Err(Unreadable::Form),
    }
}

fn dotted<'a>(path: &[Cow<'a, str>]) -> Cow<'a, str> {
    match path {
        [one] => one.clone(),
        many => Cow::Owned(many.join(".")),
    }
}

pub(crate) fn trimmed(value: Cow<'_, str>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) if text.trim_ascii().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

#[cfg(test)]
mod tests;
