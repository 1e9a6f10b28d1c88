//! Every script of the ledger: its transition, its repeat, and two who want the same.

mod late;
mod units;

use std::time::Duration;

use content_service::{
    assignment::Assignment,
    ledger::{Closer, End, Entry, Granted, Ledger, PartEnd, Place, Proposal, State, Terms},
    metrics::Metrics,
};
use proto::reply::{Decision, Outcome, Part, Reply, ShownRecord};
use runtime::{clock::Clock, redis::Redis};
use tokio_util::sync::CancellationToken;

use crate::{redis_server::RedisServer, world::until};

pub(crate) struct Bench {
    _server: RedisServer,
    pub(crate) redis: Redis,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) mine: Assignment,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let server = RedisServer::start().await;
        let (redis, clock) = (server.client(), Clock::system());
        let terms = Terms { ttl: Duration::from_secs(50 * 3600), lease: Duration::from_secs(9), replicas: 0 };
        let ledger = Ledger::new(redis.clone(), terms, clock.clone(), Metrics::default());
        Self { _server: server, redis, ledger, clock, mine: Assignment::new(1) }
    }

    /// Thousands of steps need no disk.
    pub(crate) async fn without_sync(&self) {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("appendfsync").arg("no");
        self.redis.query::<()>(&set).await.unwrap();
    }

    fn place(&self, event: &str, who: &str) -> Place {
        self.ledger.place("wx1:o1", event, who.to_owned())
    }

    async fn reserve(&self, event: &str, who: &str, parts: usize, arm: bool) -> Entry {
        let place = self.place(event, who);
        self.ledger.reserve(&place, &self.mine, self.granted(event, parts), arm).await.unwrap()
    }

    fn granted(&self, event: &str, parts: usize) -> Proposal {
        let since_ms = self.clock.now_ms();
        let until_ms = since_ms + 60_000;
        Proposal {
            granted: Some(Granted { name: "message", messages: 5, since_ms, until_ms }),
            ..proposal(event, parts)
        }
    }

    /// The lease of whoever has armed it is over.
    async fn lapse(&self, event: &str) {
        self.lease_ends(event, 1).await;
    }

    /// A finder whose leases are this long, on the same Redis.
    fn finder(&self, lease: Duration) -> Ledger {
        let terms = Terms { ttl: Duration::from_secs(50 * 3600), lease, replicas: 0 };
        Ledger::new(self.redis.clone(), terms, self.clock.clone(), Metrics::default())
    }

    /// The lease ends then, by the clock of Redis.
    async fn lease_ends(&self, event: &str, at_ms: i64) {
        let mut set = redis::cmd("HSET");
        set.arg(format!("l:{{wx1:o1}}:{event}")).arg("l").arg(at_ms);
        assert_eq!(self.redis.query::<i64>(&set).await.unwrap(), 0, "the entry is there");
    }

    async fn left(&self) -> u32 {
        self.redis.query(redis::cmd("HGET").arg("g:{wx1:o1}").arg("left")).await.unwrap()
    }
}

pub(crate) fn proposal(event: &str, parts: usize) -> Proposal {
    let part = |n: usize| Part { message: format!("{{\"part\":{n}}}"), ..Part::default() };
    let reply = Reply {
        event_id: event.to_owned(),
        parts: (0..parts).map(part).collect(),
        decision: Some(Decision::default()),
        ..Reply::default()
    };
    Proposal { reply, end: None, granted: None, revokes: false }
}

fn part(outcome: Outcome) -> PartEnd {
    PartEnd { outcome, errcode: None, at_ms: 7, attempts: 1, unknown: 0 }
}

fn end(outcome: Outcome) -> End {
    End { outcome, reason: "because | of this".to_owned(), until_ms: 0, at_ms: 7 }
}

