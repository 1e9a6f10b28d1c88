//! TLS to a server: which files it takes, whether they can be used, and until when.

mod expiry;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{clock::Clock, config::Settings};

pub(crate) use expiry::REGISTRY;
pub use expiry::{Holds, watch};

/// The files of a client, or of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who may vouch for the other side; none: for a server the public authorities, for a client nobody has to.
    pub ca: Option<PathBuf>,
    /// The own certificate and what it takes to come from it to an authority.
    pub certificate: Option<PathBuf>,
    /// The key of the own certificate.
    pub key: Option<PathBuf>,
}

/// What stood in the files when they were read.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Who may vouch for the server.
    pub ca: Option<Vec<u8>>,
    /// The own certificate and its key.
    pub own: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why a file cannot be used. It names the setting and never what stands in the file.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {wrong}")]
pub struct TlsFileError {
    /// `ca`, `certificate` or `key`.
    pub setting: &'static str,
    /// What is wrong, and what to do.
    pub wrong: String,
}

impl TlsFiles {
    /// Reads `table.ca`, `table.certificate` and `table.key`; `tls` says whether the address asks for TLS.
    pub fn read(settings: &mut Settings, table: &str, server: &str, tls: bool) -> Self {
        let ca = settings.optional(
            &format!("{table}.ca"),
            &format!(
                "File with the authorities (PEM) that may vouch for {server}; without it: the public ones."
            ),
        );
        let certificate = settings.optional(
            &format!("{table}.certificate"),
            &format!(
                "File with the own certificate (PEM, with what leads to its authority), where {server} asks for one."
            ),
        );
        let key =
            settings.optional(&format!("{table}.key"), "File with the key (PEM) of the own certificate.");
        let files = Self { ca, certificate, key };
        if !tls && files != Self::default() {
            settings.problem(
                &format!("{table}.{}", files.first()),
                "is for TLS, which the address does not ask for",
            );
        } else if let Err(TlsFileError { setting, wrong }) = files.load() {
            settings.problem(&format!("{table}.{setting}"), &wrong);
        }
        files
    }

    /// Reads what a server serves TLS with: `table.certificate`, `table.key` and `table.client_ca`.
    pub fn read_server(settings: &mut Settings, table: &str) -> Self {
        let mut file = |name, meaning| settings.optional(&format!("{table}.{name}"), meaning);
        let files = Self {
            certificate: file(
                "certificate",
                "File with the certificate (PEM, with what leads to its authority) that is shown; without it: no TLS.",
            ),
            key: file("key", "File with the key (PEM) of the certificate."),
            ca: file(
                "client_ca",
                "File with the authorities (PEM) that must vouch for whoever calls; without it: anybody may call.",
            ),
        };
        if files.ca.is_some() && files.certificate.is_none() {
            settings.problem(&format!("{table}.client_ca"), "is for TLS: give a certificate and its key too");
        } else if let Err(TlsFileError { setting, wrong }) = files.load() {
            let setting = if setting == "ca" { "client_ca" } else { setting };
            settings.problem(&format!("{table}.{setting}"), &wrong);
        }
        files
    }

    fn first(&self) -> &'static str {
        match self {
            Self { ca: Some(_), .. } => "ca",
            Self { certificate: Some(_), .. } => "certificate",
            _ => "key",
        }
    }

    /// Reads the files and looks whether they can be used.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn load(&self) -> Result<Pem, TlsFileError> {
        let ca = self.ca.as_ref().map(|path| content("ca", path)).transpose()?;
        let own = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                Some((content("certificate", certificate)?, content("key", key)?))
            }
            (None, None) => None,
            (Some(_), None) => return Err(wrong("key", "is missing: a certificate is used with its key")),
            (None, Some(_)) => {
                return Err(wrong("certificate", "is missing: a key is used with its certificate"));
            }
        };
        let pem = Pem { ca, own };
        pem.check()?;
        Ok(pem)
    }

    /// Has `cert_not_after_seconds` tell until when the certificates are good.
    pub fn watch(&self) {
        if let Some(path) = &self.ca {
            watch(path, Holds::Authorities);
        }
        if let Some(path) = &self.certificate {
            watch(path, Holds::OwnCertificate);
        }
    }
}

impl std::fmt::Debug for Pem {
    /// Without what stands in the files: a key is among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

impl Pem {
    /// Whether the certificates can be used, and the key is of the own one.
    fn check(&self) -> Result<(), TlsFileError> {
        let mut roots = RootCertStore::empty();
        for authority in self.ca.iter().map(|pem| certificates("ca", pem)) {
            for certificate in authority? {
                roots
                    .add(certificate)
                    .map_err(|error| wrong("ca", &format!("is of no authority: {error}")))?;
            }
        }
        let Some((certificate, key)) = &self.own else { return Ok(()) };
        let chain = certificates("certificate", certificate)?;
        check_own(&chain, Clock::system().machine_ms() / 1000).map_err(|told| wrong("certificate", &told))?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| wrong("key", "holds no private key in PEM: write one there, without a password"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain, key));
        match client {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(wrong("key", &format!("is not of the certificate: {error}"))),
        }
    }
}

/// Whether a file that somebody else reads holds certificates that can be used; what is wrong, and what to do.
pub(crate) fn check(path: &Path, holds: Holds) -> Result<(), String> {
    let pem = fs::read(path).map_err(|error| unreadable(&error))?;
    let found = certificates("", &pem).map_err(|error| error.wrong)?;
    match holds {
        Holds::Authorities => Ok(()),
        Holds::OwnCertificate => check_own(&found, Clock::system().machine_ms() / 1000),
    }
}

/// Whether an own certificate and what leads to its authority are still good.
fn check_own(chain: &[CertificateDer<'_>], now: i64) -> Result<(), String> {
    for certificate in chain {
        let end = expiry::not_after(certificate)
            .ok_or("is no certificate that can be read: write another there")?;
        if end.timestamp() <= now {
            return Err(format!("has expired on {end}: have a new one made and write it there"));
        }
    }
    Ok(())
}

/// The certificates of a PEM file, at least one.
fn certificates(setting: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    read.ok()
        .filter(|all| !all.is_empty())
        .ok_or_else(|| wrong(setting, "holds no certificate in PEM: write one there"))
}

fn content(setting: &'static str, path: &PathBuf) -> Result<Vec<u8>, TlsFileError> {
    fs::read(path).map_err(|error| wrong(setting, &unreadable(&error)))
}

fn unreadable(error: &io::Error) -> String {
    format!("the file cannot be read: {error}")
}

fn wrong(setting: &'static str, told: &str) -> TlsFileError {
    TlsFileError { setting, wrong: told.to_owned() }
}

#[cfg(test)]
mod authority;
#[cfg(test)]
mod tests;
