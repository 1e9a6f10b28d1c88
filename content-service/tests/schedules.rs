//! The ledger's client under seeded schedules: two owners of one event, one step at a time in any order, answers that are lost so that
//! scripts are repeated after others have acted, owners that die between two steps or before a repeat, and leases that lapse. `SEED=…`
//! repeats one. The same for the access token of a fleet is in `schedules/tokens.rs`.
//!
//! The Redis is a real one and the answers are lost on the wire, since the client holds its connection itself and half of the ledger is
//! Lua; a simulated network would test neither. The schedule is this test's own: nothing moves but the step that it takes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "the world of tests/service is larger than one test")]

#[path = "service/fakes.rs"]
mod fakes;
#[path = "schedules/owner.rs"]
mod owner;
#[path = "service/redis_server.rs"]
mod redis_server;
#[path = "schedules/tokens.rs"]
mod tokens;
#[path = "schedules/wire.rs"]
mod wire;
#[path = "service/world.rs"]
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use content_service::{
    assignment::Assignment,
    ledger::{Entry, Granted, Ledger, Proposal, State, Terms},
    metrics::Metrics,
};
use owner::{Chosen, Owner, Seen};
use proto::reply::{Decision, Outcome, Part, Reply};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use redis_server::RedisServer;
use runtime::{
    clock::Clock,
    redis::{Redis, RedisConfig},
};
use tokio::task::JoinHandle;
use wire::Wire;

const LEASE: Duration = Duration::from_secs(9);
const PARTS: usize = 3;
const SCHEDULES: u64 = 150;
/// Owners that a schedule may have.
const OWNERS: usize = 6;

/// An owner's own way to the ledger.
struct Seat {
    wire: Wire,
    ledger: Ledger,
}

impl Seat {
    async fn at(server: &str) -> Self {
        let wire = Wire::stopping(server).await;
        let url = format!("redis://{}", wire.address);
        let redis = Redis::new(&RedisConfig::new(url, Duration::from_secs(2)), "").unwrap();
        Self { wire, ledger: ledger(&redis) }
    }
}

fn ledger(redis: &Redis) -> Ledger {
    let terms = Terms { ttl: Duration::from_secs(50 * 3600), lease: LEASE, replicas: 0 };
    Ledger::new(redis.clone(), terms, Clock::system(), Metrics::default())
}

/// An owner between two steps, or one that has lost an answer and asks again when it is let on.
enum Standing {
    Free(Box<Owner>),
    Waits(JoinHandle<Owner>),
}

struct Run<'a> {
    redis: &'a Redis,
    seats: &'a [Seat],
    random: StdRng,
    again: bool,
    event: String,
    seen: Seen,
    /// Each at its seat.
    owners: Vec<(usize, Standing)>,
    born: usize,
    /// Repeats that came after somebody else had acted.
    late: &'a AtomicUsize,
    /// Repeats that came after the end.
    repeats: &'a AtomicUsize,
    steps: usize,
    lost_at: [usize; OWNERS],
}

