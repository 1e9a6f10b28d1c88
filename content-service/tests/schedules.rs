//! The ledger's client under seeded schedules: two owners of one event, one step at a time in any order, answers that are lost so that
//! scripts are repeated, owners that die between two steps, and leases that lapse. `SEED=…` repeats one. The same for the access token
//! of a fleet is in `schedules/tokens.rs`.
//!
//! The Redis is a real one and the answers are lost on the wire, since the client holds its connection itself and half of the ledger is
//! Lua; a simulated network would test neither. The schedule is this test's own: nothing moves but the step that it takes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the world of tests/service is larger than one test")]

#[path = "service/fakes.rs"]
mod fakes;
#[path = "service/redis_server.rs"]
mod redis_server;
#[path = "schedules/tokens.rs"]
mod tokens;
#[path = "service/world.rs"]
mod world;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use content_service::{
    assignment::Assignment,
    ledger::{End, Entry, Granted, Ledger, PartEnd, Place, Proposal, State, Terms},
    metrics::Metrics,
};
use proto::reply::{Decision, Outcome, Part, Reply};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use redis_server::RedisServer;
use runtime::{
    clock::Clock,
    redis::{Redis, RedisConfig},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const LEASE: Duration = Duration::from_secs(9);
const PARTS: usize = 3;
const SCHEDULES: u64 = 150;

/// A way to Redis on which the next answer can be lost: the script ran, and nobody hears of it.
struct Wire {
    address: SocketAddr,
    lose: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
}

impl Wire {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire =
            Self { address: listener.local_addr().unwrap(), lose: Arc::default(), lost: Arc::default() };
        let (server, lose, lost) = (server.to_owned(), Arc::clone(&wire.lose), Arc::clone(&wire.lost));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&lose), Arc::clone(&lost)));
            }
        });
        wire
    }
}

/// Ends, and with it the connection, at the answer that is lost.
async fn carry(mut client: TcpStream, mut server: TcpStream, lose: Arc<AtomicBool>, lost: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = ([0; 16384], [0; 16384]);
    loop {
        tokio::select! {
            Ok(length @ 1..) = client.read(&mut asked) => server.write_all(&asked[..length]).await.unwrap(),
            Ok(length @ 1..) = server.read(&mut answered) => {
                if lose.swap(false, Ordering::SeqCst) {
                    lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if client.write_all(&answered[..length]).await.is_err() { return; }
            }
            else => return,
        }
    }
}

/// What the platform saw of one part.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    taken: u32,
}

/// Somebody who brings an event to its end, one step at a time.
struct Owner {
    place: Place,
    mine: Assignment,
    entry: Option<Entry>,
    /// Bytes have left, and their end is not in the ledger yet.
    left: Option<Outcome>,
}

struct Run {
    redis: Redis,
    ledger: Ledger,
    clock: Clock,
    random: StdRng,
    wire: Arc<AtomicBool>,
    event: String,
    seen: [Seen; PARTS],
    owners: Vec<Owner>,
    born: u32,
}

impl Run {
    fn owner(&mut self) -> Owner {
        self.born += 1;
        let place =
            self.ledger.place(&format!("wx1:{}", self.event), &self.event, format!("owner{}", self.born));
        Owner { place, mine: Assignment::new(u64::from(self.born)), entry: None, left: None }
    }

    fn proposal(&self) -> Proposal {
        let part = |n: usize| Part { message: format!("{{\"part\":{n}}}"), ..Part::default() };
        let reply = Reply {
            event_id: self.event.clone(),
            parts: (0..PARTS).map(part).collect(),
            decision: Some(Decision::default()),
            ..Reply::default()
        };
        let since_ms = self.clock.now_ms();
        let right = Granted { name: "message", messages: 5, since_ms, until_ms: since_ms + 48 * 3_600_000 };
        Proposal { reply, end: None, granted: Some(right) }
    }

    /// One step of one owner; `true`: it knows how the event ended.
    async fn step(&mut self, owner: &mut Owner) -> bool {
        self.wire.store(self.random.random_bool(0.15), Ordering::SeqCst);
        let Some(mut entry) = owner.entry.take() else {
            let arm = self.random.random();
            let reserved =
                self.ledger.reserve(&owner.place, &owner.mine, self.proposal(), arm).await.unwrap();
            owner.entry = Some(reserved);
            return false;
        };
        let (place, mine) = (&owner.place, &owner.mine);
        match (entry.state, owner.left.take()) {
            (State::Armed(_), None) => owner.left = Some(self.send(entry.part)),
            (State::Armed(_), Some(outcome)) => self.ends(place, mine, &mut entry, outcome).await,
            (State::Reserved, _) => self.ledger.arm(place, mine, &mut entry).await.unwrap(),
            (State::Elsewhere, _) => {
                if self.random.random_bool(0.3) {
                    self.lapse().await;
                }
                self.ledger.overdue(place, mine, &mut entry, false).await.unwrap();
            }
            (State::Settled | State::Closed, _) => {}
        }
        let ended = matches!(entry.state, State::Settled | State::Closed);
        owner.entry = Some(entry);
        ended
    }

