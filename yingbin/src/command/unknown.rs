//! `yingbin unknown`: replies whose end nobody knows, and what is to become of them. It writes what a person decides; content-service does it.

mod page;

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use content_service::ledger::{
    End,
    desk::{Choice, Decided, Desk, Unknown, Waiting},
};
use proto::reply::Outcome;
use redis::IntoConnectionInfo as _;
use runtime::redis::{Redis, RedisConfig};
use serde_json::{Value, json};

use super::{Output, Servers, Usage, output::exit, servers::RedisFlags};

/// For so long a resend's end is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

/// What to do.
#[derive(Subcommand, Debug)]
pub enum UnknownCommand {
    /// Shows what waits for a decision, and what ended as unknown lately.
    List(ListFlags),
    /// Has one sent again, if the user's window and budget allow it: the user may get it twice.
    Resend(DecideFlags),
    /// Leaves one as it is, unknown.
    Drop(DecideFlags),
}

/// Where.
#[derive(Args, Debug)]
pub struct ListFlags {
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    output: Output,
}

/// Which.
#[derive(Args, Debug)]
pub struct DecideFlags {
    /// Id of the event, as `yingbin unknown list` shows it.
    event_id: String,
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    output: Output,
}

/// Runs it. Exit code 1: the event does not wait, or its user's right does not give another message.
///
/// # Errors
/// Redis is not found or does not answer.
pub async fn run(command: UnknownCommand, now_ms: i64) -> anyhow::Result<ExitCode> {
    let (UnknownCommand::List(ListFlags { redis, .. })
    | UnknownCommand::Resend(DecideFlags { redis, .. })
    | UnknownCommand::Drop(DecideFlags { redis, .. })) = &command;
    let (desk, address) = desk(redis)?;
    let answered = match command {
        UnknownCommand::List(flags) => list(&desk, flags.output).await,
        UnknownCommand::Resend(flags) => decide(&desk, flags, Choice::Resend, now_ms).await,
        UnknownCommand::Drop(flags) => decide(&desk, flags, Choice::Drop, now_ms).await,
    };
    answered.with_context(|| {
        format!("Redis at {address} cannot be used: is it running, and is it that of content-service?")
    })
}

/// And where it is, without a password.
fn desk(flags: &RedisFlags) -> anyhow::Result<(Desk, String)> {
    let tls = flags.tls();
    let files = |error| Usage::new(format!("--redis-{error}"));
    tls.load().map_err(files)?;
    let config =
        RedisConfig { tls, ..RedisConfig::new(Servers::find()?.redis(flags)?, Duration::from_secs(5)) };
    let none = || Usage::new("the address of Redis is none: write it as redis://host:port");
    let address = config.url.as_str().into_connection_info().map_err(|_| none())?.addr().to_string();
    let redis = Redis::new(&config, &flags.namespace).map_err(|_| none())?;
    Ok((Desk::new(redis), address))
}

async fn list(desk: &Desk, output: Output) -> anyhow::Result<ExitCode> {
    let (waiting, mut lately) = (desk.waiting().await?, desk.lately().await?);
    lately.retain(|unknown| waiting.iter().all(|one| one.unknown != *unknown));
    let json = || {
        json!({
            "waiting": waiting.iter().map(waiting_json).collect::<Vec<_>>(),
            "lately": lately.iter().map(about).map(Value::Object).collect::<Vec<_>>(),
        })
    };
    output.answer(json, || page::of(&waiting, &lately))?;
    Ok(ExitCode::SUCCESS)
}

fn about(unknown: &Unknown) -> serde_json::Map<String, Value> {
    let Unknown { event_id, account, reply, ended_at_ms, occurred_at_ms, user, .. } = unknown;
    let map = json!({
        "eventId": event_id, "user": page::uid(user), "account": account, "reply": reply,
        "occurredAtMs": occurred_at_ms, "endedAtMs": ended_at_ms,
    });
    map.as_object().cloned().unwrap_or_default()
}

fn waiting_json(one: &Waiting) -> Value {
    let mut map = about(&one.unknown);
    let (left, until_ms) = one.right;
    map.insert("waitsUntilMs".to_owned(), json!(one.until_ms));
    map.insert("right".to_owned(), json!({ "left": left, "untilMs": until_ms }));
    map.insert("decided".to_owned(), json!(one.decided));
    Value::Object(map)
}

async fn decide(desk: &Desk, flags: DecideFlags, choice: Choice, now_ms: i64) -> anyhow::Result<ExitCode> {
    let waiting = desk.waiting().await?;
    let said = match waiting.into_iter().find(|one| one.unknown.event_id == flags.event_id) {
        None => Err(format!(
            "{} does not wait for a decision: its end is known, its window is over, or its reply does not say `unknown: ask`",
            flags.event_id
        )),
        Some(Waiting { right: (left, until_ms), .. })
            if choice == Choice::Resend && (left == 0 || until_ms <= now_ms) =>
        {
            Err("the user's right gives no message now: he has to act again first".to_owned())
        }
        Some(Waiting { decided: Some(before), .. }) if before.choice != choice => {
            Err("somebody has decided otherwise already".to_owned())
        }
        Some(one) => {
            desk.decide(&one.unknown, Decided { choice, at_ms: now_ms }).await?;
            done(desk, &one.unknown, choice).await?
        }
    };
    let (good, say) = match said {
        Ok(say) => (true, say),
        Err(say) => (false, say),
    };
    flags.output.answer(|| json!({ "ok": good, "eventId": flags.event_id, "say": say }), || say.clone())?;
    Ok(exit(good))
}

/// Waits until a content-service has done it, and says what came of it.
async fn done(desk: &Desk, unknown: &Unknown, choice: Choice) -> anyhow::Result<Result<String, String>> {
    let doing = async {
        while desk.decided().await?.iter().any(|(other, _)| other == unknown) {
            tokio::time::sleep(LOOK).await;
        }
        anyhow::Ok(())
    };
    let Ok(ended) = tokio::time::timeout(PATIENCE, doing).await else {
        return Ok(Ok("noted: a content-service will do it as soon as it can".to_owned()));
    };
    ended?;
    if choice == Choice::Drop {
        return Ok(Ok("it stays unknown".to_owned()));
    }
    if desk.waiting().await?.iter().any(|one| one.unknown == *unknown) {
        return Ok(Err("not sent again: the user's right does not give it".to_owned()));
    }
    let Some(End { outcome, reason, .. }) = desk.ended(unknown).await? else {
        return Ok(Err("not sent again: the ledger has forgotten it".to_owned()));
    };
    if outcome == Outcome::Sent {
        return Ok(Ok("sent again, and WeChat took it".to_owned()));
    }
    Ok(Err(format!("it stays unknown: {reason}")))
}
