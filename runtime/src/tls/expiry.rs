//! Until when the certificates of this process are good, read from their files each time that metrics are asked for.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Registry,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::{parse_x509_certificate, time::ASN1Time};

/// What a file has in it, and so when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Authorities, of which any may be the one that counts: it ends with the last.
    Authorities,
    /// The own certificate and what leads to its authority: it ends with the first.
    OwnCertificate,
}

static WATCHED: LazyLock<Mutex<BTreeMap<PathBuf, Holds>>> = LazyLock::new(Mutex::default);

/// Metrics of certificates of this process.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Ends));
    registry
});

/// Has `cert_not_after_seconds` tell when a file ends.
pub fn watch(path: &Path, holds: Holds) {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), holds);
}

#[derive(Debug)]
struct Ends;

impl Collector for Ends {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if watched.is_empty() {
            return Ok(());
        }
        let help = "When the certificates of a file end, Unix seconds; 0: it holds none that can be read";
        let mut all = encoder.encode_descriptor("cert_not_after_seconds", help, None, MetricType::Gauge)?;
        for (path, holds) in watched {
            let labels = [("file", path.display().to_string())];
            let end = ConstGauge::new(end_of(&path, holds).unwrap_or(0));
            end.encode(all.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn end_of(path: &Path, holds: Holds) -> Option<i64> {
    let pem = fs::read(path).ok()?;
    let read = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| Some(not_after(&certificate.ok()?)?.timestamp()));
    let ends = read.collect::<Option<Vec<_>>>()?.into_iter();
    match holds {
        Holds::Authorities => ends.max(),
        Holds::OwnCertificate => ends.min(),
    }
}

/// The end of a certificate.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<ASN1Time> {
    parse_x509_certificate(certificate).ok().map(|(_, certificate)| certificate.validity().not_after)
}
