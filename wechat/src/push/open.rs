//! Receiving: what the gateway does with a request of an account whose mode it knows.

use std::borrow::Cow;

use super::{Credentials, Query, Refusal, encrypted_part};
use crate::account::Mode;
use crate::envelope::{AesKey, Plain};

/// A push that verified: its inner document byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened<'b>(Inner<'b>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Inner<'b> {
    Clear(&'b [u8]),
    /// With the key that opened it.
    Sealed(Plain, AesKey),
}

impl Opened<'_> {
    /// The inner document, verbatim.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        match &self.0 {
            Inner::Clear(body) => body,
            Inner::Sealed(plain, _) => plain.message(),
        }
    }

    /// The receive id; `None` for a push that was not encrypted.
    #[must_use]
    pub fn receive_id(&self) -> Option<Cow<'_, str>> {
        match &self.0 {
            Inner::Clear(_) => None,
            Inner::Sealed(plain, _) => Some(String::from_utf8_lossy(plain.receive_id())),
        }
    }

    /// The key that opened it; `None` for a push that was not encrypted.
    pub(super) fn key(&self) -> Option<&AesKey> {
        match &self.0 {
            Inner::Clear(_) => None,
            Inner::Sealed(_, key) => Some(key),
        }
    }
}

/// Checks a URL verification and gives the text to answer, nothing around it (`facts.md` §1.2).
///
/// # Errors
/// The first check that failed, in order of cost.
pub fn verify_url(credentials: &Credentials, query: &Query<'_>) -> Result<String, Refusal> {
    if query.echostr.is_none() {
        return Err(Refusal::Missing("`echostr`"));
    }
    let decoded = super::decode(&credentials.keys(), query, None)?;
    String::from_utf8(decoded.document).map_err(|_| Refusal::Decrypt(crate::envelope::EnvelopeError::Text))
}

/// Checks a push and gives its inner document (`facts.md` §1.3–§1.5).
///
/// Below the account's mode nothing is accepted. In compatible mode only the encrypted content counts. In
/// plain mode the body is given as it is: `signature` does not cover it.
///
/// # Errors
/// The first check that failed, in order of cost: mode, parameters, envelope, signature, base64, decryption,
/// receive id.
pub fn open<'b>(credentials: &Credentials, query: &Query<'_>, body: &'b [u8]) -> Result<Opened<'b>, Refusal> {
    let keys = credentials.keys();
    if !query.encrypted() {
        if credentials.mode != Mode::Plain {
            return Err(Refusal::Mode("the account takes encrypted pushes only, and this one is clear"));
        }
        keys.check_signature(query)?;
        return Ok(Opened(Inner::Clear(body)));
    }
    if credentials.aes_key.is_none() {
        return Err(Refusal::Mode("the push is encrypted, and the account has no EncodingAESKey"));
    }
    if query.msg_signature.is_none() {
        return Err(Refusal::Missing("`msg_signature`"));
    }
    let encrypt = encrypted_part(body)?.ok_or(Refusal::NoEncrypt)?;
    keys.check_msg_signature(query, &encrypt)?;
    fail::fail_point!("g4", |_| std::process::abort());
    let (plain, key) = keys.decrypt_by(&encrypt)?;
    Ok(Opened(Inner::Sealed(plain, key.clone())))
}
