//! F63: two thousand clients that draw out what they can, and pushes beside them.

use std::{
    cell::Cell,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    house::until,
    spool_process::{Process, cluster, gateway},
    wire,
};

/// Of each of the three kinds that only wait.
const EACH: usize = 660;
/// Of those that let answers pile up until they are given up: megabytes each.
const READERS: usize = 20;
/// How often a slow client sends a little more.
const DRIP: Duration = Duration::from_millis(400);
/// What a busy machine may add to a bound.
const BUSY: Duration = Duration::from_secs(4);
const PUSHES: usize = 100;
/// Slow clients that have seen their end.
static CLOSED: AtomicUsize = AtomicUsize::new(0);

/// What a slow client sends at once and then again and again, and when it is closed.
struct Slow {
    name: &'static str,
    first: &'static [u8],
    then: &'static [u8],
    within: Duration,
}

const SLOW: [Slow; 3] = [
    Slow { name: "idle", first: b"", then: b"", within: Duration::from_secs(3) },
    Slow {
        name: "slow head",
        first: b"POST /wechat/a HTTP/1.1\r\nHos",
        then: b"s",
        within: Duration::from_secs(3),
    },
    Slow {
        name: "slow body",
        first: b"POST /wechat/a?a=b HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\n<xml>",
        then: b"s",
        within: Duration::from_secs(2),
    },
];

/// How long a slow client was let be.
async fn drawn_out(mut stream: TcpStream, slow: &Slow) -> Duration {
    let started = Instant::now();
    loop {
        match timeout(DRIP, stream.read(&mut [0; 1024])).await {
            Ok(Ok(0) | Err(_)) => {
                CLOSED.fetch_add(1, Ordering::Relaxed);
                return started.elapsed();
            }
            Ok(Ok(_)) => {}
            Err(_) => drop(stream.write_all(slow.then).await),
        }
    }
}

/// How long a client was let be that goes on asking and reads no answer, from when no more of its questions were taken.
async fn unread(address: SocketAddr) -> Duration {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let many = "GET /c/x HTTP/1.1\r\nHost: g\r\n\r\n".repeat(1000);
    let mut taken = Instant::now();
    while stream.write_all(many.as_bytes()).await.is_ok() {
        taken = Instant::now();
    }
    taken.elapsed()
}

/// The 99th percentile of how long pushes take, of at least a hundred, until it is enough.
async fn p99(process: &Process, is_enough: impl Fn() -> bool) -> Duration {
    let mut times = Vec::new();
    while times.len() < PUSHES || !is_enough() {
        let started = Instant::now();
        assert_eq!(process.push("oReader", times.len()).await.status, 200);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Opens all, and tells of each kind, the readers last, how long each client was let be.
async fn slow_clients(process: &Process) -> [Vec<Duration>; 4] {
    let address = process.public;
    let mut clients: [JoinSet<Duration>; 4] = Default::default();
    for _ in 0..READERS {
        clients[3].spawn(unread(address));
    }
    for n in 0..EACH {
        // They come from many addresses, since the refusals of one are held back.
        let source = [127, 0, 11, u8::try_from(n % 250).unwrap() + 1].into();
        for (slow, clients) in SLOW.iter().zip(&mut clients) {
            let stream = wire::sent_from(source, address, slow.first).await;
            clients.spawn(drawn_out(stream, slow));
        }
        if n % 100 == 99 {
            // Of more than the kernel's backlog holds some would never have been there.
            let opened = SLOW.len() * (n + 1);
            until(async || {
                let open = process.metric("gateway_connections ").await;
                open + CLOSED.load(Ordering::Relaxed) as f64 >= opened as f64
            })
            .await;
        }
    }
    let [idle, heads, bodies, readers] = clients.map(JoinSet::join_all);
    tokio::join!(idle, heads, bodies, readers).into()
}

/// Two thousand sockets here and as many in the child, which gets the same limit.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[tokio::test]
async fn f63_two_thousand_slow_clients_are_closed_in_time_and_pushes_beside_them_are_as_quick_as_ever() {
    allow_files();
    let cluster = cluster();
    let (mut command, public, admin) = gateway(&cluster.bootstrap_servers(), None, "", &[]);
    let process = Process::of(command.spawn().unwrap(), public, admin);
    process.ready().await;
    let before = p99(&process, || true).await;
    let gone = Cell::new(false);
    let slow = async {
        let times = slow_clients(&process).await;
        gone.set(true);
        times
    };
    let (times, during) = tokio::join!(slow, p99(&process, || gone.get()));
    let kinds = SLOW.iter().map(|slow| (slow.name, slow.within));
    let kinds = kinds.chain([("slow reader", Duration::from_secs(3))]);
    for ((name, within), times) in kinds.zip(times) {
        let (least, most) = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
        assert!(least > within.mul_f64(0.6) && most < within + BUSY, "{name}: {least:?} to {most:?}");
    }
    assert!(during < before * 10 + Duration::from_millis(500), "{before:?} before, {during:?} beside them");
    assert_eq!(process.metric("gateway_connections ").await, 0.0);
    assert_eq!(process.metric("gateway_connections_crowded_out_total").await, 0.0);
}
