//! Addresses, and a real TLS handshake with a server that is trusted here only.

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::api::stream::{Counted, Progress};

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/data/localhost.crt.der");
const KEY: &[u8] = include_bytes!("../../../tests/data/localhost.test-only.key.der");

fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], PrivatePkcs8KeyDer::from(KEY).into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server for one connection, which gives back four bytes.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        if let Ok(mut tls) = acceptor().accept(tcp).await {
            let mut bytes = [0; 4];
            tls.read_exact(&mut bytes).await.unwrap();
            tls.write_all(&bytes).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn tls_carries_bytes_and_counts_them_without_its_own() {
    let mut target = Target::parse(&format!("https://localhost:{}", echo().await)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(CERTIFICATE)).unwrap();
    let trusting = connector(roots).unwrap();
    target.tls = target.tls.map(|(_, name)| (trusting, name));

    let progress = Arc::new(Progress::default());
    let mut stream = Counted::new(target.connect().await.unwrap(), Arc::clone(&progress));
    assert_eq!((progress.written(), progress.flushed()), (0, 0));
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!((progress.written(), progress.flushed()), (4, 4));
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let target = Target::parse(&format!("https://localhost:{}", echo().await)).unwrap();
    let error = target.connect().await.err().unwrap();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn an_address_gives_host_port_and_prefix() {
    let parsed = |base_url| {
        let Target { host, port, host_header, prefix, tls } = Target::parse(base_url).unwrap();
        (host, port, host_header, prefix, tls.is_some())
    };
    let expected = |host: &str, port, header: &str, prefix: &str, tls| {
        (host.to_owned(), port, header.to_owned(), prefix.to_owned(), tls)
    };
    let host = "api.weixin.qq.com";
    assert_eq!(parsed("https://api.weixin.qq.com"), expected(host, 443, host, "", true));
    assert_eq!(parsed("http://127.0.0.1:8090/"), expected("127.0.0.1", 8090, "127.0.0.1:8090", "", false));
    assert_eq!(parsed("http://[::1]:80/a/b/"), expected("::1", 80, "[::1]:80", "/a/b", false));
}