#[tokio::test]
async fn a_repeated_call_gives_the_same_answer_and_takes_nothing_twice() {
    let bench = Bench::start().await;
    let (place, mine, ledger) = (bench.place("e", "me"), &bench.mine, &bench.ledger);

    let first = bench.reserve("e", "me", 3, true).await;
    let again = bench.reserve("e", "me", 3, true).await;
    assert!(matches!(first.state, State::Armed(_)) && matches!(again.state, State::Armed(_)));
    assert_eq!((first.reply, bench.left().await), (again.reply.clone(), 2));

    let mut entry = again;
    for repeat in 0..2 {
        let mut same = entry.clone();
        ledger.next_part(&place, mine, &mut same, part(Outcome::Sent)).await.unwrap();
        assert_eq!((same.part, same.attempt), (1, 1), "repeat {repeat}");
        assert!(matches!(same.state, State::Armed(_)));
    }
    ledger.next_part(&place, mine, &mut entry, part(Outcome::Sent)).await.unwrap();

    for _ in 0..2 {
        let mut same = entry.clone();
        ledger.not_sent(&place, mine, &mut same).await.unwrap();
        assert_eq!(same.state, State::Reserved);
    }
    ledger.not_sent(&place, mine, &mut entry).await.unwrap();
    for _ in 0..2 {
        let mut same = entry.clone();
        ledger.arm(&place, mine, &mut same).await.unwrap();
        assert!(matches!(same.state, State::Armed(_)));
        assert_eq!(same.attempt, 2);
    }
    ledger.arm(&place, mine, &mut entry).await.unwrap();
    for _ in 0..2 {
        let mut same = entry.clone();
        ledger
            .settle(&place, mine, &mut same, part(Outcome::Refused), end(Outcome::Refused), false)
            .await
            .unwrap();
        assert_eq!(same.state, State::Settled);
        assert_eq!(bench.left().await, 3, "the part that was not tried gives its unit back, once");
    }
    let outcomes = |entry: &Entry| entry.reply.parts.iter().map(|part| part.outcome()).collect::<Vec<_>>();
    let found = bench.reserve("e", "another", 3, true).await;
    assert_eq!((found.state, found.end.clone()), (State::Settled, Some(end(Outcome::Refused))));
    assert_eq!(outcomes(&found), [Outcome::Sent, Outcome::Refused, Outcome::Suppressed]);
}

#[tokio::test]
async fn tries_that_were_not_taken_are_counted_also_by_who_goes_on_after_a_crash() {
    let bench = Bench::start().await;
    let (mine, place) = (&bench.mine, bench.place("e", "dead"));
    let mut dead = bench.reserve("e", "dead", 2, true).await;
    dead.tried();
    bench.ledger.not_sent(&place, mine, &mut dead).await.unwrap();

    let heir = bench.place("e", "heir");
    let mut found = bench.reserve("e", "heir", 2, true).await;
    assert_eq!((found.state, found.attempts()), (State::Reserved, 1));
    bench.ledger.arm(&heir, mine, &mut found).await.unwrap();
    found.tried();
    let taken = PartEnd { attempts: found.attempts(), ..part(Outcome::Sent) };
    bench.ledger.next_part(&heir, mine, &mut found, taken).await.unwrap();
    bench.lapse("e").await;
    let mut left = bench.reserve("e", "last", 2, true).await;
    bench.ledger.overdue(&bench.place("e", "last"), mine, &mut left, false).await.unwrap();
    let attempts = left.reply.parts.iter().map(|part| part.attempts).collect::<Vec<_>>();
    assert_eq!(attempts, [2, 1], "of the second part one try was cut off");
}

#[tokio::test]
async fn giving_up_returns_every_unit_once() {
    let bench = Bench::start().await;
    let place = bench.place("e", "me");
    let entry = bench.reserve("e", "me", 2, false).await;
    assert_eq!((entry.state, bench.left().await), (State::Reserved, 3));
    for _ in 0..2 {
        let mut same = entry.clone();
        let end = end(Outcome::Expired);
        bench.ledger.give_up(&place, &bench.mine, &mut same, None, end).await.unwrap();
        assert_eq!((same.state, bench.left().await), (State::Settled, 5));
    }
}

