//! One pass over XML. DTDs are refused, nothing is expanded but character references and the five names.

use std::borrow::Cow;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::{MAX_DEPTH, MAX_NODES, MAX_PIECES, Unreadable};

const ROOT: &str = "xml";

/// What has been read up to here.
struct Walker<'a, V> {
    text: &'a str,
    visit: V,
    /// Names of the open elements below the root.
    path: Vec<Cow<'a, str>>,
    /// Text of the innermost open element since its last child, up to its last piece that is not blank.
    value: Cow<'a, str>,
    /// Blank text after `value`, which belongs to it once more text follows.
    gap: Cow<'a, str>,
    /// Whether the innermost open element has had a child.
    had_child: bool,
    inside_root: bool,
    root_seen: bool,
    nodes: usize,
    /// Pieces of text: what stands between elements and references, and references.
    pieces: usize,
}

pub(super) fn walk<'a>(
    text: &'a str,
    visit: impl FnMut(&[Cow<'a, str>], Cow<'a, str>),
) -> Result<(), Unreadable> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.allow_dangling_amp = true;
    let mut walker = Walker {
        text,
        visit,
        path: Vec::with_capacity(MAX_DEPTH),
        value: Cow::Borrowed(""),
        gap: Cow::Borrowed(""),
        had_child: false,
        inside_root: false,
        root_seen: false,
        nodes: 0,
        pieces: 0,
    };
    loop {
        let start = position(&reader);
        let event = reader.read_event().map_err(|_| Unreadable::Syntax(start))?;
        if matches!(event, Event::Eof) {
            return walker.finish(start);
        }
        walker.step(start, event)?;
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

impl<'a, V: FnMut(&[Cow<'a, str>], Cow<'a, str>)> Walker<'a, V> {
    fn step(&mut self, start: usize, event: Event<'a>) -> Result<(), Unreadable> {
        match event {
            Event::Start(element) => self.open(start, element.name().0.len()),
            Event::End(_) => self.close(),
            Event::Text(text) => self.append(start, text.into_inner()),
            Event::CData(text) => self.append(start, text.into_inner()),
            Event::GeneralRef(reference) => self.append(start, resolved(&reference)),
            Event::DocType(_) => Err(Unreadable::Doctype),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: usize, name_bytes: usize) -> Result<(), Unreadable> {
        let name = self.text.get(start + 1..start + 1 + name_bytes).unwrap_or_default();
        if name.is_empty() {
            return Err(Unreadable::Syntax(start));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Unreadable::Size);
        }
        if !self.inside_root {
            return self.open_root(start, name);
        }
        if self.path.len() == MAX_DEPTH {
            return Err(Unreadable::Depth);
        }
        self.flush_text();
        self.path.push(Cow::Borrowed(name));
        self.had_child = false;
        Ok(())
    }

    fn open_root(&mut self, start: usize, name: &str) -> Result<(), Unreadable> {
        if self.root_seen {
            return Err(Unreadable::Syntax(start));
        }
        self.inside_root = true;
        self.root_seen = true;
        if name == ROOT { Ok(()) } else { Err(Unreadable::Root) }
    }

    /// The reader has checked that the names match.
    fn close(&mut self) -> Result<(), Unreadable> {
        if self.path.is_empty() {
            self.inside_root = false;
        } else if self.had_child {
            self.flush_text();
        } else {
            let value = self.take_text();
            (self.visit)(&self.path, value);
        }
        self.path.pop();
        self.had_child = true;
        Ok(())
    }

    /// Text beside elements is kept under the name of the element that holds both.
    fn flush_text(&mut self) {
        let value = self.take_text();
        if !self.path.is_empty() && !value.is_empty() {
            (self.visit)(&self.path, value);
        }
    }

    fn append(&mut self, start: usize, more: Cow<'a, str>) -> Result<(), Unreadable> {
        self.pieces += 1;
        if self.pieces > MAX_PIECES {
            return Err(Unreadable::Size);
        }
        if !self.inside_root {
            return if blank(&more) { Ok(()) } else { Err(Unreadable::Syntax(start)) };
        }
        if blank(&more) {
            if !self.value.is_empty() {
                self.gap += more;
            }
        } else if self.value.is_empty() {
            self.value = more;
        } else {
            self.value += std::mem::take(&mut self.gap);
            self.value += more;
        }
        Ok(())
    }

    fn take_text(&mut self) -> Cow<'a, str> {
        self.gap = Cow::Borrowed("");
        std::mem::take(&mut self.value)
    }

    fn finish(self, end: usize) -> Result<(), Unreadable> {
        if self.root_seen && !self.inside_root { Ok(()) } else { Err(Unreadable::Syntax(end)) }
    }
}

fn blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// The character behind a reference; what names none stays as it was written.
fn resolved<'a>(reference: &str) -> Cow<'a, str> {
    let character = match reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        other => other.strip_prefix('#').and_then(numbered),
    };
    Cow::Owned(character.map_or_else(|| format!("&{reference};"), String::from))
}

fn numbered(number: &str) -> Option<char> {
    let (digits, radix) = number.strip_prefix(['x', 'X']).map_or((number, 10), |digits| (digits, 16));
    let code = u32::from_str_radix(digits, radix).ok()?;
    if code == 0 || digits.starts_with('+') { None } else { char::from_u32(code) }
}
