//! Random histories of one user, replies in flight beside each other: the platform never has to answer 45015 or 45047.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use content_service::ledger::{End, Entry, Granted, PartEnd, Place, Proposal, State, resume::Resumed};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use proto::reply::Outcome;
use wechat::{
    account::{AccountKind, RuleSet},
    rights::{Action, Window, grant},
};

use crate::ledger::{Bench, proposal};

const ACTIONS: [Action; 4] = [Action::Message, Action::MenuClick, Action::Scan, Action::Subscribe];
const MARGIN_MS: i64 = 3_000;

/// What comes of bytes that left.
#[derive(Clone, Copy, Debug)]
enum Comes {
    Taken,
    /// The platform has it, and nobody learns that.
    LostAnswer,
    /// It never arrived, and nobody learns that.
    LostRequest,
    /// It is known that nothing left.
    NotSent,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The user acts; the event is handled later.
    Act(usize),
    /// The user leaves.
    Leave,
    /// The oldest event that waits gets a reply of so many parts.
    Handle(usize),
    /// One of the replies in flight sends its next part; sent again where nobody knows.
    Send(usize, Comes, bool),
    GiveUp(usize),
    /// One that waits for a person is sent again.
    Resume(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let comes = prop_oneof![
        4 => Just(Comes::Taken), 2 => Just(Comes::LostAnswer), 1 => Just(Comes::LostRequest), 1 => Just(Comes::NotSent)
    ];
    prop_oneof![
        3 => (0..ACTIONS.len()).prop_map(Step::Act),
        1 => Just(Step::Leave),
        4 => (1usize..4).prop_map(Step::Handle),
        8 => (0usize..4, comes, any::<bool>()).prop_map(|(n, comes, again)| Step::Send(n, comes, again)),
        1 => (0usize..4).prop_map(Step::GiveUp),
        2 => (0usize..4).prop_map(Step::Resume),
    ]
}

struct History<'a> {
    bench: &'a Bench,
    user: String,
    now_ms: i64,
    platform: Window,
    /// Events whose replies were in flight when the user left: the platform may refuse them, and it counts what it takes.
    past: HashSet<String>,
    acted: Vec<(i64, Action)>,
    flying: Vec<(Place, Entry)>,
    waiting: Vec<Place>,
    events: usize,
    sent: usize,
}

