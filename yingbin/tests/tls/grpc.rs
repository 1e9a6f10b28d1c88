//! gRPC over TLS: who may ask profile-service, and whom its clients trust.

use std::{process::Output, time::Duration};

use content_service::{
    config::Profile,
    profiles::{Profiles, Unanswered},
};
use proto::event::Event;
use runtime::{tls::TlsFiles, trace::TraceParent};
use tokio_util::sync::CancellationToken;

use crate::support::{
    authority::{Authority, Folder, GOOD},
    processes::{Process, binary, free_port},
    redis::RedisServer,
};

/// Longest wait for a process that starts.
const READY: Duration = Duration::from_secs(20);
/// Longest wait for somebody who is let in, when all runs.
const PATIENCE: Duration = Duration::from_secs(5);

/// profile-service as a process, which takes nobody without a certificate.
struct Secure {
    _process: Process,
    _redis: RedisServer,
    port: u16,
    files: Folder,
    authority: Authority,
}

impl Secure {
    async fn start() -> Self {
        let redis = RedisServer::start().await;
        let (port, admin, files, authority) = (free_port(), free_port(), Folder::new(), Authority::new());
        let (certificate, key) = authority.vouches(GOOD);
        let file = |name: &str, pem: &str| files.write(name, pem).display().to_string();
        let settings = format!(
            "[grpc]\nlisten = '127.0.0.1:{port}'\ncertificate = '{}'\nkey = '{}'\nclient_ca = '{}'\n\
             [admin]\nlisten = '127.0.0.1:{admin}'\n[redis]\nurl = '{}'\n[kafka]\nbootstrap = '127.0.0.1:1'\n",
            file("server.pem", &certificate),
            file("server.key", &key),
            file("ca.pem", &authority.pem()),
            redis.url()
        );
        let mut command = binary("profile-service");
        command.arg("--config").arg(files.write("settings.toml", &settings));
        let process = Process::start("profile-service-tls", command, files.path());
        Self { _process: process, _redis: redis, port, files, authority }
    }

    fn trusting(&self, authority: &Authority) -> TlsFiles {
        let name = format!("trusted-{:08x}.pem", rand::random::<u32>());
        TlsFiles { ca: Some(self.files.write(&name, &authority.pem())), ..TlsFiles::default() }
    }

    fn showing(&self, vouches: &Authority) -> TlsFiles {
        let ((certificate, key), n) = (vouches.vouches(GOOD), rand::random::<u32>());
        TlsFiles {
            certificate: Some(self.files.write(&format!("own-{n:08x}.pem"), &certificate)),
            key: Some(self.files.write(&format!("own-{n:08x}.key"), &key)),
            ..self.trusting(&self.authority)
        }
    }

    /// Whether content-service's client gets an answer before its patience ends.
    async fn answers(&self, scheme: &str, tls: TlsFiles, patience: Duration) -> bool {
        let endpoint = format!("{scheme}://localhost:{}", self.port);
        let config = Profile { endpoint, tls, deadline: Duration::from_secs(1) };
        let (profiles, looking_up) = Profiles::new(&config, CancellationToken::new()).unwrap();
        let looking_up = tokio::spawn(looking_up);
        let asked = async {
            // What it says of an event that holds nothing does not matter: nobody else can say it.
            while let Err(Unanswered::Lost(_)) =
                profiles.enrich(&Event::default(), &[], TraceParent::new_root()).await
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let answered = tokio::time::timeout(patience, asked).await.is_ok();
        looking_up.abort();
        answered
    }

    /// `yingbin who`, as an operator asks.
    async fn who(&self, tls: &TlsFiles) -> Output {
        let mut command = binary("yingbin");
        command.args([
            "who",
            "o-1",
            "--account",
            "wx1",
            "--profile",
            &format!("https://localhost:{}", self.port),
        ]);
        let flags = [("ca", &tls.ca), ("certificate", &tls.certificate), ("key", &tls.key)];
        for (flag, path) in flags.into_iter().filter_map(|(flag, path)| Some((flag, path.as_ref()?))) {
            command.arg(format!("--profile-{flag}")).arg(path);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_certificate_is_not_answered_and_who_trusts_another_authority_does_not_ask() {
    let secure = Secure::start().await;
    let right = secure.showing(&secure.authority);
    assert!(secure.answers("https", right.clone(), READY).await);
    let strange = TlsFiles { ca: secure.trusting(&Authority::new()).ca, ..right.clone() };
    let refused = futures::join!(
        secure.answers("https", secure.trusting(&secure.authority), PATIENCE),
        secure.answers("https", secure.showing(&Authority::new()), PATIENCE),
        secure.answers("https", strange, PATIENCE),
        secure.answers("http", TlsFiles::default(), PATIENCE),
        secure.answers("https", right.clone(), PATIENCE),
    );
    assert_eq!(refused, (false, false, false, false, true));

    let (unknown, refused) =
        (secure.who(&right).await, secure.who(&secure.trusting(&secure.authority)).await);
    let told = |output: &Output| {
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
    };
    assert!(!told(&unknown).contains("does not answer"), "{}", told(&unknown));
    assert!(!refused.status.success() && told(&refused) != told(&unknown), "{}", told(&refused));
}
