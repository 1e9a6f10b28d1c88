//! The way to profile-service: enrichment of an event, and what was shown, each within its deadline.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context as _;
use proto::{
    event::Event,
    profile::{
        EnrichRequest, Enrichment, RecordAllRequest, RecordRequest, RecordResult, Shown, Trait,
        profile_service_client::ProfileServiceClient, record_request::What, record_result,
    },
};
use runtime::trace::{self, TraceParent};
use tokio::{sync::mpsc::Sender, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint, channel::Change},
};

/// How often names are looked up again.
const LOOK_UP: Duration = Duration::from_secs(5);
/// Least time that is left for a second try.
const WORTH_A_TRY: Duration = Duration::from_millis(20);
/// Largest answer in bytes: a full profile is some 50 KiB.
const LARGEST: usize = 1024 * 1024;

/// The client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Profiles {
    client: ProfileServiceClient<Channel>,
    deadline: Duration,
}

impl Profiles {
    /// A client for the addresses in `endpoint` (`http://host:port`, separated by commas), and the task that keeps looking
    /// the names up. Connects with the first call.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(
        endpoint: &str,
        deadline: Duration,
        shutdown: CancellationToken,
    ) -> anyhow::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let names = endpoint.split(',').map(host_and_port).collect::<anyhow::Result<Vec<String>>>()?;
        let (profiles, changes) = Self::balanced(deadline);
        let watch = async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = look_up(names, changes, addresses, LOOK_UP) => {}
            }
        };
        Ok((profiles, watch))
    }

    /// A client without any address, and the way to tell it some.
    fn balanced(deadline: Duration) -> (Self, Sender<AddressChange>) {
        let (channel, changes) = Channel::balance_channel(16);
        let client = ProfileServiceClient::new(channel).max_decoding_message_size(LARGEST);
        (Self { client, deadline }, changes)
    }

    /// The profile as of the event, which it learns from. One more try if the service was away and time is left.
    ///
    /// # Errors
    /// The service is away, late, or does not take the event.
    pub async fn enrich(
        &self,
        event: &Event,
        told: &[Trait],
        trace: TraceParent,
    ) -> Result<Enrichment, Status> {
        let request = || EnrichRequest { event: Some(event.clone()), told: told.to_vec() };
        let answer =
            self.within(trace, request, |mut client, request| async move { client.enrich(request).await });
        answer.await?.enrichment.ok_or_else(|| Status::internal("an answer without enrichment"))
    }

    /// The bound on a call.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Tells what was shown, at most 256 of it; the answers of the service, one for each in their order.
    ///
    /// # Errors
    /// The service is away or late, or does not know the call: none has an answer.
    pub async fn record_shown(
        &self,
        shown: &[Shown],
        trace: TraceParent,
    ) -> Result<impl Iterator<Item = Result<(), Status>> + use<>, Status> {
        let record = |shown: &Shown| RecordRequest { what: Some(What::Shown(shown.clone())) };
        let request = || RecordAllRequest { requests: shown.iter().map(record).collect() };
        let answer = self
            .within(trace, request, |mut client, request| async move { client.record_all(request).await });
        Ok(answer.await?.results.into_iter().map(recorded))
    }

    async fn within<Q, A, Answering>(
        &self,
        trace: TraceParent,
        question: impl Fn() -> Q,
        ask: impl Fn(ProfileServiceClient<Channel>, Request<Q>) -> Answering,
    ) -> Result<A, Status>
    where
        Answering: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let ends = Instant::now() + self.deadline;
        let mut tried = self.once(ends, trace, question(), &ask).await;
        let away = tried.as_ref().is_err_and(|status| status.code() == Code::Unavailable);
        if away && ends.saturating_duration_since(Instant::now()) > WORTH_A_TRY {
            tried = self.once(ends, trace, question(), &ask).await;
        }
        tried
    }

    async fn once<Q, A, Answering>(
        &self,
        ends: Instant,
        trace: TraceParent,
        question: Q,
        ask: &impl Fn(ProfileServiceClient<Channel>, Request<Q>) -> Answering,
    ) -> Result<A, Status>
    where
        Answering: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let mut request = Request::new(question);
        request.set_timeout(ends.saturating_duration_since(Instant::now()));
        if let Ok(value) = trace.child().to_string().parse() {
            request.metadata_mut().insert(trace::HEADER, value);
        }
        match tokio::time::timeout_at(ends, ask(self.client.clone(), request)).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }
}

fn recorded(answer: RecordResult) -> Result<(), Status> {
    match answer.result {
        Some(record_result::Result::Response(_)) => Ok(()),
        Some(record_result::Result::Refusal(refusal)) => {
            Err(Status::new(Code::from_i32(refusal.code), refusal.message))
        }
        None => Err(Status::internal("an answer that says nothing")),
    }
}

fn host_and_port(endpoint: &str) -> anyhow::Result<String> {
    let uri: tonic::transport::Uri =
        endpoint.trim().parse().with_context(|| format!("profile.endpoint: {endpoint:?} is no address"))?;
    anyhow::ensure!(
        uri.scheme_str() == Some("http"),
        "profile.endpoint: write {endpoint:?} as http://host:port"
    );
    let host = uri.host().with_context(|| format!("profile.endpoint: {endpoint:?} names no host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(50051)))
}

type AddressChange = Change<SocketAddr, Endpoint>;

/// The addresses of a name as the resolver has them now.
async fn addresses(name: String) -> io::Result<BTreeSet<SocketAddr>> {
    Ok(tokio::net::lookup_host(name).await?.collect())
}

/// Keeps the balanced addresses as the names have them.
async fn look_up<F, Found>(names: Vec<String>, changes: Sender<AddressChange>, find: F, every: Duration)
where
    F: Fn(String) -> Found,
    Found: Future<Output = io::Result<BTreeSet<SocketAddr>>>,
{
    let mut book = AddressBook::default();
    loop {
        for name in &names {
            let found = find(name.clone()).await.unwrap_or_else(|error| {
                tracing::warn!(%error, name, "profile-service is not found under this name now");
                BTreeSet::new()
            });
            for change in book.note(name, found) {
                changes.send(change).await.unwrap_or_default();
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// The addresses of each name as they were found last.
#[derive(Debug, Default)]
struct AddressBook(BTreeMap<String, BTreeSet<SocketAddr>>);

impl AddressBook {
    /// Notes what a look-up has found, and tells what that changes: who is new first, so that somebody is always there. A look-up
    /// that finds nothing changes nothing, since who was there before is more likely to answer than nobody.
    fn note(&mut self, name: &str, found: BTreeSet<SocketAddr>) -> Vec<AddressChange> {
        if found.is_empty() {
            return Vec::new();
        }
        let before = self.all();
        self.0.insert(name.to_owned(), found);
        let now = self.all();
        let new = now.difference(&before).map(|address| Change::Insert(*address, endpoint(*address)));
        let gone = before.difference(&now).map(|address| Change::Remove(*address));
        new.chain(gone).collect()
    }

    fn all(&self) -> BTreeSet<SocketAddr> {
        self.0.values().flatten().copied().collect()
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("an address and port under http:// are always a URI")
        .connect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
