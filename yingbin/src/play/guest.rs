//! One guest: enters, taps, writes, and sees what arrives.

use anyhow::{Context as _, Result, ensure};
use proto::{LinkKey, reply::Reply};
use serde_json::{Value, json};
use simulator::Act;

use super::links::{TextLink, links_of};
use crate::{backstage::Backstage, example::Person};

/// What guests need of a running system.
#[derive(Clone, Debug)]
pub struct Plays {
    /// Address of the simulator.
    pub simulator: String,
    /// Reads the outcomes.
    pub backstage: Backstage,
    /// Opens the links' tokens, to know which item a link is about.
    pub links: LinkKey,
    /// Calls both; follows no redirect.
    pub http: reqwest::Client,
}

/// A person at the phone.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The system.
    pub plays: &'a Plays,
    /// Name of the account.
    pub account: &'a str,
    /// Who it is.
    pub person: &'a Person,
}

/// What an act led to.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What the gateway answered the last delivery.
    pub status: u64,
    /// The outcome.
    pub reply: Reply,
}

impl Answered {
    /// The messages that were sent, as `custom/send` bodies.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        let sent = self.reply.parts.iter().filter(|part| part.outcome() == proto::reply::Outcome::Sent);
        sent.filter_map(|part| serde_json::from_str(&part.message).ok()).collect()
    }

    /// All texts that a reader sees, joined.
    #[must_use]
    pub fn text(&self) -> String {
        self.messages().iter().map(readable).collect::<Vec<_>>().join("\n")
    }

    /// The links in the texts.
    #[must_use]
    pub fn links(&self) -> Vec<TextLink> {
        links_of(
            &self
                .messages()
                .iter()
                .filter_map(|message| message["text"]["content"].as_str())
                .collect::<String>(),
        )
    }
}

/// The words of a message of any type.
fn readable(message: &Value) -> String {
    match message {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            values.iter().map(readable).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
        }
        Value::Object(fields) => {
            let worded = fields
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "touser" | "msgtype" | "id" | "url"));
            worded
                .map(|(_, value)| readable(value))
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("\n")
        }
        _ => String::new(),
    }
}

impl Guest<'_> {
    /// Does something and waits for the outcome of its event.
    ///
    /// # Errors
    /// The simulator or the gateway refused, or did not answer.
    pub async fn does(&self, act: &Act) -> Result<Answered> {
        self.does_repeatedly(act, 1).await
    }

    /// The same with the push delivered `deliveries` times although the first was answered.
    ///
    /// # Errors
    /// As [`Guest::does`].
    pub async fn does_repeatedly(&self, act: &Act, deliveries: usize) -> Result<Answered> {
        let mark = self.plays.backstage.mark();
        let mut body = serde_json::to_value(act)?;
        body["account"] = json!(self.account);
        body["openid"] = json!(self.person.openid);
        if deliveries > 1 {
            body["repeat"] = json!(deliveries);
        }
        let url = format!("{}/sim/act", self.plays.simulator);
        let answer: Value =
            self.plays.http.post(url).json(&body).send().await?.error_for_status()?.json().await?;
        let attempts = answer["attempts"].as_array().map_or(&[][..], Vec::as_slice);
        let status = attempts.last().and_then(|last| last["status"].as_u64());
        ensure!(status == Some(200), "the gateway did not take the push: {answer}");
        ensure!(attempts.len() >= deliveries, "the push was not delivered {deliveries} times: {answer}");
        let reply = self.plays.backstage.outcomes(mark, &self.person.openid, 1).await.pop();
        Ok(Answered { status: 200, reply: reply.context("the system is ending")? })
    }

    /// Taps a link and waits until the tap has been learned.
    ///
    /// # Errors
    /// The gateway does not redirect.
    pub async fn taps(&self, link: &TextLink) -> Result<Reply> {
        self.taps_all(std::slice::from_ref(link)).await?.pop().context("the system is ending")
    }

    /// Taps links one after the other, then waits until all taps have been learned.
    ///
    /// # Errors
    /// The gateway does not redirect.
    pub async fn taps_all(&self, links: &[TextLink]) -> Result<Vec<Reply>> {
        let mark = self.plays.backstage.mark();
        for link in links {
            let answer = self.plays.http.get(&link.url).send().await?;
            ensure!(answer.status() == 302, "{} was answered {}", link.title, answer.status());
        }
        Ok(self.plays.backstage.outcomes(mark, &self.person.openid, links.len()).await)
    }

    /// The item that a link is about; `None` for a link that is none of ours.
    #[must_use]
    pub fn item_of(&self, link: &TextLink) -> Option<String> {
        let token = link.url.rsplit('/').next()?;
        self.plays.links.open(token, 0).ok().map(|link| link.item_id)
    }
}
