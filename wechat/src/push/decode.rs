//! The steps of a check, one by one and in one go, for whatever of keys and ids is at hand.

use std::borrow::Cow;

use super::{Query, Refusal, encrypted_part};
use crate::envelope::{self, AesKey, EnvelopeError, Plain};
use crate::secret::Secret;
use crate::signature;

/// What a request is checked with; what is `None` is not tried, or not compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys<'k> {
    /// Tokens, the current one first.
    pub tokens: [Option<&'k Secret>; 2],
    /// AES keys, the current one first.
    pub aes_keys: [Option<&'k AesKey>; 2],
    /// Expected receive id; `None` accepts any.
    pub app_id: Option<&'k str>,
}

/// What kind of request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// URL verification with `signature`.
    UrlCheck,
    /// URL verification with `msg_signature` and encrypted `echostr`.
    EncryptedUrlCheck,
    /// Push with a clear body.
    Plain,
    /// Push with an envelope.
    Encrypted,
}

/// A request that was checked and opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What kind of request it was.
    pub form: Form,
    /// The inner document verbatim; the text to answer for a URL verification.
    pub document: Vec<u8>,
    /// The receive id, if there was an envelope. It is UTF-8 in all that the platform sends.
    pub receive_id: Option<String>,
}

/// Checks and opens a captured request without knowing the account's mode.
///
/// With `echostr` and no body it is a URL verification. A body is taken as encrypted when the query says
/// so, or does not say otherwise and the body holds `Encrypt`.
///
/// # Errors
/// The first step that failed; signature before base64, base64 before decryption, receive id last.
pub fn decode(keys: &Keys<'_>, query: &Query<'_>, body: Option<&[u8]>) -> Result<Decoded, Refusal> {
    let body = body.filter(|body| !body.is_empty());
    match (&query.echostr, body) {
        (Some(echostr), None) => decode_url_check(keys, query, echostr),
        (None, None) => Err(Refusal::Missing("the body")),
        (_, Some(body)) => decode_push(keys, query, body),
    }
}

fn decode_url_check(keys: &Keys<'_>, query: &Query<'_>, echostr: &str) -> Result<Decoded, Refusal> {
    if query.signature.is_some() || query.msg_signature.is_none() {
        keys.check_signature(query)?;
        return Ok(Decoded { form: Form::UrlCheck, document: echostr.into(), receive_id: None });
    }
    keys.check_msg_signature(query, echostr)?;
    Ok(decoded(Form::EncryptedUrlCheck, keys.decrypt(echostr)?))
}

fn decode_push(keys: &Keys<'_>, query: &Query<'_>, body: &[u8]) -> Result<Decoded, Refusal> {
    match encrypt_of(query, body)? {
        Some(encrypt) => {
            keys.check_msg_signature(query, &encrypt)?;
            Ok(decoded(Form::Encrypted, keys.decrypt(&encrypt)?))
        }
        None => {
            keys.check_signature(query)?;
            Ok(Decoded { form: Form::Plain, document: body.into(), receive_id: None })
        }
    }
}

fn encrypt_of<'b>(query: &Query<'_>, body: &'b [u8]) -> Result<Option<Cow<'b, str>>, Refusal> {
    if query.encrypted() {
        return encrypted_part(body)?.ok_or(Refusal::NoEncrypt).map(Some);
    }
    let raw = query.encrypt_type.is_some() || query.signature.is_some();
    if raw { Ok(None) } else { encrypted_part(body) }
}

fn decoded(form: Form, plain: Plain) -> Decoded {
    let receive_id = Some(String::from_utf8_lossy(plain.receive_id()).into_owned());
    Decoded { form, document: plain.into_message(), receive_id }
}

impl Keys<'_> {
    /// Checks `signature` over Token, timestamp and nonce.
    ///
    /// # Errors
    /// [`Refusal::Missing`] or [`Refusal::Signature`].
    pub fn check_signature(&self, query: &Query<'_>) -> Result<(), Refusal> {
        let given = query.signature.as_deref().ok_or(Refusal::Missing("`signature`"))?;
        self.check("signature", given, query, None)
    }

    /// Checks `msg_signature` over Token, timestamp, nonce and the ciphertext.
    ///
    /// # Errors
    /// [`Refusal::Missing`] or [`Refusal::Signature`].
    pub fn check_msg_signature(&self, query: &Query<'_>, encrypt: &str) -> Result<(), Refusal> {
        let given = query.msg_signature.as_deref().ok_or(Refusal::Missing("`msg_signature`"))?;
        self.check("msg_signature", given, query, Some(encrypt))
    }

    fn check(
        &self,
        name: &'static str,
        given: &str,
        query: &Query<'_>,
        encrypt: Option<&str>,
    ) -> Result<(), Refusal> {
        let timestamp = query.timestamp.as_deref().ok_or(Refusal::Missing("`timestamp`"))?.as_bytes();
        let nonce = query.nonce.as_deref().ok_or(Refusal::Missing("`nonce`"))?.as_bytes();
        let mut tokens = self.tokens.iter().flatten().map(|token| token.expose().as_bytes()).peekable();
        if tokens.peek().is_none() {
            return Err(Refusal::Missing("the Token"));
        }
        let signed = |token| match encrypt {
            Some(encrypt) => signature::verify(&[token, timestamp, nonce, encrypt.as_bytes()], given),
            None => signature::verify(&[token, timestamp, nonce], given),
        };
        if tokens.any(signed) { Ok(()) } else { Err(Refusal::Signature(name)) }
    }

    /// Opens a ciphertext whose signature has been checked, with the first key that opens it for us.
    ///
    /// # Errors
    /// [`Refusal::Missing`] without a key; [`Refusal::Base64`], [`Refusal::Decrypt`] or [`Refusal::ReceiveId`].
    pub fn decrypt(&self, encrypt: &str) -> Result<Plain, Refusal> {
        self.decrypt_by(encrypt).map(|(plain, _)| plain)
    }

    /// The same, and the key that opened it.
    pub(super) fn decrypt_by(&self, encrypt: &str) -> Result<(Plain, &AesKey), Refusal> {
        let mut refusal = Refusal::Missing("the EncodingAESKey");
        for key in self.aes_keys.into_iter().flatten() {
            match self.decrypt_with(key, encrypt) {
                Ok(plain) => return Ok((plain, key)),
                Err(Refusal::Base64) => return Err(Refusal::Base64),
                Err(other) => refusal = more_telling(refusal, other),
            }
        }
        Err(refusal)
    }

    fn decrypt_with(&self, key: &AesKey, encrypt: &str) -> Result<Plain, Refusal> {
        let plain = envelope::decrypt(key, encrypt.as_bytes()).map_err(|error| match error {
            EnvelopeError::Base64 => Refusal::Base64,
            other => Refusal::Decrypt(other),
        })?;
        match self.app_id {
            Some(expected) if plain.receive_id() != expected.as_bytes() => Err(Refusal::ReceiveId {
                found: String::from_utf8_lossy(plain.receive_id()).into_owned(),
                expected: expected.to_owned(),
            }),
            _ => Ok(plain),
        }
    }
}

/// A key that opened it for somebody else says more than one that did not open it.
fn more_telling(first: Refusal, second: Refusal) -> Refusal {
    match (&first, &second) {
        (Refusal::Missing(_), _) | (_, Refusal::ReceiveId { .. }) => second,
        _ => first,
    }
}
