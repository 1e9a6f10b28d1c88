//! What a process may use: files, a core, memory.

use std::{fs, time::Duration};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::{net::TcpStream, time::Instant};
use wechat::{
    Mode,
    envelope::AesKey,
    push::{Credentials, Format, seal},
};

use crate::{
    house::{KEY, until},
    spool_process::{Process, cluster, gateway, signal},
    wire::{self, rest, sent},
};

/// Files that the process leaves to itself.
const OWN: usize = 64;
const FILES: usize = 256;
const RECOVERED: Duration = Duration::from_secs(2);
const KIB: u64 = 1024;

/// Without the sockets of the mock clusters beside it, which every child of this process gets, and with so many files for all.
const ALONE: &str = "exec bash -c 'for n in $(ls /proc/self/fd); do [ $n -gt 2 ] && eval \"exec $n>&-\"; done; ulimit -n $0; exec \"$@\"'";

/// A gateway that may open so many files, with its broker away.
async fn limited() -> Process {
    let first = format!("set -- \"$0\" \"$@\"; {ALONE} {FILES} \"$@\" #");
    let (mut command, public, admin) = gateway("127.0.0.1:1", None, &first, &["shutdown.drain=1s"]);
    let process = Process::of(command.spawn().unwrap(), public, admin);
    until(async || TcpStream::connect(admin).await.is_ok()).await;
    // By then all its clients of Kafka are there.
    until(async || wire::get(admin, "/readyz").await.body == "waiting for kafka\n").await;
    process
}

fn proc(process: &Process, file: &str) -> String {
    format!("/proc/{}/{file}", process.child.id().unwrap())
}

