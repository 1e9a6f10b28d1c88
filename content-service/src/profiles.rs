//! The way to profile-service: enrichment of an event, and what was shown, each within its deadline.

mod addresses;
mod batches;
mod call;

use std::{fmt, time::Duration};

use anyhow::anyhow;
use proto::{
    event::Event,
    profile::{
        EnrichAllRequest, EnrichRequest, Enrichment, RecordAllRequest, RecordRequest, Shown, Trait,
        profile_service_client::ProfileServiceClient, record_request::What,
    },
};
use runtime::{
    tls::{Pem, TlsFileError, TlsFiles},
    trace::TraceParent,
};
use tokio::{
    sync::{mpsc::Sender, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use crate::config;
use addresses::{AddressChange, LOOK_UP, addresses, host_and_port, look_up};
use batches::{Batches, Full};
use call::Asked;

/// Least time that is left for a second try.
const WORTH_A_TRY: Duration = Duration::from_millis(20);
/// Largest answer in bytes: a full profile is some 50 KiB.
const LARGEST: usize = 1024 * 1024;

/// Why a question has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    /// profile-service's own word on this question.
    #[error("profile-service refuses: {0:?}")]
    Refused(Status),
    /// No word of it came: it is away or late, or the call was broken off.
    #[error("no word of profile-service: {0:?}")]
    Lost(Status),
}

impl Unanswered {
    /// What gRPC calls it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(status) | Self::Lost(status) => status.code(),
        }
    }
}

/// The client. Clones share its connections and its calls.
#[derive(Clone)]
pub struct Profiles {
    enriching: Batches<Asked<EnrichAllRequest, Enrichment>>,
    recording: Batches<Asked<RecordAllRequest, ()>>,
    deadline: Duration,
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiles").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Profiles {
    /// A client for the addresses of `config`, and the task that keeps looking the names up. Connects with the first call.
    ///
    /// # Errors
    /// An address that is none, or a file for TLS that cannot be used.
    pub fn new(
        config: &config::Profile,
        shutdown: CancellationToken,
    ) -> anyhow::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let addressed = config.endpoint.split(',').map(host_and_port);
        let names = addressed.collect::<anyhow::Result<Vec<String>>>()?;
        let (profiles, changes) = Self::balanced(config.deadline);
        let secure = config.endpoint.trim().starts_with("https://");
        let secure =
            secure.then(|| tls(&config.tls)).transpose().map_err(|error| anyhow!("profile.{error}"))?;
        let watch = async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = look_up(names, secure, changes, addresses, LOOK_UP) => {}
            }
        };
        Ok((profiles, watch))
    }

    /// A client without any address, and the way to tell it some.
    fn balanced(deadline: Duration) -> (Self, Sender<AddressChange>) {
        let (channel, changes) = Channel::balance_channel(16);
        let client = ProfileServiceClient::new(channel).max_decoding_message_size(LARGEST);
        let recorder = client.clone();
        let enriching = Batches::new(move |asked| {
            let mut client = client.clone();
            call::ask(asked, async move |request| client.enrich_all(request).await)
        });
        let recording = Batches::new(move |asked| {
            let mut client = recorder.clone();
            call::ask(asked, async move |request| client.record_all(request).await)
        });
        (Self { enriching, recording, deadline }, changes)
    }

    /// The profile as of the event, which it learns from. One more try if no word of it came and time is left. Dropping the future
    /// does not take the event back.
    ///
    /// # Errors
    /// The service is away, late, or does not take the event.
    pub async fn enrich(
        &self,
        event: &Event,
        told: &[Trait],
        trace: TraceParent,
    ) -> Result<Enrichment, Unanswered> {
        let question = |traceparent| {
            let request = EnrichRequest { event: Some(event.clone()), told: told.to_vec() };
            EnrichAllRequest { request: Some(request), traceparent }
        };
        self.ask(&self.enriching, trace, question).await
    }

    /// Tells what was shown. Dropping the future does not take it back.
    ///
    /// # Errors
    /// The service is away, late, or does not take it. Unless it was refused as invalid or never told, it may be recorded all the
    /// same.
    pub async fn record_shown(&self, shown: &Shown, trace: TraceParent) -> Result<(), Unanswered> {
        let question = |traceparent| {
            let request = RecordRequest { what: Some(What::Shown(shown.clone())) };
            RecordAllRequest { request: Some(request), traceparent }
        };
        self.ask(&self.recording, trace, question).await
    }

    async fn ask<Q: Send + 'static, A: Send + 'static>(
        &self,
        batches: &Batches<Asked<Q, A>>,
        trace: TraceParent,
        question: impl Fn(String) -> Q,
    ) -> Result<A, Unanswered> {
        let ends = Instant::now() + self.deadline;
        let tried = || once(batches, ends, trace, question(trace.child().to_string()));
        match tried().await {
            Err(Unanswered::Lost(_)) if Instant::now() + WORTH_A_TRY < ends => tried().await,
            answered => answered,
        }
    }
}

/// TLS to profile-service as the files say.
///
/// # Errors
/// A file cannot be used.
pub fn tls(files: &TlsFiles) -> Result<ClientTlsConfig, TlsFileError> {
    let Pem { ca, own } = files.load()?;
    files.watch();
    let config = match ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
        None => ClientTlsConfig::new().with_webpki_roots(),
    };
    Ok(match own {
        Some((certificate, key)) => config.identity(Identity::from_pem(certificate, key)),
        None => config,
    })
}

async fn once<Q: Send + 'static, A: Send + 'static>(
    batches: &Batches<Asked<Q, A>>,
    ends: Instant,
    trace: TraceParent,
    question: Q,
) -> Result<A, Unanswered> {
    let (answer, answered) = oneshot::channel();
    let lost = |status| Err(Unanswered::Lost(status));
    if batches.push(Asked { question, trace, ends, answer }) == Err(Full) {
        return lost(Status::resource_exhausted("too much waits for profile-service"));
    }
    match tokio::time::timeout_at(ends, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => lost(Status::internal("the call was broken off: a defect")),
        Err(_) => lost(Status::deadline_exceeded("no answer in time")),
    }
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
