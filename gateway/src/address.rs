//! Where a link may lead: an absolute https address without credentials, safe in a header and in a page.

use std::str::FromStr;

use http::{HeaderValue, Uri};

/// An address that a reader may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(HeaderValue);

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not absolute, not parsable, or with a character that browsers read in more than one way.
    #[error("not an absolute address: write https://host/path")]
    Malformed,
    /// Another scheme than https: on the way to it somebody else could lead the reader elsewhere.
    #[error("only https addresses are followed")]
    Scheme,
    /// A user name before the host, which makes it look like another host.
    #[error("an address must not hold a user name or password")]
    UserInfo,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = escaped(text.trim());
        // A backslash is a slash to browsers and a letter to everybody else.
        if text.contains('\\') {
            return Err(AddressError::Malformed);
        }
        let uri: Uri = without_fragment(&text).parse().map_err(|_| AddressError::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(AddressError::Malformed);
        };
        if scheme != "https" {
            return Err(AddressError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(AddressError::UserInfo);
        }
        if authority.host().is_empty() || authority.as_str().contains('%') {
            return Err(AddressError::Malformed);
        }
        HeaderValue::from_str(&text).map(Self).map_err(|_| AddressError::Malformed)
    }
}

impl Address {
    /// As the value of a `Location` header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As the value of a quoted HTML attribute. Quotes and angle brackets have been percent-encoded on the way in.
    #[must_use]
    pub fn in_html(&self) -> String {
        self.as_str().replace('&', "&amp;")
    }
}

fn without_fragment(text: &str) -> &str {
    text.split('#').next().unwrap_or(text)
}

/// Percent-encodes what is not printable ASCII, as a browser would, and quotes and angle brackets.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'"' | b'\'' | b'<' | b'>' | b'`' | 0..=b' ' | 0x7f.. => {
                let _infallible = write!(out, "%{byte:02X}");
            }
            _ => out.push(char::from(byte)),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_address_stays_as_it_is() {
        for text in ["https://example.com/a?b=1&c=2#top", "https://127.0.0.1:8090/sim/x", "https://[::1]/"] {
            assert_eq!(text.parse::<Address>().map(|a| a.as_str().to_owned()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn chinese_and_spaces_are_encoded() {
        let address: Address = " https://example.com/台湾 1?q=\"x\"&y ".parse().unwrap();
        assert_eq!(address.as_str(), "https://example.com/%E5%8F%B0%E6%B9%BE%201?q=%22x%22&y");
        assert_eq!(address.in_html(), "https://example.com/%E5%8F%B0%E6%B9%BE%201?q=%22x%22&amp;y");
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        use AddressError::{Malformed, Scheme, UserInfo};
        for (text, why) in [
            ("", Malformed),
            ("/path", Malformed),
            ("//evil.example/", Malformed),
            ("example.com", Malformed),
            ("https:///path", Malformed),
            ("https:\\\\evil.example", Malformed),
            ("https://good.example\\@evil.example/", Malformed),
            ("https://例子.example/", Malformed),
            ("javascript:alert(1)", Malformed),
            ("ftp://example.com/", Scheme),
            ("http://example.com/", Scheme),
            ("https://good.example@evil.example/", UserInfo),
            ("https://user:password@example.com/", UserInfo),
        ] {
            assert_eq!(text.parse::<Address>(), Err(why), "{text}");
        }
    }
}
