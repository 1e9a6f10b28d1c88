//! The query string of a push or of a URL verification (`facts.md` §1.2, §1.3).

use std::borrow::Cow;

/// The parameters that the platform sends. Of a repeated one the first counts; others are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// Signature over Token, timestamp and nonce.
    pub signature: Option<Cow<'a, str>>,
    /// Unix seconds, as text.
    pub timestamp: Option<Cow<'a, str>>,
    /// Random text of the sender.
    pub nonce: Option<Cow<'a, str>>,
    /// Text to give back; ciphertext in the URL verification of `WeCom`.
    pub echostr: Option<Cow<'a, str>>,
    /// `aes`, `raw` or missing.
    pub encrypt_type: Option<Cow<'a, str>>,
    /// Signature over Token, timestamp, nonce and ciphertext.
    pub msg_signature: Option<Cow<'a, str>>,
    /// The sender, unverified: use `FromUserName` of the document.
    pub openid: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Splits and percent-decodes, once. Never fails: what is broken will not verify.
    ///
    /// In `echostr` a `+` stays a `+`, and a space is one that somebody on the way has decoded.
    #[must_use]
    pub fn parse(raw: &'a str) -> Self {
        let mut query = Self::default();
        for pair in raw.strip_prefix('?').unwrap_or(raw).split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let Some(field) = query.field(name).filter(|field| field.is_none()) {
                *field = Some(if name == "echostr" { base64_value(value) } else { form_value(value) });
            }
        }
        query
    }

    /// Whether the push says that it is encrypted: `encrypt_type=aes`, or the way of `WeCom` without it.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        match self.encrypt_type.as_deref() {
            Some(kind) if !kind.is_empty() => kind.eq_ignore_ascii_case("aes"),
            _ => self.msg_signature.is_some(),
        }
    }

    /// The timestamp in Unix seconds, if it is a number.
    #[must_use]
    pub fn timestamp_seconds(&self) -> Option<i64> {
        self.timestamp.as_deref()?.parse().ok()
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        match name {
            "signature" => Some(&mut self.signature),
            "timestamp" => Some(&mut self.timestamp),
            "nonce" => Some(&mut self.nonce),
            "echostr" => Some(&mut self.echostr),
            "encrypt_type" => Some(&mut self.encrypt_type),
            "msg_signature" => Some(&mut self.msg_signature),
            "openid" => Some(&mut self.openid),
            _ => None,
        }
    }
}

fn form_value(value: &str) -> Cow<'_, str> {
    if value.contains('+') {
        let spaced = value.replace('+', " ");
        return Cow::Owned(percent_decoded(&spaced).into_owned());
    }
    percent_decoded(value)
}

fn base64_value(value: &str) -> Cow<'_, str> {
    let value = percent_decoded(value);
    if value.contains(' ') { Cow::Owned(value.replace(' ', "+")) } else { value }
}

fn percent_decoded(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let mut decoded = [0];
        match after.get(..2) {
            Some(digits) if byte == b'%' && hex::decode_to_slice(digits, &mut decoded).is_ok() => {
                bytes.push(decoded[0]);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    Cow::Owned(
        String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
    )
}

/// `value` as a query writes it: everything but the unreserved characters becomes `%XX`.
pub(crate) fn percent_encoded(value: &str) -> String {
    use std::fmt::Write;

    value.bytes().fold(String::with_capacity(value.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plus_in_echostr_survives_every_way_it_is_written() {
        for raw in ["echostr=a+b/c==", "echostr=a%2Bb%2fc%3D%3D", "echostr=a%20b/c=="] {
            assert_eq!(Query::parse(raw).echostr.as_deref(), Some("a+b/c=="), "{raw}");
        }
        assert_eq!(Query::parse("nonce=a+b").nonce.as_deref(), Some("a b"));
    }

    #[test]
    fn it_is_decoded_once_and_broken_escapes_stay() {
        assert_eq!(Query::parse("nonce=%2541").nonce.as_deref(), Some("%41"));
        assert_eq!(Query::parse("nonce=%4&nonce=x").nonce.as_deref(), Some("%4"));
        assert_eq!(Query::parse("nonce=%zz%+1").nonce.as_deref(), Some("%zz% 1"));
        assert_eq!(Query::parse("nonce=%ff").nonce.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn encryption_is_read_from_either_parameter() {
        assert!(Query::parse("encrypt_type=aes").encrypted());
        assert!(Query::parse("msg_signature=00").encrypted());
        assert!(!Query::parse("encrypt_type=raw&msg_signature=00").encrypted());
        assert!(!Query::parse("signature=00").encrypted());
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(value in "\\PC*") {
            let raw = format!("?openid={}&nonce=1", percent_encoded(&value));
            let query = Query::parse(&raw);
            prop_assert_eq!(query.openid.as_deref(), Some(value.as_str()));
        }

        #[test]
        fn no_query_panics(raw in "\\PC*") {
            let query = Query::parse(&raw);
            prop_assert!(query.nonce.is_none() || raw.contains("nonce"));
        }
    }
}
