//! The process: a bad configuration ends it before anything is bound.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener},
    process::Command,
};

use tokio::process;

use crate::{
    house::until,
    wire::{self, sent},
};

const GOOD: [&str; 5] = [
    "links.secret=0123456789abcdef",
    "accounts.0.name=a",
    "accounts.0.app_id=wx1",
    "accounts.0.token=t",
    "accounts.0.mode=plain",
];

fn flags(more: &[String]) -> Vec<String> {
    let all = GOOD.into_iter().map(str::to_owned).chain(more.iter().cloned());
    all.flat_map(|flag| ["--set".to_owned(), flag]).collect()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_usual_build_has_no_failpoints() {
    let found =
        Command::new("grep").args(["-q", "FAILPOINTS", env!("CARGO_BIN_EXE_gateway")]).status().unwrap();
    assert_eq!(found.code(), Some(1), "it would die when somebody sets a variable");
}

#[test]
fn a_bad_configuration_is_told_whole_with_its_own_exit_code_and_before_any_port_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[gateway]\nlisten = \"{}\"\n[limits]\nproduce_timeout = \"4s\"\n[[accounts]]\nname = \"a b\"\nmode = \"safest\"\n",
        taken.local_addr().unwrap()
    );
    file.write_all(text.as_bytes()).unwrap();
    let gateway =
        Command::new(env!("CARGO_BIN_EXE_gateway")).arg("--config").arg(file.path()).output().unwrap();
    let told = String::from_utf8(gateway.stderr).unwrap();
    assert_eq!(gateway.status.code(), Some(64), "{told}");
    for key in [
        "limits.produce_timeout",
        "accounts.0.name",
        "accounts.0.mode",
        "accounts.0.app_id",
        "accounts.0.token",
        "links.secret",
    ] {
        assert!(told.contains(key), "{key} is not in\n{told}");
    }
    assert!(!told.contains("cannot listen"), "{told}");
}

#[test]
fn a_taken_port_is_named_with_the_setting_that_moves_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("gateway.listen={}", taken.local_addr().unwrap());
    let flags = flags(&[listen, "admin.listen=127.0.0.1:0".to_owned()]);
    let gateway = Command::new(env!("CARGO_BIN_EXE_gateway")).args(flags).output().unwrap();
    let told = String::from_utf8(gateway.stderr).unwrap();
    assert_eq!(gateway.status.code(), Some(1), "{told}");
    assert!(
        told.contains("gateway.listen") && told.contains(&taken.local_addr().unwrap().to_string()),
        "{told}"
    );
}

/// A broker that is away, and more connections than files: the probes are answered, nothing spins, SIGTERM ends it in order.
#[tokio::test]
async fn connections_never_take_the_last_file_and_a_signal_ends_the_process_without_a_broker() {
    let (public, admin) = (free_address(), free_address());
    let flags = flags(&[
        format!("gateway.listen={public}"),
        format!("admin.listen={admin}"),
        "kafka.bootstrap=127.0.0.1:1".to_owned(),
        "shutdown.announce=0ms".to_owned(),
    ]);
    let mut gateway = process::Command::new("sh")
        .args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_gateway")])
        .args(flags)
        .kill_on_drop(true)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until(async || tokio::net::TcpStream::connect(admin).await.is_ok()).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(sent(public, b"").await);
    }
    assert_eq!(wire::get(admin, "/livez").await.status, 200);
    assert_eq!(wire::get(admin, "/readyz").await.status, 503);
    let metrics = wire::get(admin, "/metrics").await.body;
    assert!(metrics.contains("gateway_connections 64\n"), "{metrics}");
    assert!(metrics.contains("gateway_accept_errors_total 0\n"), "{metrics}");
    drop(idle);
    assert_eq!(wire::get(public, "/nothing").await.status, 404);
    let pid = gateway.id().unwrap().to_string();
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    assert_eq!(gateway.wait().await.unwrap().code(), Some(0));
}