    /// The lease of whoever has armed the entry is over.
    async fn lapse(&mut self) {
        self.wire.store(false, Ordering::SeqCst);
        let key = format!("l:{{wx1:{}}}:{}", self.event, self.event);
        self.redis.query::<i64>(redis::cmd("HSET").arg(key).arg("l").arg(1)).await.unwrap();
    }

    /// Bytes leave: taken, taken with a lost answer, or known not to have left.
    fn send(&mut self, part: usize) -> Outcome {
        let outcome = match self.random.random_range(0..10) {
            0..6 => Outcome::Sent,
            6..8 => Outcome::Unknown,
            _ => return Outcome::Unspecified,
        };
        self.seen[part].taken += 1;
        outcome
    }

    async fn ends(&mut self, place: &Place, mine: &Assignment, entry: &mut Entry, outcome: Outcome) {
        if outcome == Outcome::Unspecified {
            return self.ledger.not_sent(place, mine, entry).await.unwrap();
        }
        entry.tried();
        let at_ms = self.clock.now_ms();
        let unknown = u32::from(outcome == Outcome::Unknown);
        let part = PartEnd { outcome, errcode: None, at_ms, attempts: entry.attempts(), unknown };
        let end = End { outcome, reason: String::new(), until_ms: 0, at_ms };
        if outcome == Outcome::Unknown {
            return self.ledger.unknown(place, mine, entry, part, end, false).await.unwrap();
        }
        if entry.left() > 1 {
            return self.ledger.next_part(place, mine, entry, part).await.unwrap();
        }
        self.ledger.settle(place, mine, entry, part, end, false).await.unwrap();
    }

    /// Two owners in the order that the seed chooses, until somebody knows the end.
    async fn ends_somehow(&mut self) -> Entry {
        for _ in 0..2 {
            let owner = self.owner();
            self.owners.push(owner);
        }
        loop {
            let n = self.random.random_range(0..self.owners.len());
            if self.born < 6 && self.random.random_bool(0.04) {
                // It dies where it stands, and another takes over.
                self.owners[n] = self.owner();
            }
            let mut owner = self.owners.swap_remove(n);
            let ended = self.step(&mut owner).await;
            for seen in self.seen {
                assert!(seen.taken <= 1, "sent twice: {:?}", self.seen);
            }
            if ended {
                return owner.entry.unwrap();
            }
            self.owners.push(owner);
        }
    }

    /// What the ledger says is what the platform saw, as far as it can be known.
    async fn agrees(&mut self, told: &Entry) {
        for _ in 0..2 {
            let other = self.owner();
            let found = self.ledger.reserve(&other.place, &other.mine, self.proposal(), true).await.unwrap();
            assert_eq!(found.state, State::Settled);
            assert_eq!(
                (&found.end, &found.reply.parts),
                (&told.end, &told.reply.parts),
                "all are told the same"
            );
        }
        for (part, seen) in told.reply.parts.iter().zip(self.seen) {
            match part.outcome() {
                Outcome::Sent => assert_eq!(seen.taken, 1, "{:?}", self.seen),
                Outcome::Suppressed => assert_eq!(seen.taken, 0, "{:?}", self.seen),
                Outcome::Unknown => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The first seed, and whether it was asked for.
fn seed() -> (bool, u64) {
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    (given.is_some(), given.unwrap_or_else(|| u64::from(rand::random::<u32>())))
}

#[tokio::test]
async fn in_no_order_is_a_part_sent_twice_or_the_ledger_wrong() {
    let (given, first) = seed();
    let server = RedisServer::start().await;
    let direct = server.config();
    let wire = Wire::to(direct.url.trim_start_matches("redis://")).await;
    let config = RedisConfig { url: format!("redis://{}", wire.address), deadline: Duration::from_secs(2) };
    let redis = Redis::new(&config, "").unwrap();
    let schedules = if given { 1 } else { SCHEDULES };
    for seed in first..first + schedules {
        println!("SEED={seed}");
        let clock = Clock::system();
        let terms = Terms { ttl: Duration::from_secs(50 * 3600), lease: LEASE, replicas: 0 };
        let ledger = Ledger::new(redis.clone(), terms, clock.clone(), Metrics::default());
        let mut run = Run {
            redis: redis.clone(),
            ledger,
            clock,
            random: StdRng::seed_from_u64(seed),
            wire: Arc::clone(&wire.lose),
            event: format!("e{seed}"),
            seen: Default::default(),
            owners: Vec::new(),
            born: 0,
        };
        let told = run.ends_somehow().await;
        run.agrees(&told).await;
    }
    assert!(given || wire.lost.load(Ordering::SeqCst) > 100, "answers were lost");
}
