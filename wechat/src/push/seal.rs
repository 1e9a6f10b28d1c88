//! Sending: a document made into a push as the platform makes it, for the simulator and `yingbin push send`.

use super::Credentials;
use super::query::percent_encoded;
use crate::account::Mode;
use crate::document::Document;
use crate::envelope::{self, AesKey};
use crate::signature;

/// A push ready to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPush {
    /// Query string without the `?`.
    pub query: String,
    /// Body.
    pub body: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
}

/// Why a document can not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The mode encrypts, and there is no key.
    #[error("compatible and safe mode encrypt: an EncodingAESKey is needed")]
    NoKey,
    /// A reply to a push that came in clear.
    #[error("the push came in clear, so its reply goes in clear, too")]
    Clear,
}

/// The format of the outer document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `<xml>…</xml>`.
    Xml,
    /// A JSON object.
    Json,
}

impl Format {
    /// The format in which a document is written: JSON when it begins like an object, else XML.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        if document.trim_ascii_start().starts_with(b"{") { Self::Json } else { Self::Xml }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Xml => "text/xml",
            Self::Json => "application/json",
        }
    }
}

/// Signs, and encrypts as the account's mode demands. `timestamp` is in Unix seconds.
///
/// Any document is taken, also one that nobody can read. In compatible mode it stands in clear beside
/// `Encrypt` if it can be read and is in `format`.
///
/// # Errors
/// [`SealError::NoKey`].
pub fn seal(
    credentials: &Credentials,
    document: &[u8],
    format: Format,
    timestamp: i64,
    nonce: &str,
    random16: [u8; 16],
) -> Result<SealedPush, SealError> {
    let read = Document::parse(document).ok();
    let field = |name| read.as_ref().and_then(|read| read.get(name)).unwrap_or_default();
    let mut query = signed_query(credentials, timestamp, nonce);
    let openid = field("FromUserName");
    if !openid.is_empty() {
        query = format!("{query}&openid={}", percent_encoded(openid));
    }
    let content_type = format.content_type();
    if credentials.mode == Mode::Plain {
        return Ok(SealedPush { query, body: document.to_vec(), content_type });
    }
    let encrypt = envelope::encrypt(key(credentials)?, random16, document, &credentials.app_id);
    let msg_signature = sign(credentials, timestamp, nonce, Some(&encrypt));
    let body = if credentials.mode == Mode::Compatible && read.is_some() {
        beside(document, format, &encrypt)
    } else {
        around(format, field("ToUserName"), &encrypt)
    };
    let query = format!("{query}&encrypt_type=aes&msg_signature={msg_signature}");
    Ok(SealedPush { query, body, content_type })
}

/// The query of a URL verification. With `random16` it is that of `WeCom`, whose `echostr` is encrypted.
///
/// # Errors
/// [`SealError::NoKey`].
pub fn seal_url_check(
    credentials: &Credentials,
    echostr: &str,
    timestamp: i64,
    nonce: &str,
    random16: Option<[u8; 16]>,
) -> Result<String, SealError> {
    let Some(random16) = random16 else {
        let query = signed_query(credentials, timestamp, nonce);
        return Ok(format!("{query}&echostr={}", percent_encoded(echostr)));
    };
    let encrypt = envelope::encrypt(key(credentials)?, random16, echostr.as_bytes(), &credentials.app_id);
    let msg_signature = sign(credentials, timestamp, nonce, Some(&encrypt));
    let (nonce, echostr) = (percent_encoded(nonce), percent_encoded(&encrypt));
    Ok(format!("msg_signature={msg_signature}&timestamp={timestamp}&nonce={nonce}&echostr={echostr}"))
}

pub(super) fn sign(credentials: &Credentials, timestamp: i64, nonce: &str, encrypt: Option<&str>) -> String {
    let timestamp = timestamp.to_string();
    let mut parts = vec![credentials.token.expose().as_bytes(), timestamp.as_bytes(), nonce.as_bytes()];
    parts.extend(encrypt.map(str::as_bytes));
    hex::encode(signature::sign(&parts))
}

fn key(credentials: &Credentials) -> Result<&AesKey, SealError> {
    credentials.aes_key.as_ref().ok_or(SealError::NoKey)
}

fn signed_query(credentials: &Credentials, timestamp: i64, nonce: &str) -> String {
    let signature = sign(credentials, timestamp, nonce, None);
    format!("signature={signature}&timestamp={timestamp}&nonce={}", percent_encoded(nonce))
}

/// Compatible mode: `Encrypt` as the last field of the clear document.
fn beside(document: &[u8], format: Format, encrypt: &str) -> Vec<u8> {
    let clear = document.trim_ascii();
    match format {
        Format::Xml => match clear.strip_suffix(b"</xml>") {
            Some(open) => {
                [open, format!("<Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>").as_bytes()].concat()
            }
            None => around(format, "", encrypt),
        },
        Format::Json => match clear.strip_suffix(b"}") {
            Some(open) => {
                let comma = if open.trim_ascii_end().ends_with(b"{") { "" } else { "," };
                [open, format!("{comma}\"Encrypt\":\"{encrypt}\"}}").as_bytes()].concat()
            }
            None => around(format, "", encrypt),
        },
    }
}

/// Safe mode: the account's id and `Encrypt`.
fn around(format: Format, to_user_name: &str, encrypt: &str) -> Vec<u8> {
    let body = match format {
        Format::Xml => format!(
            "<xml><ToUserName><![CDATA[{}]]></ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>",
            to_user_name.replace("]]>", "]]]]><![CDATA[>")
        ),
        Format::Json => serde_json::json!({ "ToUserName": to_user_name, "Encrypt": encrypt }).to_string(),
    };
    body.into_bytes()
}
