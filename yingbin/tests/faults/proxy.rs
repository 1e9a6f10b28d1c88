//! A TCP proxy that can be told to interfere: one stands on every edge between two processes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use runtime::clock::Clock;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Of a bad line: how late something comes at most, how often it is lost, and after what time TCP sends it again. TCP keeps the order,
/// so whatever follows waits too.
const JITTER: Duration = Duration::from_millis(200);
const LOSS: f64 = 0.05;
const SENT_AGAIN: Duration = Duration::from_millis(250);

/// What happens on an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Forward,
    /// Connections are ended and new ones refused.
    Refuse,
    /// Whatever is written is held; nothing is closed.
    BlackHole,
    /// Every byte takes so much longer, each way.
    Latency(Duration),
    /// A bad line, drawn from a seed: what is written comes up to [`JITTER`] later each way, and a part of it is lost and sent again.
    Lossy(u64),
    /// A connection ends when its client has written so many bytes; the last ones are not passed on.
    CutAfter(usize),
    /// The server hears everything, the client nothing.
    DropAnswers,
    /// In what servers say, a bit is turned in the middle one of the places where this word stands.
    TurnBitOf(&'static str),
}

/// An edge. It stands as long as this value.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// When it was told something last, Unix milliseconds: whoever has several edges wants to know it of all.
    told: Arc<AtomicI64>,
    _ending: DropGuard,
}

#[derive(Debug)]
struct Shared {
    mode: watch::Sender<Mode>,
    upstreams: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
    carried: AtomicU64,
    /// Numbers what is written on a bad line.
    written: AtomicU64,
    /// Ends the connections that stand now.
    standing: Mutex<CancellationToken>,
}

impl Shared {
    fn standing(&self) -> MutexGuard<'_, CancellationToken> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes on in place of this answer.
    fn answer(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if let Mode::TurnBitOf(word) = *self.mode.borrow() {
            let found = bytes.windows(word.len()).enumerate().filter(|(_, found)| *found == word.as_bytes());
            let places: Vec<usize> = found.map(|(place, _)| place).collect();
            if let Some(place) = places.get(places.len() / 2) {
                bytes[*place] ^= 0x10;
            }
        }
        bytes
    }

    /// By how much what is read now comes later.
    fn later(&self) -> Duration {
        match *self.mode.borrow() {
            Mode::Latency(later) => later,
            Mode::Lossy(seed) => {
                let number = self.written.fetch_add(1, Ordering::Relaxed);
                let mut random = StdRng::seed_from_u64(seed.wrapping_add(number));
                let jitter = random.random_range(Duration::ZERO..JITTER);
                if random.random_bool(LOSS) { jitter + SENT_AGAIN } else { jitter }
            }
            _ => Duration::ZERO,
        }
    }
}

impl Proxy {
    /// Before these servers; connections go to them in turn.
    pub(crate) async fn before(upstreams: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Forward),
            upstreams: Mutex::new(upstreams),
            turn: AtomicUsize::new(0),
            carried: AtomicU64::new(0),
            written: AtomicU64::new(0),
            standing: Mutex::default(),
        });
        let ending = CancellationToken::new();
        let serving = serve(Arc::clone(&shared), listener, address, ending.clone());
        tokio::spawn(ending.clone().run_until_cancelled_owned(serving));
        Self { address, shared, told: Arc::default(), _ending: ending.drop_guard() }
    }

    /// Whatever it is told from now on, the time is written there.
    pub(crate) fn telling(mut self, told: &Arc<AtomicI64>) -> Self {
        self.told = Arc::clone(told);
        self
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Interferes from now on, also on connections that stand.
    pub(crate) fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
        self.told.store(Clock::system().now_ms(), Ordering::Relaxed);
    }

    /// New connections go here.
    pub(crate) fn lead_to(&self, upstreams: Vec<SocketAddr>) {
        *self.shared.upstreams.lock().unwrap() = upstreams;
    }

    /// Connections that stand are ended, and made again by whoever needs them.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.shared.standing()).cancel();
        self.told.store(Clock::system().now_ms(), Ordering::Relaxed);
    }

    /// Bytes that servers were given.
    pub(crate) fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Relaxed)
    }
}

/// Accepts; while it refuses, the port is closed.
async fn serve(shared: Arc<Shared>, first: TcpListener, address: SocketAddr, ending: CancellationToken) {
    let mut mode = shared.mode.subscribe();
    let mut listener = Some(first);
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => bind(address).await,
        };
        let accepted = tokio::select! {
            accepted = open.accept() => accepted.ok(),
            _ = mode.changed() => None,
        };
        listener = Some(open);
        if let Some((client, _)) = accepted {
            let serving = connection(Arc::clone(&shared), client);
            tokio::spawn(ending.clone().run_until_cancelled_owned(serving));
        }
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// One connection to the first server in turn that takes it.
async fn connection(shared: Arc<Shared>, client: TcpStream) {
    let standing = shared.standing().clone();
    let Some(server) = connected(&shared).await else { return };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let cut = CancellationToken::new();
    let both = async {
        tokio::join!(
            pump(&shared, from_client, to_server, Way::Up, &cut),
            pump(&shared, from_server, to_client, Way::Down, &cut)
        )
    };
    // What must end a connection ends both of its ways.
    tokio::select! {
        _ = both => {}
        () = ended_by_mode(shared.mode.subscribe()) => {}
        () = cut.cancelled() => {}
        () = standing.cancelled() => {}
    }
}

async fn connected(shared: &Shared) -> Option<TcpStream> {
    let upstreams = shared.upstreams.lock().unwrap().clone();
    let first = shared.turn.fetch_add(1, Ordering::Relaxed);
    for n in 0..upstreams.len() {
        if let Ok(server) = TcpStream::connect(upstreams[(first + n) % upstreams.len()]).await {
            return Some(server);
        }
    }
    None
}

/// Resolves when connections are refused, or when answers that were dropped have left a hole in the stream.
async fn ended_by_mode(mut mode: watch::Receiver<Mode>) {
    let mut before = *mode.borrow_and_update();
    while mode.changed().await.is_ok() {
        let now = *mode.borrow_and_update();
        if now == Mode::Refuse || (before == Mode::DropAnswers && now != before) {
            return;
        }
        before = now;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Carries one way until its end. Bytes are read as they come and written when their time has come.
async fn pump(
    shared: &Shared,
    mut reads: OwnedReadHalf,
    mut writes: OwnedWriteHalf,
    way: Way,
    cut: &CancellationToken,
) {
    let (held, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let reading = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = reads.read(&mut buffer).await {
            if held.send((Instant::now() + shared.later(), buffer[..n].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        let mut carried = 0;
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            carried += bytes.len();
            if !passes(shared, way, carried).await {
                return cut.cancel();
            }
            if way == Way::Down && *shared.mode.borrow() == Mode::DropAnswers {
                continue;
            }
            let bytes = if way == Way::Down { shared.answer(bytes) } else { bytes };
            if writes.write_all(&bytes).await.is_err() {
                break;
            }
            if way == Way::Up {
                shared.carried.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
        }
        writes.shutdown().await.ok();
    };
    tokio::join!(reading, writing);
}

/// Waits while the edge is a black hole; `false`: the connection has to end.
async fn passes(shared: &Shared, way: Way, carried: usize) -> bool {
    let mut mode = shared.mode.subscribe();
    loop {
        match *mode.borrow_and_update() {
            Mode::BlackHole => {}
            Mode::Refuse => return false,
            Mode::CutAfter(most) => return way == Way::Down || carried <= most,
            _ => return true,
        }
        if mode.changed().await.is_err() {
            return false;
        }
    }
}