impl History<'_> {
    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Act(action) => {
                let grant = grant(AccountKind::Official, RuleSet::Today, ACTIONS[action]).unwrap();
                self.platform = self.platform.raise(self.now_ms, self.now_ms, &grant);
                self.acted.push((self.now_ms, ACTIONS[action]));
            }
            // More in flight than a new follower's right gives nobody could take back in time.
            Step::Leave if self.acted.is_empty() && self.flying.len() < 2 => self.leave().await,
            Step::Handle(parts) if !self.acted.is_empty() => self.handle(parts).await,
            Step::Send(n, comes, again) if !self.flying.is_empty() => {
                self.send(n % self.flying.len(), comes, again).await?
            }
            Step::GiveUp(n) if !self.flying.is_empty() => {
                let (place, mut entry) = self.flying.swap_remove(n % self.flying.len());
                self.give_up(&place, &mut entry).await;
            }
            Step::Resume(n) if !self.waiting.is_empty() => {
                let place = self.waiting.swap_remove(n % self.waiting.len());
                if let Resumed::Entry(entry) =
                    self.bench.ledger.resume(&place, &self.bench.mine).await.unwrap()
                {
                    self.past.remove(&entry.reply.event_id);
                    self.flying.push((place, *entry));
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn leave(&mut self) {
        self.platform = Window::default();
        self.past.extend(self.flying.iter().map(|(_, entry)| entry.reply.event_id.clone()));
        let event = format!("{}-{}", self.user, self.events);
        self.events += 1;
        let place = self.bench.ledger.place(&self.user, &event, event.clone());
        let proposal =
            Proposal { revokes: true, end: Some(self.end(Outcome::Suppressed)), ..proposal(&event, 0) };
        self.bench.ledger.reserve(&place, &self.bench.mine, proposal, false).await.unwrap();
    }

    async fn handle(&mut self, parts: usize) {
        let (since_ms, action) = self.acted.remove(0);
        let grant = grant(AccountKind::Official, RuleSet::Today, action).unwrap();
        let until_ms = since_ms + i64::from(grant.window_seconds) * 1000 - MARGIN_MS;
        let event = format!("{}-{}", self.user, self.events);
        self.events += 1;
        let place = self.bench.ledger.place(&self.user, &event, event.clone());
        let mut proposal = proposal(&event, parts);
        let (name, messages) = (grant.name, grant.messages);
        proposal.granted = Some(Granted { name, messages, since_ms, until_ms });
        let entry = self.bench.ledger.reserve(&place, &self.bench.mine, proposal, false).await.unwrap();
        if entry.state == State::Reserved {
            self.flying.push((place, entry));
        }
    }

    async fn give_up(&self, place: &Place, entry: &mut Entry) {
        let end = self.end(Outcome::Expired);
        self.bench.ledger.give_up(place, &self.bench.mine, entry, None, end).await.unwrap();
    }

    /// 43004: the user is gone.
    async fn refused(&self, place: &Place, entry: &mut Entry) {
        entry.tried();
        let part = entry.part_end(Outcome::Refused, Some(43_004), self.now_ms);
        let end = self.end(Outcome::Refused);
        self.bench.ledger.settle(place, &self.bench.mine, entry, part, end, true).await.unwrap();
    }

    fn end(&self, outcome: Outcome) -> End {
        End { outcome, reason: String::new(), until_ms: 0, at_ms: self.now_ms }
    }

    async fn send(&mut self, n: usize, comes: Comes, again: bool) -> Result<(), TestCaseError> {
        let (place, mut entry) = self.flying.swap_remove(n);
        let (ledger, mine) = (&self.bench.ledger, &self.bench.mine);
        if entry.reply.decision.as_ref().unwrap().budget.as_ref().unwrap().until_ms <= self.now_ms {
            self.give_up(&place, &mut entry).await;
            return Ok(());
        }
        if entry.state == State::Reserved {
            ledger.arm(&place, mine, &mut entry).await.unwrap();
        }
        prop_assert!(matches!(entry.state, State::Armed(_)), "{:?}", entry.state);
        if matches!(comes, Comes::Taken | Comes::LostAnswer) {
            let taken = self.platform.take(self.now_ms);
            if !taken && self.past.contains(&entry.reply.event_id) {
                self.refused(&place, &mut entry).await;
                return Ok(());
            }
            prop_assert!(taken, "45015 or 45047 at {}", self.now_ms);
            self.sent += 1;
        }
        if matches!(comes, Comes::NotSent) {
            ledger.not_sent(&place, mine, &mut entry).await.unwrap();
            self.flying.push((place, entry));
            return Ok(());
        }
        entry.tried();
        let (attempts, unknown, at_ms) = (entry.attempts(), entry.unknown(), self.now_ms);
        let part = |outcome, unknown| PartEnd { outcome, errcode: None, at_ms, attempts, unknown };
        match comes {
            Comes::Taken if entry.left() > 1 => {
                ledger.next_part(&place, mine, &mut entry, part(Outcome::Sent, unknown)).await.unwrap();
            }
            Comes::Taken => {
                let (part, end) = (part(Outcome::Sent, unknown), self.end(Outcome::Sent));
                ledger.settle(&place, mine, &mut entry, part, end, false).await.unwrap();
            }
            _ => {
                let (part, end) = (part(Outcome::Unknown, unknown + 1), self.end(Outcome::Unknown));
                ledger.unknown(&place, mine, &mut entry, part, end, again).await.unwrap();
            }
        }
        match entry.state {
            State::Settled if entry.reply.outcome() == Outcome::Unknown && !entry.again => {
                ledger.wait(&place, mine, b"outcome").await.unwrap();
                self.waiting.push(place);
            }
            State::Settled => {}
            _ => {
                if entry.state == State::Reserved {
                    self.past.remove(&entry.reply.event_id);
                }
                self.flying.push((place, entry));
            }
        }
        Ok(())
    }
}

#[test]
fn no_history_of_one_user_exceeds_what_the_platform_grants() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::start());
    runtime.block_on(bench.without_sync());
    let (users, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let steps = proptest::collection::vec((0i64..9_000, step()), 8..40);
    let mut runner = TestRunner::new(Config { cases: 500, ..Config::default() });
    runner
        .run(&steps, |steps| {
            let user = format!("h{}", users.fetch_add(1, Ordering::Relaxed));
            let mut history = History {
                bench: &bench,
                user,
                now_ms: 1_800_000_000_000,
                platform: Window::default(),
                past: HashSet::new(),
                acted: Vec::new(),
                flying: Vec::new(),
                waiting: Vec::new(),
                events: 0,
                sent: 0,
            };
            for (pause_ms, step) in steps {
                history.now_ms += pause_ms;
                bench.clock.set_ms(history.now_ms);
                runtime.block_on(history.step(step))?;
            }
            sent.fetch_add(history.sent, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    let sent = sent.into_inner();
    assert!(sent > 600, "{sent} sends prove nothing");
}
