//! A real Redis with TLS beside its plain port, through which the tests themselves speak to it, and the files of its clients.

use std::time::Duration;

use redis::cmd;
use runtime::{
    redis::{Redis, RedisConfig},
    tls::TlsFiles,
};

use super::{
    authority::{Authority, Folder, GOOD},
    processes::free_port,
    redis::RedisServer,
};

/// An authority, and the files that a server and its clients have from it.
pub(crate) struct Certificates {
    /// Where the server speaks TLS.
    pub(crate) port: u16,
    pub(crate) files: Folder,
    pub(crate) authority: Authority,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self { port: free_port(), files: Folder::new(), authority: Authority::new() }
    }

    /// Starts a server; `clients` is `yes` where a client has to show a certificate.
    pub(crate) async fn server(&self, clients: &str) -> RedisServer {
        let [certificate, key] = self.own("server", &self.authority, GOOD);
        let options = [
            ("--tls-port", self.port.to_string()),
            ("--tls-cert-file", certificate),
            ("--tls-key-file", key),
            ("--tls-ca-cert-file", self.trusted("ca", &self.authority)),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        let options = options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
        RedisServer::with(options.collect()).await
    }

    /// The server shows another certificate from now on, and looks again whom it trusts. Connections that there are stay.
    pub(crate) async fn shows(&self, server: &RedisServer, vouches: &Authority, ends: i32) {
        let [certificate, key] = self.own("server", vouches, ends);
        let mut set = cmd("CONFIG");
        set.arg("SET").arg("tls-cert-file").arg(certificate).arg("tls-key-file").arg(key);
        plain(server).query::<()>(&set).await.unwrap();
    }

    /// Files of a client that trusts an authority.
    pub(crate) fn trusting(&self, authority: &Authority) -> TlsFiles {
        TlsFiles { ca: Some(self.trusted("trusted", authority).into()), ..TlsFiles::default() }
    }

    /// Files of a client that trusts the server, and shows a certificate that somebody vouches for.
    pub(crate) fn showing(&self, vouches: &Authority, ends: i32) -> TlsFiles {
        let [certificate, key] = self.own("own", vouches, ends);
        TlsFiles {
            certificate: Some(certificate.into()),
            key: Some(key.into()),
            ..self.trusting(&self.authority)
        }
    }

    /// Writes down whom the server (`ca`) or its clients (`trusted`) trust.
    pub(crate) fn trusted(&self, whose: &str, authority: &Authority) -> String {
        self.files.write(&format!("{whose}.pem"), &authority.pem()).display().to_string()
    }

    fn own(&self, whose: &str, vouches: &Authority, ends: i32) -> [String; 2] {
        let (certificate, key) = vouches.vouches(ends);
        [("pem", certificate), ("key", key)]
            .map(|(kind, pem)| self.files.write(&format!("{whose}.{kind}"), &pem).display().to_string())
    }
}

/// Ends every other connection of a server.
pub(crate) async fn hang_up(server: &RedisServer) {
    plain(server).query::<()>(cmd("CLIENT").arg("KILL").arg("TYPE").arg("NORMAL")).await.unwrap();
}

fn plain(server: &RedisServer) -> Redis {
    Redis::new(&RedisConfig::new(server.url(), Duration::from_secs(5)), "").unwrap()
}
