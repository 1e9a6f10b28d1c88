//! `yingbin who`: everything known about one person, readably.

mod page;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, anyhow};
use clap::Args;
use proto::{
    activity::{Customer, ExternalId, User, customer::Name},
    profile::{GetRequest, Profile, profile_service_client::ProfileServiceClient},
};
use serde_json::json;
use tonic::{Code, transport::Endpoint};

use super::{Output, ProfileFlags, Servers, Usage};
use crate::json;

/// A person is waiting at the terminal; the service itself answers within 150 ms or says that its store is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Mr Li of the examples.
pub const EXAMPLE: &str = "Example: yingbin who oQjLiQTuNzuNGrTFhxhavBToSo2I --account qianjiang";

/// Who is meant.
#[derive(Args, Debug)]
pub struct WhoFlags {
    /// An openid, or `NAMESPACE:ID` for a number of another system: `skypearl:42`.
    user: String,
    /// AppId of the account whose openid it is, or its name in a running `yingbin up`. Not needed if there is only one.
    #[arg(long, value_name = "APP_ID_OR_NAME")]
    account: Option<String>,
    #[command(flatten)]
    profile: ProfileFlags,
    #[command(flatten)]
    output: Output,
}

/// Runs it. Exit code 1: nobody is known under this name.
///
/// # Errors
/// profile-service is not found or does not answer, what is named cannot be one, or no account is named for an openid.
pub async fn run(flags: WhoFlags) -> anyhow::Result<ExitCode> {
    let servers = Servers::find()?;
    let name = match external(&flags.user)? {
        Some(external) => Name::External(external),
        None => {
            let openid = openid(&flags.user)?;
            Name::User(User { app_id: servers.app_id(flags.account.as_deref())?, openid })
        }
    };
    let Some(profile) = get(servers.profile(&flags.profile)?, name).await? else {
        let say = format!("nobody is known as {}", flags.user);
        flags.output.answer(|| json!({ "ok": false, "say": say }), || say.clone())?;
        return Ok(ExitCode::FAILURE);
    };
    flags.output.answer(|| json::to_json(&profile), || page::of(&profile))?;
    Ok(ExitCode::SUCCESS)
}

/// An openid holds no colon.
fn external(user: &str) -> Result<Option<ExternalId>, Usage> {
    let Some((namespace, id)) = user.split_once(':') else { return Ok(None) };
    if namespace.is_empty() || id.is_empty() {
        return Err(Usage::new(format!(
            "{user:?} is no NAMESPACE:ID: both sides of the colon say something"
        )));
    }
    Ok(Some(ExternalId { namespace: namespace.to_owned(), id: id.to_owned() }))
}

fn openid(user: &str) -> Result<String, Usage> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if user.is_empty() || !user.chars().all(letter) {
        return Err(Usage::new(format!(
            "{user:?} is no openid, which holds letters, digits, - and _: the phone's address shows that of its guest, \
             `yingbin tail events` those of all"
        )));
    }
    Ok(user.to_owned())
}

async fn get(profile: Endpoint, name: Name) -> anyhow::Result<Option<Profile>> {
    let at = profile.uri().to_string();
    let at = at.trim_end_matches('/');
    let away = || format!("profile-service at {at} does not answer: is it running, and is this its address?");
    let endpoint = profile.connect_timeout(PATIENCE).timeout(PATIENCE);
    let mut client = ProfileServiceClient::new(endpoint.connect().await.with_context(away)?);
    match client.get(GetRequest { customer: Some(Customer { name: Some(name) }) }).await {
        Ok(answer) => Ok(answer.into_inner().profile),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(anyhow!("profile-service: {}", status.message())),
    }
}
