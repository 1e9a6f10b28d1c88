//! A real gateway with a spool: killed, or on a disk that is none. `disk` has those that are full, slow, or fail.

mod disk;

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command as StdCommand, Stdio},
    sync::Arc,
};

use rdkafka::mocking::MockCluster;
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    task::JoinSet,
};
use wechat::{
    Mode,
    push::{Credentials, Format, seal},
};

use crate::{
    house::{House, text, until},
    wire::{self, Reply},
};

/// A running process.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) credentials: Credentials,
}

fn credentials() -> Credentials {
    Credentials {
        app_id: "wx1".into(),
        token: "t".into(),
        previous_token: None,
        aes_key: None,
        previous_aes_key: None,
        mode: Mode::Plain,
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A gateway with one account in plain mode, to be started by a shell after `first`; its spool, if any, is in `folder`.
pub(crate) fn gateway<'a>(
    bootstrap: &str,
    folder: impl Into<Option<&'a Path>>,
    first: &str,
    more: &[&str],
) -> (Command, SocketAddr, SocketAddr) {
    let (public, admin) = (free_address(), free_address());
    let mut flags: Vec<String> = [
        "links.secret=0123456789abcdef",
        "accounts.0.name=a",
        "accounts.0.app_id=wx1",
        "accounts.0.token=t",
        "accounts.0.mode=plain",
        "shutdown.announce=0ms",
    ]
    .map(str::to_owned)
    .into();
    flags.extend([
        format!("gateway.listen={public}"),
        format!("admin.listen={admin}"),
        format!("kafka.bootstrap={bootstrap}"),
    ]);
    if let Some(folder) = folder.into() {
        // What Kafka does not take so soon goes into the spool; without one a busy machine would make it a 503.
        flags.extend([format!("spool.dir={}", folder.display()), "limits.produce_timeout=300ms".into()]);
    }
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{first} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_gateway")])
        .args(flags.into_iter().flat_map(|flag| ["--set".to_owned(), flag]))
        .kill_on_drop(true)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    (command, public, admin)
}

impl Process {
    pub(crate) async fn start(bootstrap: &str, folder: &Path, first: &str) -> Self {
        let (mut command, public, admin) = gateway(bootstrap, folder, first, &[]);
        let process = Self::of(command.spawn().unwrap(), public, admin);
        process.ready().await;
        process
    }

    /// One that was started by [`gateway`].
    pub(crate) fn of(child: Child, public: SocketAddr, admin: SocketAddr) -> Self {
        Self { child, public, admin, credentials: credentials() }
    }

    pub(crate) async fn ready(&self) {
        until(async || tokio::net::TcpStream::connect(self.admin).await.is_ok()).await;
        until(async || wire::get(self.admin, "/readyz").await.status == 200).await;
    }

    /// The request of a push, signed now.
    pub(crate) fn request(&self, document: &[u8]) -> Vec<u8> {
        let now = runtime::clock::Clock::system().now_ms() / 1000;
        let push = seal(&self.credentials, document, Format::of(document), now, "n", [7; 16]).unwrap();
        wire::request("POST", &format!("/wechat/a?{}", push.query), "", &push.body)
    }

    pub(crate) async fn push(&self, user: &str, n: usize) -> Reply {
        wire::exchange(self.public, &self.request(&text(user, n))).await
    }

    /// The value of a metric whose line begins so; 0 while there is none.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let metrics = wire::get(self.admin, "/metrics").await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |rest| rest.trim().parse().unwrap())
    }

    pub(crate) async fn drained(&self) {
        let empty = "\ngateway_spool_records 0\n";
        until(async || wire::get(self.admin, "/metrics").await.body.contains(empty)).await;
    }
}

/// Sends a signal by its name: `TERM`.
pub(crate) fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id().unwrap());
    assert!(StdCommand::new("sh").args(["-c", &kill]).status().unwrap().success());
}

pub(crate) fn cluster() -> MockCluster<'static, rdkafka::producer::DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(proto::EVENTS.name, 3, 1).unwrap();
    cluster.create_topic(proto::ITEMS.name, 1, 1).unwrap();
    cluster
}

#[tokio::test]
async fn what_a_killed_process_has_answered_200_is_sent_by_the_next_in_order() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
    let bootstrap = cluster.bootstrap_servers();
    cluster.broker_down(-1).unwrap();
    let mut process = Process::start(&bootstrap, folder.path(), "").await;
    let (public, answered) = (process.public, Arc::new(Mutex::new(BTreeMap::<String, Vec<usize>>::new())));
    let mut users = JoinSet::new();
    for user in 0..8 {
        let user = format!("oReader{user}");
        let requests: Vec<_> = (0..500).map(|n| process.request(&text(&user, n))).collect();
        let answered = Arc::clone(&answered);
        users.spawn(async move {
            for (n, request) in requests.into_iter().enumerate() {
                let Ok(mut stream) = tokio::net::TcpStream::connect(public).await else { return };
                if tokio::io::AsyncWriteExt::write_all(&mut stream, &request).await.is_err()
                    || !wire::rest(&mut stream).await.starts_with(b"HTTP/1.1 200 ")
                {
                    return;
                }
                answered.lock().await.entry(user.clone()).or_default().push(n);
            }
        });
    }
    until(async || answered.lock().await.values().map(Vec::len).sum::<usize>() > 300).await;
    process.child.kill().await.unwrap();
    users.join_all().await;
    cluster.broker_up(-1).unwrap();
    let process = Process::start(&bootstrap, folder.path(), "").await;
    process.drained().await;
    assert_eq!(process.metric("gateway_spool_damaged_total").await, 0.0);
    let house = House::on(cluster, |_| {}).await;
    let sent = house.ids_by_user().await;
    for (user, ids) in answered.lock().await.iter() {
        // One more than was answered may have been on its way.
        let sent = &sent[user];
        assert!(sent.starts_with(ids) && sent.len() <= ids.len() + 1, "{user}: {ids:?} {sent:?}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_damaged_spool_is_counted_and_the_rest_of_it_sent() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
    let bootstrap = cluster.bootstrap_servers();
    cluster.broker_down(-1).unwrap();
    let mut process = Process::start(&bootstrap, folder.path(), "").await;
    for n in 0..10 {
        assert_eq!(process.push("oReader", n).await.status, 200);
    }
    process.child.kill().await.unwrap();
    let mut entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = entries.find(|path| path.extension().is_some_and(|extension| extension == "log")).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&file, bytes).unwrap();
    cluster.broker_up(-1).unwrap();
    let process = Process::start(&bootstrap, folder.path(), "").await;
    process.drained().await;
    assert_eq!(process.metric("gateway_spool_damaged_total").await, 1.0);
    let house = House::on(cluster, |_| {}).await;
    let sent = house.ids_by_user().await.remove("oReader").unwrap();
    assert!(sent.len() == 9 && sent.is_sorted(), "{sent:?}");
    assert!(folder.path().join("aside").join(file.file_name().unwrap()).exists());
    house.end().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (mut command, ..) = gateway("127.0.0.1:1", file.path(), "", &[]);
    let gateway = command.stderr(Stdio::piped()).output().await.unwrap();
    let told = String::from_utf8(gateway.stderr).unwrap();
    assert_eq!(gateway.status.code(), Some(1), "{told}");
    assert!(told.contains("spool.dir") && told.contains(file.path().to_str().unwrap()), "{told}");
}
