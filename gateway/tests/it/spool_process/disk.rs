//! The disk of the spool: full, slow, failing.

use std::{
    fs,
    process::{Command, Stdio},
};

use futures::future::join_all;
use tempfile::TempDir;

use super::{Process, cluster, gateway};
use crate::house::{House, until};

/// No file of the process may have more than two KiB: what `write` says of a full disk, it says then too.
#[tokio::test]
async fn a_disk_that_takes_no_more_is_answered_503_and_the_process_goes_on() {
    let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster());
    cluster.broker_down(-1).unwrap();
    let process =
        Process::start(&cluster.bootstrap_servers(), folder.path(), "trap '' XFSZ; ulimit -f 4;").await;
    let mut taken = 0;
    while process.push("oReader", taken).await.status == 200 {
        taken += 1;
    }
    assert!((1..40).contains(&taken), "{taken}");
    assert_eq!(process.push("oReader", taken).await.status, 503);
    cluster.broker_up(-1).unwrap();
    process.drained().await;
    until(async || process.push("oReader", taken).await.status == 200).await;
    let house = House::on(cluster, |_| {}).await;
    assert_eq!(house.ids_by_user().await["oReader"], (0..=taken).collect::<Vec<_>>());
    house.end().await;
}

/// A library whose calls come before those of the system, and what a shell says before a program that is to have it. Its folder is `HERE`.
fn preloaded(calls: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("calls.c"), folder.path().join("calls.so"));
    let system =
        ["errno.h", "fcntl.h", "sys/syscall.h", "unistd.h"].map(|name| format!("#include <{name}>\n"));
    fs::write(&source, format!("{}{calls}\n", system.concat())).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(compiler)
        .args(["-D_GNU_SOURCE", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(format!("-DHERE=\"{}\"", folder.path().display()))
        .arg(&source)
        .status()
        .unwrap();
    assert!(compiled.success());
    let preload = format!("LD_PRELOAD='{}'", library.display());
    (folder, preload)
}

/// A disk that takes its time, and notes how often it was asked.
const SLOW: &str = r#"
int fdatasync(int fd) {
    int asked = open(HERE "/asked", O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(asked, ".", 1) != 1) return -1;
    close(asked);
    usleep(50000);
    return syscall(SYS_fdatasync, fd);
}"#;

#[tokio::test]
async fn pushes_that_wait_together_are_on_the_disk_together() {
    const PUSHES: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let (library, preload) = preloaded(SLOW);
    let process = Process::start("127.0.0.1:1", folder.path(), &preload).await;
    let users: Vec<String> = (0..PUSHES).map(|n| format!("oReader{n}")).collect();
    for reply in join_all(users.iter().map(|user| process.push(user, 1))).await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!(process.metric("gateway_spool_appended_total").await, PUSHES as f64);
    let syncs = fs::metadata(library.path().join("asked")).unwrap().len();
    assert!((1..=PUSHES as u64 / 2).contains(&syncs), "{syncs}");
}

/// A push to a gateway whose Kafka is away and whose disk begins to fail; what the process said when it ended.
async fn refused_at_its_end(calls: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (library, preload) = preloaded(calls);
    let (mut command, public, admin) = gateway("127.0.0.1:1", folder.path(), &preload, &[]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let process = Process::of(child, public, admin);
    process.ready().await;
    fs::write(library.path().join("fails"), "").unwrap();
    assert_eq!(process.push("oReader", 1).await.status, 503);
    let ended = process.child.wait_with_output().await.unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("start the gateway again"), "{told}");
    told
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_process_ends_and_says_what_to_do() {
    let told = refused_at_its_end("int fdatasync(int fd) { errno = EIO; return -1; }").await;
    assert!(told.contains("fdatasync"), "{told}");
}

#[tokio::test]
async fn after_a_failed_sync_of_the_folder_it_is_the_same() {
    let calls = r#"
int fsync(int fd) {
    if (access(HERE "/fails", F_OK) != 0) return syscall(SYS_fsync, fd);
    errno = EIO;
    return -1;
}"#;
    let told = refused_at_its_end(calls).await;
    assert!(told.contains("syncing the folder"), "{told}");
}
