//! Who is asked: the addresses that the names of profile-service have now.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context as _;
use tokio::sync::mpsc::Sender;
use tonic::transport::{ClientTlsConfig, Endpoint, channel::Change};

/// How often names are looked up again.
pub(super) const LOOK_UP: Duration = Duration::from_secs(5);

pub(super) type AddressChange = Change<SocketAddr, Endpoint>;

/// `host:port` of `http://host:port` or `https://host:port`.
///
/// # Errors
/// It is no such address.
pub(super) fn host_and_port(endpoint: &str) -> anyhow::Result<String> {
    let uri: tonic::transport::Uri =
        endpoint.trim().parse().with_context(|| format!("profile.endpoint: {endpoint:?} is no address"))?;
    anyhow::ensure!(
        matches!(uri.scheme_str(), Some("http" | "https")),
        "profile.endpoint: write {endpoint:?} as http://host:port or https://host:port"
    );
    let host = uri.host().with_context(|| format!("profile.endpoint: {endpoint:?} names no host"))?;
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(50051)))
}

/// The addresses of a name as the resolver has them now.
pub(super) async fn addresses(name: String) -> io::Result<BTreeSet<SocketAddr>> {
    Ok(tokio::net::lookup_host(name).await?.collect())
}

/// Keeps the balanced addresses as the names have them.
pub(super) async fn look_up<F, Found>(
    names: Vec<String>,
    secure: Option<ClientTlsConfig>,
    changes: Sender<AddressChange>,
    find: F,
    every: Duration,
) where
    F: Fn(String) -> Found,
    Found: Future<Output = io::Result<BTreeSet<SocketAddr>>>,
{
    let mut book = AddressBook { secure, ..AddressBook::default() };
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
struct AddressBook {
    names: BTreeMap<String, BTreeSet<SocketAddr>>,
    /// How they are reached with TLS.
    secure: Option<ClientTlsConfig>,
}

impl AddressBook {
    /// Notes what a look-up has found, and tells what that changes: who is new first, so that somebody is always there. A look-up
    /// that finds nothing changes nothing, since who was there before is more likely to answer than nobody.
    fn note(&mut self, name: &str, found: BTreeSet<SocketAddr>) -> Vec<AddressChange> {
        if found.is_empty() {
            return Vec::new();
        }
        let before = self.all();
        self.names.insert(name.to_owned(), found);
        let now = self.all();
        let found =
            |address: &SocketAddr| Change::Insert(*address, endpoint(*address, self.secure.clone(), name));
        let new = now.difference(&before).map(found);
        let gone = before.difference(&now).map(|address| Change::Remove(*address));
        new.chain(gone).collect()
    }

    fn all(&self) -> BTreeSet<SocketAddr> {
        self.names.values().flatten().copied().collect()
    }
}

/// One address, with TLS to whoever has this name.
fn endpoint(address: SocketAddr, secure: Option<ClientTlsConfig>, name: &str) -> Endpoint {
    let scheme = if secure.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
        .expect("an address and port are always a URI")
        .connect_timeout(Duration::from_secs(1))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true);
    let Some(tls) = secure else { return endpoint };
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host).trim_matches(['[', ']']);
    endpoint.clone().tls_config(tls.domain_name(host)).unwrap_or_else(|error| {
        tracing::error!(%error, "TLS to profile-service cannot be set up");
        // Nobody is asked without TLS: an https address that has none is not connected to.
        endpoint
    })
}

#[cfg(test)]
#[path = "addresses_tests.rs"]
mod tests;
