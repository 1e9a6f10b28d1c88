//! The likeliest cause of a failed step, found by trying what people get wrong.

use std::borrow::Cow;

use wechat::{
    Secret,
    envelope::EnvelopeError,
    push::{Keys, Query, Refusal, encrypted_part},
};

use super::decode::{Captured, Failure};

/// What to look at first; `None` where the step's own words say it all.
pub(super) fn of(captured: &Captured<'_>, failure: &Failure) -> Option<String> {
    let refusal = match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Key(_) => {
            return Some("Copy the 43 characters without the `=` that some pages put after them.".to_owned());
        }
        Failure::File(_) => return None,
    };
    match refusal {
        Refusal::Signature(_) => signature(captured),
        Refusal::Missing("the body") => Some("Give the captured body with --body FILE.".to_owned()),
        Refusal::Missing("the EncodingAESKey") => {
            Some("The signature verifies; to open it give --aes-key.".to_owned())
        }
        Refusal::Missing(_) => Some("Copy the whole query string, from the access log for instance.".to_owned()),
        Refusal::Base64 => Some("The text was cut or re-encoded before it was signed.".to_owned()),
        Refusal::Decrypt(error) => Some(decrypt(error).to_owned()),
        Refusal::ReceiveId { .. } => Some(
            "A push of a third-party platform carries the platform's AppId, one of WeCom the CorpId or SuiteId."
                .to_owned(),
        ),
        Refusal::Mode(_) | Refusal::Envelope(_) | Refusal::NoEncrypt => None,
    }
}

fn decrypt(error: &EnvelopeError) -> &'static str {
    match error {
        EnvelopeError::Blocks(_) => {
            "Bytes are missing: a `+` that became a space, or a text that was cut before it was signed."
        }
        _ => {
            "The key was changed in the settings, or it belongs to another account. A library that removes the \
             padding itself must know that its block is 32, not 16."
        }
    }
}

/// The token with white space around it, the signatures mixed up, a `+` lost, a text changed: each can be tried.
fn signature(captured: &Captured<'_>) -> Option<String> {
    let query = &captured.query;
    let body = captured.body.as_deref().unwrap_or_default();
    let encrypt = match &query.echostr {
        Some(echostr) if body.is_empty() => Some(Cow::Borrowed(&**echostr)),
        _ => encrypted_part(body).ok().flatten(),
    };
    let covers = |token: &Secret, encrypt: &str| keys(token).check_msg_signature(query, encrypt).is_ok();
    let trimmed = Secret::new(captured.token.expose().trim());
    let encrypt = encrypt.as_deref().filter(|_| query.msg_signature.is_some());
    let found = if trimmed != captured.token
        && (signs(&trimmed, query) || encrypt.is_some_and(|e| covers(&trimmed, e)))
    {
        "The Token has white space around it: without that it verifies."
    } else if encrypt.is_some_and(|e| covers(&captured.token, &e.replace(' ', "+"))) {
        "On the way each `+` of the encrypted text became a space: read the body as bytes, do not form-decode it."
    } else if swapped(captured) {
        "`msg_signature` holds the value of `signature`: for an encrypted push compare `msg_signature`, which covers the \
         encrypted text too."
    } else if encrypt.is_some() && signs(&captured.token, query) {
        "The Token is right, `signature` verifies with it: the encrypted text is not the one that was signed."
    } else {
        "Most likely another Token than in the account's settings (case matters), or query and body of two \
         different requests."
    };
    Some(found.to_owned())
}

fn keys(token: &Secret) -> Keys<'_> {
    Keys { tokens: [Some(token), None], ..Keys::default() }
}

fn signs(token: &Secret, query: &Query<'_>) -> bool {
    keys(token).check_signature(query).is_ok()
}

fn swapped(captured: &Captured<'_>) -> bool {
    let plain = Query { signature: captured.query.msg_signature.clone(), ..captured.query.clone() };
    plain.signature.is_some() && signs(&captured.token, &plain)
}