/// The time that it has had on a core.
fn cpu(process: &Process) -> Duration {
    let stat = fs::read_to_string(proc(process, "stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// The limit under which it can open so many more files: a file gets the lowest number that is free, and what is limited is the number.
fn room_for(process: &Process, more: usize) -> u64 {
    // Where it leads to is no file, so it is asked for the link itself.
    let is_free = |number: &u64| fs::read_link(proc(process, &format!("fd/{number}"))).is_err();
    let free = (0..).filter(is_free);
    free.take(more).last().unwrap() + 1
}

async fn idle(process: &Process, count: usize) -> Vec<TcpStream> {
    let mut idle = Vec::new();
    for _ in 0..count {
        idle.push(sent(process.public, b"").await);
    }
    idle
}

/// Waits until it has closed an idle one that has a place, which takes it seconds, and tells which part of a core it used meanwhile.
async fn load_while_full(process: &Process, idle: &mut TcpStream) -> f64 {
    let (started, before) = (Instant::now(), cpu(process));
    rest(idle).await;
    (cpu(process) - before).as_secs_f64() / started.elapsed().as_secs_f64()
}

/// F16: it leaves itself files enough for probes, brokers and the spool; of the connections beyond, the newest have the places.
#[tokio::test]
async fn f16_a_thousand_connections_never_take_the_last_file_and_nothing_spins() {
    let mut process = limited().await;
    let mut idle = idle(&process, 1000).await;
    assert_eq!(wire::get(process.admin, "/livez").await.status, 200);
    let full = (FILES - OWN) as f64;
    until(async || process.metric("gateway_connections ").await == full).await;
    let load = load_while_full(&process, &mut idle[999]).await;
    // Fewer where connecting takes so long that the first are closed for having been silent for too long.
    let crowded_out = process.metric("gateway_connections_crowded_out_total").await;
    assert!((1.0..=1000.0 - full).contains(&crowded_out), "{crowded_out}");
    assert!(load < 0.5, "{load} of a core");
    assert_eq!(process.metric("gateway_accept_errors_total").await, 0.0);
    drop(idle);
    let dropped = Instant::now();
    assert_eq!(wire::get(process.public, "/nothing").await.status, 404);
    assert!(dropped.elapsed() < RECOVERED, "{:?}", dropped.elapsed());
    signal(&process.child, "TERM");
    assert_eq!(process.child.wait().await.unwrap().code(), Some(0));
}

/// F16, when there are no files left all the same, as somebody lowers the limit under it: `accept` fails, and is not tried again at once.
#[tokio::test]
async fn f16_where_no_file_is_left_accepting_pauses_and_goes_on_when_there_are_some() {
    let process = limited().await;
    let pid = Pid::from_raw(i32::try_from(process.child.id().unwrap()).unwrap());
    let few = Rlimit { current: Some(room_for(&process, 5)), maximum: Some(FILES as u64) };
    prlimit(pid, Resource::Nofile, few).unwrap();
    let mut idle = idle(&process, 50).await;
    let load = load_while_full(&process, &mut idle[0]).await;
    assert!(load < 0.5, "{load} of a core");
    drop(idle);
    let dropped = Instant::now();
    assert_eq!(wire::get(process.public, "/nothing").await.status, 404);
    assert!(dropped.elapsed() < RECOVERED, "{:?}", dropped.elapsed());
    // Three seconds of pauses of a twentieth each.
    let errors = process.metric("gateway_accept_errors_total").await;
    assert!((1.0..100.0).contains(&errors), "{errors}");
}

fn safe() -> Credentials {
    Credentials {
        app_id: "wx1".into(),
        token: "t".into(),
        previous_token: None,
        aes_key: AesKey::parse(KEY).ok(),
        previous_aes_key: None,
        mode: Mode::Safe,
    }
}

/// What strangers send, and what somebody sends who has the secrets: documents that would grow where they are read.
fn hostile(round: usize) -> Vec<(Vec<u8>, u16)> {
    let tags = "<a>".repeat(12_000);
    let bomb = format!(
        "<!DOCTYPE x [<!ENTITY a \"{}\"><!ENTITY b \"{}\">]><xml><Content>&b;</Content></xml>",
        "ha".repeat(500),
        "&a;".repeat(500)
    );
    let inner = [
        bomb.clone(),
        format!("<xml>{tags}"),
        format!("<xml><FromUserName>o{round}</FromUserName><Content>{}", "好".repeat(8000)),
    ];
    let now = runtime::clock::Clock::system().now_ms() / 1000;
    let sealed = |inner: &str| {
        seal(&safe(), inner.as_bytes(), Format::Xml, now, &format!("n{round}"), [7; 16]).unwrap()
    };
    let query = sealed("<xml/>").query;
    let request = |query: &str, body: &[u8]| wire::request("POST", &format!("/wechat/a?{query}"), "", body);
    let outer = [format!("<xml>{tags}"), bomb, "\u{feff}<xml><Encrypt>".to_owned() + &"A".repeat(60_000)];
    let mut requests: Vec<_> = outer.iter().map(|body| (request(&query, body.as_bytes()), 403)).collect();
    requests.push((request(&query, &vec![b'<'; 300_000]), 413));
    requests.extend(inner.iter().map(|inner| {
        let push = sealed(inner);
        (request(&push.query, &push.body), 200)
    }));
    requests
}

/// Kibibytes that it has in memory.
fn resident(process: &Process) -> u64 {
    let status = fs::read_to_string(proc(process, "status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Two hundred rounds are a hundred megabytes; keeping those of two of the larger kinds would show. An allocator takes some of its own.
#[tokio::test]
async fn hostile_pushes_do_not_make_it_grow() {
    let cluster = cluster();
    let key = format!("accounts.0.aes_key={KEY}");
    let (mut command, public, admin) =
        gateway(&cluster.bootstrap_servers(), None, "", &["accounts.0.mode=safe", &key]);
    let process = Process::of(command.spawn().unwrap(), public, admin);
    process.ready().await;
    let rounds = async |from: u8, to: u8| {
        for round in from..to {
            for (n, (request, status)) in hostile(usize::from(round)).into_iter().enumerate() {
                // From many addresses, since the refusals of one that goes on are held back.
                let source = [127, 0, 9, round].into();
                let reply = wire::exchange_from(source, process.public, &request).await;
                assert_eq!(reply.status, status, "{n}");
            }
        }
    };
    rounds(1, 50).await;
    let before = resident(&process);
    rounds(50, 250).await;
    let after = resident(&process);
    assert!(after < before + 24 * KIB, "from {before} to {after} KiB");
}
