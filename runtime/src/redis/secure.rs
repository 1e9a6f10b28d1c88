//! TLS to Redis: what new connections are made with follows the files, and a handshake that fails is told with its cause.

use std::{
    error::Error as _,
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates, cmd,
};
use rustls::{AlertDescription, CertificateError, Error};
use tokio::{sync::Notify, time::Instant};

use super::{
    RedisError,
    line::{CONNECT, Line},
};
use crate::{
    telemetry::Seldom,
    tls::{Pem, TlsFiles},
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often at most, while calls fail.
const RETRY: Duration = Duration::from_millis(500);
/// What is wrong is said so often.
const SAY: Duration = Duration::from_secs(60);

/// The files of an address that asks for TLS.
pub(super) fn asked(info: &ConnectionInfo, files: &TlsFiles) -> Option<TlsFiles> {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. }).then(|| files.clone())
}

/// A client with what stood in the files.
pub(super) fn client(info: &ConnectionInfo, pem: &Pem) -> Result<Client, RedisError> {
    let client_tls =
        pem.own.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let certificates = TlsCertificates { client_tls, root_cert: pem.ca.clone() };
    Client::build_with_tls(info.clone(), certificates).map_err(RedisError::from)
}

/// Looks after the files, and knows why no connection can be made. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Keeper {
    cause: Arc<Mutex<Option<String>>>,
    failing: Arc<Notify>,
}

impl Keeper {
    /// A call got no answer: where no connection can be made, that is why.
    pub(super) fn failed(&self, error: RedisError) -> RedisError {
        self.failing.notify_one();
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone();
        cause.map_or(error, RedisError::Away)
    }

    /// For as long as somebody holds the line: whenever the files have changed or calls fail, tries a connection with what stands in
    /// the files now. One that works replaces the one there is if the files are others; one that does not replaces none.
    pub(super) async fn keep(self, line: Weak<Line>, info: ConnectionInfo, files: TlsFiles, mut used: Pem) {
        let mut said = Seldom::every(SAY);
        loop {
            tokio::time::sleep(RETRY).await;
            let failing = tokio::time::timeout(LOOK, self.failing.notified()).await.is_ok();
            let Some(line) = line.upgrade() else { return };
            let looked = self.look(&line, &info, &files, &mut used, failing).await;
            if let Err(cause) = &looked
                && said.is_due(Instant::now())
            {
                tracing::warn!(cause, "no new connection to redis can be made");
            }
            *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = looked.err();
        }
    }

    async fn look(
        &self,
        line: &Line,
        info: &ConnectionInfo,
        files: &TlsFiles,
        used: &mut Pem,
        failing: bool,
    ) -> Result<(), String> {
        let reading = files.clone();
        let read =
            tokio::task::spawn_blocking(move || reading.load()).await.map_err(|error| error.to_string())?;
        let pem = read.map_err(|error| format!("redis.{error}"))?;
        if pem == *used && !failing && self.cause.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(());
        }
        let client = client(info, &pem).map_err(|error| error.to_string())?;
        reach(&client).await?;
        if pem != *used {
            line.renew(client);
            *used = pem;
            tracing::info!("redis is reached with the changed files for TLS");
        }
        Ok(())
    }
}

/// Whether a connection can be made and used; with TLS 1.3 a server refuses a client only in its first answer.
async fn reach(client: &Client) -> Result<(), String> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(CONNECT));
    let asked = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        cmd("PING").query_async::<()>(&mut connection).await
    };
    match asked.await {
        Err(error) if error.code().is_none() => Err(cause(&error).unwrap_or_else(|| error.to_string())),
        // A server that answers with an error has been reached.
        _ => Ok(()),
    }
}

/// What TLS has to say of a failed call.
pub(super) fn cause(error: &redis::RedisError) -> Option<String> {
    let shared = error.source()?.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    let inner = shared.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let told = inner.and_then(|inner| inner.downcast_ref()).or_else(|| shared.downcast_ref())?;
    Some(format!("TLS: {told}{}", hint(told)))
}

/// What a person can do.
fn hint(error: &Error) -> &'static str {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "; none of redis.ca vouches for the server's certificate"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "; the server's certificate has expired: have it renewed"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "; the server's certificate is not for the host in redis.url",
        Error::AlertReceived(Alert::CertificateRequired | Alert::HandshakeFailure) => {
            "; the server may want a certificate: set redis.certificate and redis.key"
        }
        Error::AlertReceived(
            Alert::UnknownCA
            | Alert::BadCertificate
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate
            | Alert::DecryptError,
        ) => "; the server does not take redis.certificate",
        _ => "",
    }
}
