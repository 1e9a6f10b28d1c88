//! Redis over TLS: who is trusted, what is said when somebody is not, and certificates that change while calls are made.

use std::{path::PathBuf, time::Duration};

use redis::cmd;
use runtime::{
    redis::{Redis, RedisConfig, RedisError},
    tls::TlsFiles,
};

use crate::{
    authority::{Authority, EXPIRED, Folder, GOOD},
    support::{
        processes::{free_port, until},
        redis::RedisServer,
    },
};

/// Longest wait for a connection, or for the reason why there is none.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with TLS beside its plain port, through which the tests themselves speak to it.
struct Secure {
    server: RedisServer,
    port: u16,
    files: Folder,
    authority: Authority,
}

impl Secure {
    /// Starts one; `clients` is `yes` where a client has to show a certificate.
    async fn start(clients: &str) -> Self {
        let (port, files, authority) = (free_port(), Folder::new(), Authority::new());
        let (certificate, key) = authority.vouches(GOOD);
        let paths = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", files.write("server.pem", &certificate).display().to_string()),
            ("--tls-key-file", files.write("server.key", &key).display().to_string()),
            ("--tls-ca-cert-file", files.write("ca.pem", &authority.pem()).display().to_string()),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        let options = paths.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
        Self { server: RedisServer::with(options.collect()).await, port, files, authority }
    }

    /// Shows another certificate from now on; connections that there are stay.
    async fn shows(&self, (certificate, key): (String, String)) {
        let files = [("server.pem", certificate), ("server.key", key)]
            .map(|(name, pem)| self.files.write(name, &pem));
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("tls-cert-file").arg(files[0].display().to_string());
        set.arg("tls-key-file").arg(files[1].display().to_string());
        self.plain().query::<()>(&set).await.unwrap();
    }

    /// Ends every other connection.
    async fn hangs_up(&self) {
        self.plain().query::<()>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("NORMAL")).await.unwrap();
    }

    fn plain(&self) -> Redis {
        Redis::new(&RedisConfig::new(self.server.url(), Duration::from_secs(5)), "").unwrap()
    }

    fn client(&self, tls: TlsFiles) -> Redis {
        let url = format!("rediss://127.0.0.1:{}", self.port);
        Redis::new(&RedisConfig { tls, ..RedisConfig::new(url, Duration::from_millis(100)) }, "").unwrap()
    }

    /// Files of a client that trusts an authority.
    fn trusting(&self, authority: &Authority) -> TlsFiles {
        TlsFiles { ca: Some(self.files.write("trusted.pem", &authority.pem())), ..TlsFiles::default() }
    }

    /// Files of a client that shows a certificate, and where it and its key are.
    fn showing(&self, vouches: &Authority) -> (TlsFiles, PathBuf, PathBuf) {
        let (certificate, key) = vouches.vouches(GOOD);
        let certificate = self.files.write("own.pem", &certificate);
        let key = self.files.write("own.key", &key);
        let own = TlsFiles {
            certificate: Some(certificate.clone()),
            key: Some(key.clone()),
            ..self.trusting(&self.authority)
        };
        (own, certificate, key)
    }
}

async fn answers(redis: &Redis) {
    until("redis answers", PATIENCE, async || redis.query::<()>(&cmd("PING")).await.ok()).await;
}

/// What is said once it is known why there is no connection.
async fn refused(redis: &Redis) -> String {
    let told = async || match redis.query::<()>(&cmd("PING")).await {
        Err(RedisError::Away(cause)) if cause.starts_with("TLS: ") || cause.starts_with("redis.") => {
            Some(cause)
        }
        Err(_) => None,
        Ok(()) => panic!("redis answered"),
    };
    until("the cause is told", PATIENCE, told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_authority_vouches_for_is_spoken_to_and_nobody_else() {
    let secure = Secure::start("no").await;
    answers(&secure.client(secure.trusting(&secure.authority))).await;
    let told = refused(&secure.client(secure.trusting(&Authority::new()))).await;
    assert!(told.contains("UnknownIssuer") && told.contains("none of redis.ca"), "{told}");
    let told = refused(&secure.client(TlsFiles::default())).await;
    assert!(told.contains("UnknownIssuer"), "the public authorities do not: {told}");
    secure.shows(secure.authority.vouches(EXPIRED)).await;
    let told = refused(&secure.client(secure.trusting(&secure.authority))).await;
    assert!(told.contains("expired: have it renewed"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_certificate_gets_the_own_one_and_what_it_does_not_take_is_told() {
    let secure = Secure::start("yes").await;
    let told = refused(&secure.client(secure.trusting(&secure.authority))).await;
    assert!(told.contains("set redis.certificate and redis.key"), "{told}");
    let told = refused(&secure.client(secure.showing(&Authority::new()).0)).await;
    assert!(told.contains("the server does not take redis.certificate"), "{told}");
    answers(&secure.client(secure.showing(&secure.authority).0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_change_are_used_for_new_connections_and_bad_ones_replace_nothing() {
    let secure = Secure::start("yes").await;
    let (files, certificate, key) = secure.showing(&secure.authority);
    let trusted = files.ca.clone().unwrap();
    let redis = secure.client(files);
    answers(&redis).await;

    // A certificate without its key, as between the two steps of a rotation: nothing changes.
    let next = secure.authority.vouches(GOOD);
    std::fs::write(&certificate, &next.0).unwrap();
    secure.hangs_up().await;
    answers(&redis).await;

    // All new: the authority, what the server shows, what the client shows.
    let authority = Authority::new();
    std::fs::write(secure.files.path().join("ca.pem"), authority.pem()).unwrap();
    secure.shows(authority.vouches(GOOD)).await;
    secure.hangs_up().await;
    let told = refused(&redis).await;
    assert!(told.contains("redis.key: is not of the certificate"), "{told}");
    let next = authority.vouches(GOOD);
    for (path, pem) in [(&trusted, authority.pem()), (&key, next.1), (&certificate, next.0)] {
        std::fs::write(path, pem).unwrap();
    }
    answers(&redis).await;
}