impl Run<'_> {
    fn owner(&self, ledger: Ledger, name: usize) -> Owner {
        let place = ledger.place(&format!("wx1:{}", self.event), &self.event, format!("owner{name}"));
        let mine = Assignment::new(name as u64);
        let (again, seen, proposal) = (self.again, Arc::clone(&self.seen), self.proposal());
        Owner { ledger, place, mine, proposal, again, seen, entry: None, left: None }
    }

    fn joins(&mut self) {
        let seat = self.born;
        self.born += 1;
        let owner = self.owner(self.seats[seat].ledger.clone(), seat);
        self.owners.push((seat, Standing::Free(Box::new(owner))));
    }

    fn proposal(&self) -> Proposal {
        let part = |n: usize| Part { message: format!("{{\"part\":{n}}}"), ..Part::default() };
        let reply = Reply {
            event_id: self.event.clone(),
            parts: (0..PARTS).map(part).collect(),
            decision: Some(Decision::default()),
            ..Reply::default()
        };
        let since_ms = Clock::system().now_ms();
        let right = Granted { name: "message", messages: 5, since_ms, until_ms: since_ms + 48 * 3_600_000 };
        Proposal { reply, end: None, granted: Some(right), revokes: false }
    }

    fn chosen(&mut self) -> Chosen {
        let comes = match self.random.random_range(0..10) {
            0..6 => Outcome::Sent,
            6..8 => Outcome::Unknown,
            _ => Outcome::Unspecified,
        };
        Chosen { comes, arm: self.random.random() }
    }

    fn key(&self) -> String {
        format!("l:{{wx1:{0}}}:{0}", self.event)
    }

    /// One step of one owner, or the rest of one: to its end, or to an answer that is lost.
    async fn step(&mut self, seat: usize, standing: Standing) -> Standing {
        let Seat { wire, .. } = &self.seats[seat];
        let loses = self.random.random_bool(if self.steps == 0 { 0.5 } else { 0.2 });
        let chosen = self.chosen();
        wire.lose.store(loses, Ordering::SeqCst);
        let mut task = match standing {
            Standing::Free(owner) => tokio::spawn(owner.step(chosen)),
            Standing::Waits(task) => {
                self.late.fetch_add(usize::from(self.steps > self.lost_at[seat]), Ordering::SeqCst);
                wire.lets_on();
                task
            }
        };
        self.steps += 1;
        tokio::select! {
            owner = &mut task => {
                wire.lose.store(false, Ordering::SeqCst);
                Standing::Free(Box::new(owner.unwrap()))
            }
            () = wire.stands() => {
                self.lost_at[seat] = self.steps;
                Standing::Waits(task)
            }
        }
    }

    /// The lease of whoever has armed the entry is over.
    async fn lapse(&mut self) {
        let mut set = redis::cmd("EVAL");
        set.arg("return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HSET', KEYS[1], 'l', 1)");
        self.redis.query::<Option<i64>>(set.arg(1).arg(self.key())).await.unwrap();
    }

    /// Whoever learns that it may send is the one that the ledger says may, with a lease of its own.
    async fn may_send(&self, seat: usize, owner: &Owner) {
        let entry = owner.entry.as_ref().unwrap();
        let mut get = redis::cmd("HMGET");
        get.arg(self.key()).arg("s").arg("f").arg("p").arg("a").arg("l");
        let (state, fence, part, attempt, lease): (String, String, usize, u32, i64) =
            self.redis.query(&get).await.unwrap();
        assert_eq!((state.as_str(), fence), ("sending", format!("owner{seat}")), "armed for somebody else");
        assert_eq!((part, attempt), (entry.part, entry.attempt));
        assert!(lease > Clock::system().now_ms(), "bytes may leave under a lease that is over");
    }

    /// Two owners in the order that the seed chooses, until somebody knows the end.
    async fn ends_somehow(&mut self) -> Entry {
        self.joins();
        self.joins();
        loop {
            let n = self.random.random_range(0..self.owners.len());
            let waits = matches!(self.owners[n].1, Standing::Waits(_));
            if waits && self.random.random_bool(0.5) {
                continue;
            }
            let (seat, standing) = self.owners.swap_remove(n);
            if self.born < OWNERS && self.random.random_bool(0.04) {
                // It dies where it stands, and another takes over.
                self.ends(seat, standing);
                self.joins();
                continue;
            }
            let somebody_waits = self.owners.iter().any(|(_, other)| matches!(other, Standing::Waits(_)));
            if self.random.random_bool(if somebody_waits { 0.4 } else { 0.06 }) {
                self.lapse().await;
            }
            let standing = self.step(seat, standing).await;
            self.nothing_is_sent_too_often();
            match standing {
                Standing::Free(owner) if owner.knows_the_end() => return owner.entry.unwrap(),
                Standing::Free(owner) => {
                    if owner.is_armed() {
                        self.may_send(seat, &owner).await;
                    }
                    self.owners.push((seat, Standing::Free(owner)));
                }
                waits @ Standing::Waits(_) => self.owners.push((seat, waits)),
            }
        }
    }

    fn ends(&self, seat: usize, standing: Standing) {
        if let Standing::Waits(task) = standing {
            task.abort();
        }
        self.seats[seat].wire.lets_on();
    }

    /// Each part once; where the playbook wants it, one of them once more.
    fn nothing_is_sent_too_often(&self) {
        let seen = self.seen.lock().unwrap();
        let more: u32 = seen.iter().map(|taken| taken.saturating_sub(1)).sum();
        assert!(more <= u32::from(self.again), "sent twice: {seen:?}");
    }

    /// What the ledger says is what the platform saw, as far as it can be known.
    async fn agrees(&mut self, told: &Entry) {
        for (seat, standing) in std::mem::take(&mut self.owners) {
            let Standing::Waits(repeats) = standing else { continue };
            self.seats[seat].wire.lets_on();
            let late = repeats.await.unwrap().entry.unwrap();
            let same = (&late.end, &late.reply.parts) == (&told.end, &told.reply.parts);
            assert!(same, "a repeat after the end is told something else: {late:?} {told:?}");
            self.repeats.fetch_add(1, Ordering::SeqCst);
        }
        for name in [100, 101] {
            let other = self.owner(ledger(self.redis), name);
            let found = other.ledger.reserve(&other.place, &other.mine, other.proposal, true).await.unwrap();
            assert_eq!(found.state, State::Settled);
            assert_eq!(
                (&found.end, &found.reply.parts),
                (&told.end, &told.reply.parts),
                "all are told the same"
            );
        }
        for (part, taken) in told.reply.parts.iter().zip(*self.seen.lock().unwrap()) {
            match part.outcome() {
                Outcome::Sent => assert!(taken >= 1, "{:?}", self.seen),
                Outcome::Suppressed => assert_eq!(taken, 0, "{:?}", self.seen),
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
    let (direct, url) = (server.client(), server.config().url);
    let mut seats = Vec::new();
    for _ in 0..OWNERS {
        seats.push(Seat::at(url.trim_start_matches("redis://")).await);
    }
    let (late, repeats) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let schedules = if given { 1 } else { SCHEDULES };
    for seed in first..first + schedules {
        println!("SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let again = random.random();
        let event = format!("e{seed}");
        let (seen, owners, born, steps, lost_at) = (Seen::default(), Vec::new(), 0, 0, [0; OWNERS]);
        let (redis, seats, late, repeats) = (&direct, &seats[..], &late, &repeats);
        let mut run =
            Run { redis, seats, random, again, event, seen, owners, born, late, repeats, steps, lost_at };
        let told = run.ends_somehow().await;
        run.agrees(&told).await;
    }
    let lost: usize = seats.iter().map(|seat| seat.wire.lost.load(Ordering::SeqCst)).sum();
    let (late, repeats) = (late.into_inner(), repeats.into_inner());
    let enough = lost > 100 && late > 50 && repeats > 5;
    assert!(
        given || enough,
        "{lost} answers lost, {late} repeats after somebody else, {repeats} after the end"
    );
}