#[tokio::test]
async fn a_refusal_that_closes_the_window_leaves_nothing() {
    let bench = Bench::start().await;
    let place = bench.place("e", "me");
    let mut entry = bench.reserve("e", "me", 1, true).await;
    let (part, end) = (part(Outcome::Refused), end(Outcome::Refused));
    bench.ledger.settle(&place, &bench.mine, &mut entry, part, end, true).await.unwrap();
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn what_is_used_up_or_lapsed_ends_at_once_and_again_the_same() {
    let bench = Bench::start().await;
    bench.reserve("first", "me", 4, true).await;
    let mut poor = proposal("second", 2);
    poor.reply.event_id = "second".to_owned();
    for who in ["me", "another"] {
        let place = bench.place("second", who);
        let entry = bench.ledger.reserve(&place, &bench.mine, poor.clone(), true).await.unwrap();
        let end = entry.end.unwrap();
        assert_eq!((end.outcome, end.reason.as_str()), (Outcome::Suppressed, "send right used up"));
        assert_eq!(entry.reply.decision.unwrap().budget.unwrap().after, 1);
    }
    bench.clock.advance(Duration::from_secs(61));
    let place = bench.place("third", "me");
    let entry = bench.ledger.reserve(&place, &bench.mine, proposal("third", 1), true).await.unwrap();
    assert_eq!(entry.end.unwrap().reason, "send right lapsed");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_of_one_event_one_sends() {
    let bench = Bench::start().await;
    for round in 0..50 {
        let event = format!("e{round}");
        let user = format!("u{round}");
        let run = async |who: &str| {
            let place = bench.ledger.place(&user, &event, who.to_owned());
            let proposal = bench.granted(&event, 1);
            let mut entry =
                bench.ledger.reserve(&place, &bench.mine, proposal, round % 2 == 0).await.unwrap();
            if entry.state == State::Reserved {
                bench.ledger.arm(&place, &bench.mine, &mut entry).await.unwrap();
            }
            usize::from(matches!(entry.state, State::Armed(_)))
        };
        let (one, two) = tokio::join!(run("one"), run("two"));
        assert_eq!(one + two, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_entry_keeps_a_hash_and_its_end() {
    let bench = Bench::start().await;
    let (closer, work) = Closer::new(bench.redis.clone(), Metrics::default(), CancellationToken::new());
    tokio::spawn(work);
    let place = bench.place("e", "me");
    let mut entry = bench.reserve("e", "me", 1, true).await;
    let (part, end) = (part(Outcome::Sent), end(Outcome::Sent));
    bench.ledger.settle(&place, &bench.mine, &mut entry, part, end, false).await.unwrap();
    closer.close(&place, b"bytes").await;
    until("the entry is closed", async || bench.reserve("e", "other", 1, true).await.state == State::Closed)
        .await;
    let fields: Vec<String> = bench.redis.query(redis::cmd("HKEYS").arg("l:{wx1:o1}:e")).await.unwrap();
    assert!(fields.contains(&"h".to_owned()) && !fields.contains(&"b".to_owned()), "{fields:?}");
    let ttl: i64 = bench.redis.query(redis::cmd("PTTL").arg("l:{wx1:o1}:e")).await.unwrap();
    assert!(ttl > 49 * 3_600_000);
}

/// F12: its owner slept between the end and telling it; who took over has told it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_meanwhile_is_not_told_otherwise() {
    let bench = Bench::start().await;
    let (closer, work) = Closer::new(bench.redis.clone(), Metrics::default(), CancellationToken::new());
    tokio::spawn(work);
    let (place, mine) = (bench.place("e", "me"), &bench.mine);
    let mut entry = bench.reserve("e", "me", 1, true).await;
    bench
        .ledger
        .settle(&place, mine, &mut entry, part(Outcome::Sent), end(Outcome::Sent), false)
        .await
        .unwrap();
    for _ in 0..2 {
        bench.ledger.note_not_recorded(&place, mine, &mut entry).await.unwrap();
        assert_eq!((entry.state, entry.reply.shown()), (State::Settled, ShownRecord::NotRecorded));
    }
    closer.close(&place, b"bytes").await;
    until("it is closed", async || bench.reserve("e", "other", 1, true).await.state == State::Closed).await;
    bench.ledger.note_not_recorded(&place, mine, &mut entry).await.unwrap();
    assert_eq!(entry.state, State::Closed);
}

#[tokio::test]
async fn a_part_is_sent_again_only_while_the_right_gives_it_and_a_repeat_takes_one_unit() {
    let bench = Bench::start().await;
    let (mine, place) = (&bench.mine, bench.place("e", "me"));
    let entry = bench.reserve("e", "me", 2, true).await;
    let unknown = PartEnd { unknown: 1, ..part(Outcome::Unknown) };
    for _ in 0..2 {
        let mut same = entry.clone();
        bench.ledger.unknown(&place, mine, &mut same, unknown, end(Outcome::Unknown), true).await.unwrap();
        assert_eq!((same.state, same.again, same.unknown()), (State::Reserved, true, 1));
        assert_eq!((bench.left().await, same.reply.decision.unwrap().budget.unwrap().after), (2, 2));
    }
    let place = bench.place("poor", "me");
    let mut poor = bench.ledger.reserve(&place, mine, proposal("poor", 2), true).await.unwrap();
    assert_eq!(bench.left().await, 0);
    bench.ledger.unknown(&place, mine, &mut poor, unknown, end(Outcome::Unknown), true).await.unwrap();
    assert_eq!((poor.state, poor.reply.outcome()), (State::Settled, Outcome::Unknown));
    assert_eq!(bench.left().await, 1, "the part that was not tried gives its unit back");
}
