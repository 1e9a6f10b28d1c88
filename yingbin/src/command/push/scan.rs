//! `Encrypt` out of an envelope that no parser reads: nothing else of it is needed, and no signature covers the rest.

use std::str;

/// An envelope that says the same `Encrypt` and nothing else; `None` where no such element or field is found.
pub(super) fn envelope(body: &[u8]) -> Option<Vec<u8>> {
    let encrypt = element(body).or_else(|| field(body))?.trim_ascii();
    let encrypt =
        encrypt.strip_prefix(b"<![CDATA[").and_then(|rest| rest.strip_suffix(b"]]>")).unwrap_or(encrypt);
    let encrypt = str::from_utf8(encrypt).ok()?.trim();
    let text = !encrypt.is_empty() && !encrypt.contains(['<', '&', '"', '\\']);
    text.then(|| format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>").into_bytes())
}

/// What stands between the tags.
fn element(body: &[u8]) -> Option<&[u8]> {
    before(after(body, b"<Encrypt>")?, b"</Encrypt>")
}

/// The value of the JSON field.
fn field(body: &[u8]) -> Option<&[u8]> {
    let value = after(body, b"\"Encrypt\"")?.trim_ascii_start().strip_prefix(b":")?;
    before(value.trim_ascii_start().strip_prefix(b"\"")?, b"\"")
}

fn after<'b>(body: &'b [u8], mark: &[u8]) -> Option<&'b [u8]> {
    body.get(find(body, mark)? + mark.len()..)
}

fn before<'b>(body: &'b [u8], mark: &[u8]) -> Option<&'b [u8]> {
    body.get(..find(body, mark)?)
}

fn find(body: &[u8], mark: &[u8]) -> Option<usize> {
    body.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_can_be_one_is_taken() {
        let found = |body: &str| envelope(body.as_bytes()).map(|body| String::from_utf8(body).unwrap());
        let whole = Some("<xml><Encrypt><![CDATA[ab+/=]]></Encrypt></xml>".to_owned());
        for body in [
            "<xml><a>&</a><Encrypt><![CDATA[ab+/=]]></Encrypt>",
            "<Encrypt> ab+/=\n</Encrypt>",
            "{\"ToUserName\":,\"Encrypt\" : \"ab+/=\"",
        ] {
            assert_eq!(found(body), whole, "{body}");
        }
        for body in [
            "",
            "<xml>&",
            "<Encrypt></Encrypt>",
            "<Encrypt>ab",
            "<Encrypt><b>a</b></Encrypt>",
            "{\"Encrypt\":7}",
        ] {
            assert_eq!(found(body), None, "{body}");
        }
    }
}
