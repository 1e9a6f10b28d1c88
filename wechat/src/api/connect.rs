//! Where the API is, and the way to a connection: TCP without delay, TLS for https. No proxy, no redirects.

use std::sync::Arc;

use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::stream::Stream;

/// Why a client can not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not an address of the API.
    #[error("`{0}` is no address of the API: write it like https://api.weixin.qq.com")]
    BaseUrl(String),
    /// The TLS library refused its own defaults.
    #[error("TLS can not be set up: {0}")]
    Tls(String),
}

/// One server.
pub(super) struct Target {
    host: String,
    port: u16,
    host_header: String,
    prefix: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Target {
    pub(super) fn parse(base_url: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::BaseUrl(base_url.to_owned());
        let uri: Uri = base_url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or_else(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (standard, tls) = match uri.scheme_str() {
            Some("https") => {
                let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                (443, Some((connector(roots)?, ServerName::try_from(host.clone()).map_err(|_| wrong())?)))
            }
            Some("http") => (80, None),
            _ => return Err(wrong()),
        };
        Ok(Self {
            host,
            port: authority.port_u16().unwrap_or(standard),
            host_header: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    pub(super) fn host_header(&self) -> &str {
        &self.host_header
    }

    /// The path before the API's own, without a slash at its end.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) async fn connect(&self) -> Result<Stream, String> {
        let told = |error| format!("connecting to {} failed: {error}", self.host_header);
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(told)?;
        tcp.set_nodelay(true).map_err(told)?;
        match &self.tls {
            None => Ok(Stream::Clear(tcp)),
            Some((connector, name)) => {
                let tls = connector.connect(name.clone(), tcp).await.map_err(told)?;
                Ok(Stream::Tls(Box::new(tls)))
            }
        }
    }
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests;
