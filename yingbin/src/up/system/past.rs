//! The past of the examples' people, lived through before the present is announced.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use proto::profile::{GetRequest, ImportRequest, profile_service_client::ProfileServiceClient};

use super::System;
use crate::play::{Life, Progress};

/// The customer databases have known their people at least as long as these have been visiting.
const TWO_MONTHS_MS: i64 = 61 * 86_400_000;

impl System {
    /// Imports what the customer databases say, then lives everybody's past up to the present.
    ///
    /// # Errors
    /// The system did not take it.
    pub async fn live_the_past(&self, progress: Progress<'_>) -> Result<()> {
        let present_ms = self.clock.now_ms();
        let mut profiles = self.profiles().await?;
        self.import(&mut profiles, present_ms - TWO_MONTHS_MS).await?;
        let told = self.life().live(&self.examples, &self.items, present_ms, progress).await?;
        for example in &self.examples {
            for person in &example.people {
                if let Some(last) = told.get(&person.openid) {
                    let user = person.user(&example.account.app_id);
                    self.learned(user, last)
                        .await
                        .with_context(|| format!("activities of {}", person.name))?;
                }
            }
        }
        self.clock.set_ms(self.clock.machine_ms());
        Ok(())
    }

    /// A life for the people of this system.
    #[must_use]
    pub fn life(&self) -> Life<'_> {
        Life {
            plays: &self.plays,
            clock: &self.clock,
            producer: &self.producer,
            activity_topic: self.infrastructure.kafka.topic(proto::ACTIVITY.name),
        }
    }

    /// A client of profile-service.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn profiles(&self) -> Result<ProfileServiceClient<tonic::transport::Channel>> {
        Ok(ProfileServiceClient::connect(self.addresses.profile.clone()).await?)
    }

    /// Waits until an activity of somebody has been learned from.
    ///
    /// # Errors
    /// It is not within five seconds.
    pub async fn learned(&self, user: proto::activity::User, activity_id: &str) -> Result<()> {
        let mut profiles = self.profiles().await?;
        let name = proto::activity::customer::Name::User(user);
        let customer = Some(proto::activity::Customer { name: Some(name) });
        for _ in 0..500 {
            let found = profiles.get(GetRequest { customer: customer.clone() }).await;
            let profile = found.ok().and_then(|found| found.into_inner().profile).unwrap_or_default();
            if profile.activities.iter().any(|activity| activity.id == activity_id) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("not learned from within five seconds")
    }

    async fn import(
        &self,
        profiles: &mut ProfileServiceClient<tonic::transport::Channel>,
        at_ms: i64,
    ) -> Result<()> {
        let updates: Vec<ImportRequest> = self
            .examples
            .iter()
            .flat_map(|example| {
                example.people.iter().filter_map(|person| person.import(&example.account.app_id, at_ms))
            })
            .map(|update| ImportRequest { update: Some(update) })
            .collect();
        let imported = profiles.import(tokio_stream::iter(updates)).await?.into_inner();
        match imported.refusals.first() {
            Some(refusal) => bail!("person {} was refused: {}", refusal.number, refusal.reason),
            None => Ok(()),
        }
    }
}
