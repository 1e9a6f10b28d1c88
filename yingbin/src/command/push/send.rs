//! `yingbin push send`: a push as WeChat makes it, to any gateway.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::time::Instant;
use wechat::{
    Mode, Secret,
    envelope::AesKey,
    push::{Credentials, Format, SealedPush, seal},
};

use crate::{
    command::{
        Output, Servers, Usage,
        output::{self, read_file},
        usage,
    },
    folders,
};

/// WeChat gives up after five seconds; a person may wait a little longer to see why.
const PATIENCE: Duration = Duration::from_secs(10);

/// Mr Li of the examples writes.
pub(super) const EXAMPLE: &str =
    "Example: yingbin push send --account qianjiang --from oQjLiQTuNzuNGrTFhxhavBToSo2I --text 你好";

/// Where to, as whom, and what.
#[derive(Args, Debug)]
pub struct SendFlags {
    /// Account of a running `yingbin up`: fills in everything below but the document.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The gateway's address for the account: `http://host:8080/wechat/NAME`.
    #[arg(long)]
    url: Option<String>,
    /// Token of the account.
    #[arg(long)]
    token: Option<String>,
    /// `EncodingAESKey` of the account; needed in compatible and safe mode.
    #[arg(long, value_name = "KEY")]
    aes_key: Option<String>,
    /// AppId of the account.
    #[arg(long)]
    app_id: Option<String>,
    /// `plain`, `compatible` or `safe`.
    #[arg(long)]
    mode: Option<Mode>,
    /// Format of the outer document; without it the format of the document.
    #[arg(long)]
    format: Option<FormatFlag>,
    /// File with the inner document, any; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    document: Option<String>,
    /// A text message that says this.
    #[arg(long)]
    text: Option<String>,
    /// OpenID of the user who writes the text.
    #[arg(long, value_name = "OPENID")]
    from: Option<String>,
    /// Original id of the account to which the text is written.
    #[arg(long, value_name = "gh_…", default_value = "gh_yingbin")]
    to: String,
    #[command(flatten)]
    output: Output,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum FormatFlag {
    Xml,
    Json,
}

impl From<FormatFlag> for Format {
    fn from(flag: FormatFlag) -> Self {
        match flag {
            FormatFlag::Xml => Self::Xml,
            FormatFlag::Json => Self::Json,
        }
    }
}

struct Answer {
    status: u16,
    body: String,
    ms: f64,
}

pub(super) async fn run(flags: &SendFlags, now: i64) -> anyhow::Result<ExitCode> {
    let servers = Servers::find()?;
    let (url, credentials) = whereto(flags, &servers)?;
    let document = document(flags, now)?;
    let format = flags.format.map_or_else(|| Format::of(&document), Format::from);
    let nonce = rand::random::<u32>().to_string();
    let push = seal(&credentials, &document, format, now, &nonce, letters())
        .map_err(|error| Usage::new(format!("give --aes-key, or --mode plain: {error}")))?;
    let id = gateway::event::of_push("", &credentials.app_id, &document, now * 1_000).id;
    let answer = post(&url, push).await?;
    let taken = (200..300).contains(&answer.status);
    let Answer { status, body, ms } = &answer;
    flags.output.answer(
        || json!({ "ok": taken, "status": status, "body": body, "ms": ms, "event_id": id }),
        || {
            let event = if taken { heard(&id, servers.simulator()) } else { String::new() };
            format!("{status} in {ms:.1} ms\n{body}{event}")
        },
    )?;
    Ok(output::exit(taken))
}

/// What to do with a push that was taken.
fn heard(id: &str, simulator: Option<&str>) -> String {
    let simulator = simulator.unwrap_or("http://SIMULATOR");
    format!(
        "\nevent {id}: `{program} why {id}` tells what was decided\n\
         The gateway alone has this push: it opens no window at WeChat or its simulator, which refuse an answer with 45015 unless \
         one is open already. To be answered, push with POST {simulator}/sim/push {{\"account\":…,\"document\":…}}",
        program = folders::program(),
    )
}

/// A flag that is given goes before what the account says.
fn whereto(flags: &SendFlags, servers: &Servers) -> anyhow::Result<(String, Credentials)> {
    let known = flags.account.as_ref().map(|name| servers.account(name)).transpose()?;
    let account = known.as_ref().map(|(account, _)| *account);
    let url = flags.url.clone().or(known.as_ref().map(|(_, url)| url.clone()));
    let token = flags.token.clone().or(account.map(|account| account.token.clone()));
    let app_id = flags.app_id.clone().or(account.map(|account| account.app_id.clone()));
    let mode = flags.mode.or(account.map(|account| account.mode.parse()).transpose()?);
    let missing = [
        (url.is_none(), "--url"),
        (token.is_none(), "--token"),
        (app_id.is_none(), "--app-id"),
        (mode.is_none(), "--mode"),
    ];
    let (Some(url), Some(token), Some(app_id), Some(mode)) = (url, token, app_id, mode) else {
        let missing: Vec<&str> = missing.into_iter().filter_map(|(is, flag)| is.then_some(flag)).collect();
        return Err(Usage::new(format!(
            "where to? --account NAME of a running `yingbin up` is missing, or instead of it {}",
            missing.join(", ")
        ))
        .into());
    };
    usage::address("--url", &url, "http://host:8080/wechat/NAME")?;
    let aes_key = flags.aes_key.as_deref().or(account.and_then(|account| account.aes_key.as_deref()));
    let aes_key = aes_key.map(str::trim).filter(|key| !key.is_empty()).map(AesKey::parse).transpose();
    let aes_key = aes_key.map_err(|error| Usage::new(format!("--aes-key: {error}")))?;
    let token = Secret::new(token);
    Ok((url, Credentials { app_id, token, previous_token: None, aes_key, previous_aes_key: None, mode }))
}

fn document(flags: &SendFlags, now: i64) -> anyhow::Result<Vec<u8>> {
    let (text, from) = match (&flags.text, flags.from.as_deref().filter(|from| !from.is_empty())) {
        (Some(text), Some(from)) => (text, from),
        (Some(_), None) => return Err(Usage::new("--from OPENID is missing: who writes the text?").into()),
        (None, _) => {
            let file = flags.document.as_deref().ok_or_else(|| {
                Usage::new(
                    "push what? --text WORDS --from OPENID is missing, or instead of it --document FILE",
                )
            })?;
            return read_file(file);
        }
    };
    let id = u64::from(rand::random::<u32>());
    Ok(match flags.format {
        Some(FormatFlag::Json) => text_json(&flags.to, from, text, now, id),
        _ => text_xml(&flags.to, from, text, now, id),
    }
    .into_bytes())
}

/// `facts.md` §2.2.
fn text_xml(to: &str, from: &str, text: &str, now: i64, id: u64) -> String {
    let [to, from, text] = [to, from, text].map(|text| text.replace("]]>", "]]]]><![CDATA[>"));
    format!(
        "<xml><ToUserName><![CDATA[{to}]]></ToUserName><FromUserName><![CDATA[{from}]]></FromUserName>\
         <CreateTime>{now}</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{text}]]></Content>\
         <MsgId>{id}</MsgId></xml>"
    )
}

/// `facts.md` §1.7.
fn text_json(to: &str, from: &str, text: &str, now: i64, id: u64) -> String {
    json!({
        "ToUserName": to, "FromUserName": from, "CreateTime": now, "MsgType": "text", "Content": text, "MsgId": id
    })
    .to_string()
}

/// The sixteen random characters before the message; the platform's own are letters and digits.
fn letters() -> [u8; 16] {
    rand::random::<[u8; 16]>().map(|byte| b'a' + byte % 26)
}

async fn post(url: &str, push: SealedPush) -> anyhow::Result<Answer> {
    let installed_before = rustls::crypto::ring::default_provider().install_default().is_err();
    tracing::debug!(installed_before, "TLS provider");
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .context("no HTTP client")?;
    let joint = if url.contains('?') { '&' } else { '?' };
    let request = client
        .post(format!("{url}{joint}{}", push.query))
        .header("content-type", push.content_type)
        .body(push.body);
    let start = Instant::now();
    let no_answer = || format!("{url} did not answer: is the gateway running, and is this its address?");
    let response = request.send().await.map_err(reqwest::Error::without_url).with_context(no_answer)?;
    let status = response.status().as_u16();
    let body = response.text().await.map_err(reqwest::Error::without_url).with_context(no_answer)?;
    Ok(Answer { status, body, ms: (start.elapsed().as_secs_f64() * 10_000.0).round() / 10.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wechat::document::Document;

    proptest! {
        #[test]
        fn any_text_stands_in_the_document_as_written(text in "[^\\s\r]\\PC{0,20}(\\]\\]>)?[^\\s\r]") {
            for document in [text_xml("gh_1", "o1", &text, 5, 7), text_json("gh_1", "o1", &text, 5, 7)] {
                let read = Document::parse(document.as_bytes()).unwrap();
                prop_assert_eq!(read.get("Content"), Some(text.as_str()));
                prop_assert_eq!(read.get("CreateTime"), Some("5"));
            }
        }
    }
}
