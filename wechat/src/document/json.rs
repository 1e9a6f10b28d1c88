//! One pass over a JSON object: strings, numbers and words all become text, as they were written.

use std::borrow::Cow;

use super::{MAX_DEPTH, MAX_NODES, Unreadable};

struct Walker<'a, V> {
    text: &'a str,
    at: usize,
    visit: V,
    path: Vec<Cow<'a, str>>,
    depth: usize,
    nodes: usize,
}

pub(super) fn walk<'a>(
    text: &'a str,
    visit: impl FnMut(&[Cow<'a, str>], Cow<'a, str>),
) -> Result<(), Unreadable> {
    let path = Vec::with_capacity(MAX_DEPTH);
    let mut walker = Walker { text, at: 0, visit, path, depth: 0, nodes: 0 };
    walker.object()?;
    walker.skip_space();
    if walker.at == text.len() { Ok(()) } else { Err(walker.syntax()) }
}

impl<'a, V: FnMut(&[Cow<'a, str>], Cow<'a, str>)> Walker<'a, V> {
    fn value(&mut self) -> Result<(), Unreadable> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Unreadable::Size);
        }
        match self.next_byte() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => {
                let value = self.string()?;
                (self.visit)(&self.path, value);
                Ok(())
            }
            Some(_) => self.word(),
            None => Err(self.syntax()),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<(), Unreadable>) -> Result<(), Unreadable> {
        if self.depth == MAX_DEPTH {
            return Err(Unreadable::Depth);
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), Unreadable> {
        self.expect(b'{')?;
        if self.next_byte() == Some(b'}') {
            return self.end_empty();
        }
        loop {
            if self.next_byte() != Some(b'"') {
                return Err(self.syntax());
            }
            let name = self.string()?;
            self.expect(b':')?;
            self.path.push(name);
            self.value()?;
            self.path.pop();
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self) -> Result<(), Unreadable> {
        self.expect(b'[')?;
        if self.next_byte() == Some(b']') {
            return self.end_empty();
        }
        loop {
            self.value()?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// An empty object or array is an empty value, as the empty element of XML.
    fn end_empty(&mut self) -> Result<(), Unreadable> {
        self.at += 1;
        if !self.path.is_empty() {
            (self.visit)(&self.path, Cow::Borrowed(""));
        }
        Ok(())
    }

    fn more(&mut self, end: u8) -> Result<bool, Unreadable> {
        match self.next_byte() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.syntax()),
        }
    }

    /// A number or one of the three words; an odd number is kept as it is.
    fn word(&mut self) -> Result<(), Unreadable> {
        let rest = self.rest();
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let (word, _) = rest.split_at(length);
        let number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let value = match word {
            "null" => "",
            "true" | "false" => word,
            _ if number => word,
            _ => return Err(self.syntax()),
        };
        self.at += length;
        (self.visit)(&self.path, Cow::Borrowed(value));
        Ok(())
    }

    /// A string, borrowed when nothing in it is escaped. Raw control characters stay in.
    fn string(&mut self) -> Result<Cow<'a, str>, Unreadable> {
        self.expect(b'"')?;
        let rest = self.rest();
        let mut escaped = false;
        let mut end = None;
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    end = Some(index);
                    break;
                }
                _ => {}
            }
        }
        let (raw, _) = rest.split_at(end.ok_or_else(|| self.syntax())?);
        self.at += raw.len() + 1;
        Ok(if raw.contains('\\') { Cow::Owned(unescaped(raw)) } else { Cow::Borrowed(raw) })
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.next_byte() != Some(byte) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn next_byte(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn syntax(&self) -> Unreadable {
        Unreadable::Syntax(self.at)
    }
}

/// Resolves escapes; an unknown one stays as it is, half a surrogate pair becomes U+FFFD.
fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(unicode(&mut chars)),
            Some(same @ ('"' | '\\' | '/')) => text.push(same),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

fn unicode(chars: &mut std::str::Chars<'_>) -> char {
    let Some(first) = hex4(chars) else { return char::REPLACEMENT_CHARACTER };
    let rest = chars.as_str();
    if let (0xd800..=0xdbff, Some(after)) = (first, rest.strip_prefix("\\u")) {
        let mut after = after.chars();
        if let Some(second @ 0xdc00..=0xdfff) = hex4(&mut after) {
            *chars = after;
            let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn hex4(chars: &mut std::str::Chars<'_>) -> Option<u32> {
    let (digits, rest) = chars.as_str().split_at_checked(4)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| plain)?;
    *chars = rest.chars();
    Some(code)
}
