//! `yingbin push decode`: the most asked question of every SDK's users, answered step by step.

use std::{process::ExitCode, str};

use clap::Args;
use serde_json::{Value, json};
use wechat::{
    Secret,
    envelope::{AesKey, KeyError},
    push::{Decoded, Keys, Query, Refusal, decode},
};

use super::{cause, scan, steps};
use crate::command::output::{self, Output, read_file};

/// What `--help` says of the answer.
pub(super) const JSON: &str = "\
With --json, if it verifies and decrypts (exit code 0):
  {\"ok\":true,\"form\":…,\"receive_id\":…,\"document\":…,\"age_seconds\":…}
A document that is no UTF-8 stands in `document` as far as it can be read, and whole in `document_base64`.
Where the envelope cannot be read and only its Encrypt was, `envelope` says what is wrong: a gateway refuses that push.
If not (exit code 1), with the step that failed:
  {\"ok\":false,\"failed\":…,\"say\":…,\"age_seconds\":…}";

/// What was captured, and what it is checked with.
#[derive(Args, Debug)]
pub struct DecodeFlags {
    /// The query string as it came: `signature=…&timestamp=…`; a `?` before it or the whole URL does no harm.
    #[arg(long, value_name = "QUERY")]
    query: String,
    /// File with the body, byte for byte; `-` is standard input. A URL verification has none.
    #[arg(long, value_name = "FILE")]
    body: Option<String>,
    /// Token from the account's settings.
    #[arg(long)]
    token: String,
    /// `EncodingAESKey` from the account's settings, 43 characters. Not needed for a clear push.
    #[arg(long, value_name = "KEY")]
    aes_key: Option<String>,
    /// AppId of the account. Without it the receive id is told, not compared.
    #[arg(long)]
    app_id: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Why a captured push does not come out.
#[derive(Debug)]
pub(super) enum Failure {
    /// A check failed.
    Refused(Refusal),
    /// The key that would be needed is none.
    Key(KeyError),
    /// The file with the body is not there.
    File(String),
}

impl Failure {
    /// The step that failed, in one word. A key that is none fails where it would be used.
    pub(super) fn step(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Key(_) => "decrypt",
            Self::File(_) => "missing",
        }
    }

    pub(super) fn say(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.to_string(),
            Self::Key(error) => error.to_string(),
            Self::File(error) => error.clone(),
        }
    }
}

/// A request as captured, and the token and id that it is checked with.
#[derive(Debug)]
pub(super) struct Captured<'a> {
    pub(super) query: Query<'a>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) token: Secret,
    pub(super) app_id: Option<&'a str>,
}

pub(super) fn run(flags: &DecodeFlags, now: i64) -> anyhow::Result<ExitCode> {
    let (body, missing) = match flags.body.as_deref().map(read_file).transpose() {
        Ok(body) => (body, None),
        Err(error) => (None, Some(Failure::File(format!("{error:#}")))),
    };
    let mut captured = Captured {
        query: Query::parse(query_part(&flags.query)),
        body,
        token: Secret::new(flags.token.as_str()),
        app_id: flags.app_id.as_deref(),
    };
    let mut decoded = missing.map_or_else(|| captured.decode(flags.aes_key.as_deref()), Err);
    let broken = captured.mend(&decoded);
    if broken.is_some() {
        decoded = captured.decode(flags.aes_key.as_deref());
    }
    let age = captured.query.timestamp_seconds().map(|at| now.saturating_sub(at));
    let cause = decoded.as_ref().err().and_then(|failure| cause::of(&captured, failure));
    let human = || steps::page(&captured, &decoded, broken.as_deref(), cause.as_deref(), age);
    let json = || {
        let mut answer = as_json(&decoded, cause.as_deref(), age);
        if let Some(broken) = &broken {
            answer["envelope"] = broken.as_str().into();
        }
        answer
    };
    flags.output.answer(json, human)?;
    Ok(output::exit(decoded.is_ok()))
}

impl Captured<'_> {
    /// Replaces an envelope that cannot be read by one with its `Encrypt` alone, if that is there. Returns what is wrong with it.
    fn mend(&mut self, decoded: &Result<Decoded, Failure>) -> Option<String> {
        let Err(failure @ Failure::Refused(Refusal::Envelope(_) | Refusal::NoEncrypt)) = decoded else {
            return None;
        };
        self.body = Some(scan::envelope(self.body.as_deref()?)?);
        Some(failure.say())
    }

    fn decode(&self, aes_key: Option<&str>) -> Result<Decoded, Failure> {
        let key = aes_key.map(|text| AesKey::parse(text.trim())).transpose();
        let keys = Keys {
            tokens: [Some(&self.token), None],
            aes_keys: [key.as_ref().ok().and_then(Option::as_ref), None],
            app_id: self.app_id,
        };
        let body = self.body.as_deref().filter(|body| !body.is_empty());
        let mut query = self.query.clone();
        if body.is_none() && is_sealed_echo(&keys, &query) {
            query.signature = None;
        }
        decode(&keys, &query, body).map_err(|refusal| match (refusal, key) {
            (Refusal::Missing("the EncodingAESKey"), Err(error)) => Failure::Key(error),
            (refusal, _) => Failure::Refused(refusal),
        })
    }
}

/// A URL verification that carries both signatures is the encrypted kind if `msg_signature` covers its `echostr`.
fn is_sealed_echo(keys: &Keys<'_>, query: &Query<'_>) -> bool {
    query.echostr.as_ref().is_some_and(|echostr| keys.check_msg_signature(query, echostr).is_ok())
}

/// The query of a whole URL, or what was given.
fn query_part(given: &str) -> &str {
    let given = given.trim();
    let query = given.split_once('?').map_or(given, |(_, query)| query);
    query.split_once('#').map_or(query, |(query, _)| query)
}

fn as_json(decoded: &Result<Decoded, Failure>, cause: Option<&str>, age: Option<i64>) -> Value {
    let mut answer = match decoded {
        Ok(decoded) => json!({
            "ok": true,
            "receive_id": decoded.receive_id,
            "document": String::from_utf8_lossy(&decoded.document),
            "form": steps::form_name(decoded.form),
        }),
        Err(failure) => {
            let say = cause.map_or_else(|| failure.say(), |cause| format!("{}. {cause}", failure.say()));
            json!({ "ok": false, "failed": failure.step(), "say": say })
        }
    };
    if let Ok(Decoded { document, .. }) = decoded
        && str::from_utf8(document).is_err()
    {
        use base64::Engine as _;
        answer["document_base64"] = base64::engine::general_purpose::STANDARD.encode(document).into();
    }
    answer["age_seconds"] = age.into();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_found_in_whatever_was_copied() {
        for given in ["a=1&b=2", "?a=1&b=2", "https://x.example/wechat/n?a=1&b=2#top", " /wechat/n?a=1&b=2\n"]
        {
            assert_eq!(query_part(given), "a=1&b=2", "{given}");
        }
    }
}
