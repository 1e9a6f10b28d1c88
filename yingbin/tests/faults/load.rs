//! The driver: pushes as the platform does, the same users and texts for the same seed, and remembers what was answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use runtime::clock::Clock;
use simulator::{Act, Attempt, Order, Simulator};
use tokio::{task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use wechat::{envelope::AesKey, push::Credentials};
use yingbin::example::Account;

use crate::support::processes::until;

/// The load goes on although the system does not: pushes take no longer than three deliveries.
const PATIENCE: Duration = Duration::from_secs(120);

/// One push and what became of its deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Pushed {
    pub(crate) text: String,
    /// The name of the account that was written to.
    pub(crate) account: String,
    pub(crate) begun_ms: i64,
    pub(crate) ended_ms: i64,
    pub(crate) attempts: Vec<Attempt>,
}

impl Pushed {
    /// One delivery was answered 200.
    pub(crate) fn accepted(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.status == 200)
    }
}

/// Whoever pushes: the platform with its accounts.
pub(crate) struct Pusher {
    pub(crate) simulator: Simulator,
    pub(crate) accounts: Vec<Account>,
    /// How many people write to each.
    users: usize,
    message_id: AtomicI64,
    texts: AtomicUsize,
}

impl Pusher {
    /// What the platform seals pushes of an account with.
    pub(crate) fn credentials(&self, account: usize) -> Credentials {
        let account = &self.accounts[account];
        Credentials {
            app_id: account.app_id.clone(),
            token: account.token.as_str().into(),
            previous_token: None,
            aes_key: Some(AesKey::parse(&account.aes_key).unwrap()),
            previous_aes_key: None,
            mode: account.mode,
        }
    }

    pub(crate) fn new(simulator: Simulator, accounts: Vec<Account>, users: usize) -> Self {
        let message_id = AtomicI64::new(Clock::system().now_ms() * 10_000);
        Self { simulator, accounts, users, message_id, texts: AtomicUsize::new(0) }
    }

    /// A text that nobody has written before, by somebody of one account.
    pub(crate) fn text(&self, account: usize, openid: &str) -> (String, Order) {
        let text = format!("text {}", self.texts.fetch_add(1, Ordering::Relaxed));
        let id = self.message_id.fetch_add(1, Ordering::Relaxed);
        let account = &self.accounts[account];
        let act = Act::Text { content: text.clone() };
        let now_ms = Clock::system().now_ms();
        let document = act.document(&account.simulated(""), openid, now_ms, id).unwrap();
        (text, Order { account: account.name.clone(), document, ..Order::default() })
    }

    /// Pushes until it is taken or given up.
    pub(crate) async fn push(&self, (text, order): (String, Order)) -> Pushed {
        let begun_ms = Clock::system().now_ms();
        let attempts = self.simulator.push(&order).await.unwrap();
        Pushed { text, account: order.account, begun_ms, ended_ms: Clock::system().now_ms(), attempts }
    }

    /// Somebody, of any account, writes something.
    pub(crate) fn anybody(&self, random: &mut StdRng) -> (String, Order) {
        let account = random.random_range(0..self.accounts.len());
        self.text(account, &format!("o{account}-{}", random.random_range(0..self.users)))
    }
}

/// Pushes at a rate until it is told to stop.
pub(crate) struct Load {
    begun: Arc<AtomicUsize>,
    beat: Duration,
    stop: CancellationToken,
    task: JoinHandle<Vec<Pushed>>,
}

/// What becomes of a push that is late or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Later ones are late too, and it is repeated as the platform does.
    Usual,
    /// Later ones keep their time, whatever became of those before, and nothing is repeated.
    Open,
}

impl Load {
    /// So many a second.
    pub(crate) fn start(pusher: &Arc<Pusher>, per_second: u32, seed: u64, kind: Kind) -> Self {
        let (begun, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let beat = Duration::from_secs(1) / per_second;
        let pushing = push_texts(Arc::clone(pusher), beat, kind, seed, Arc::clone(&begun), stop.clone());
        Self { begun, beat, stop, task: tokio::spawn(pushing) }
    }

    /// Waits until so many more pushes have begun: the load is the clock of a test.
    pub(crate) async fn goes_on(&self, more: usize) {
        self.reaches(self.begun() + more).await;
    }

    /// Waits until as many pushes have begun as do in this time, since the load's beginning.
    pub(crate) async fn lasts(&self, time: Duration) {
        let beats = time.as_nanos() / self.beat.as_nanos();
        self.reaches(usize::try_from(beats).unwrap()).await;
    }

    /// Waits until so many pushes have begun.
    pub(crate) async fn reaches(&self, count: usize) {
        let left = u32::try_from(count.saturating_sub(self.begun())).unwrap();
        let within = PATIENCE + 2 * left * self.beat;
        until("the load goes on", within, async || (self.begun() >= count).then_some(())).await;
    }

    /// How many have.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// No more pushes; returns when each has been taken or given up.
    pub(crate) async fn end(self) -> Vec<Pushed> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn push_texts(
    pusher: Arc<Pusher>,
    beat: Duration,
    kind: Kind,
    seed: u64,
    begun: Arc<AtomicUsize>,
    stop: CancellationToken,
) -> Vec<Pushed> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut beat = tokio::time::interval(beat);
    beat.set_missed_tick_behavior(match kind {
        Kind::Usual => MissedTickBehavior::Delay,
        Kind::Open => MissedTickBehavior::Burst,
    });
    let mut pushing = Vec::new();
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        let (pusher, (text, mut order)) = (Arc::clone(&pusher), pusher.anybody(&mut random));
        order.repeat = (kind == Kind::Open).then_some(1);
        pushing.push(tokio::spawn(async move { pusher.push((text, order)).await }));
        begun.fetch_add(1, Ordering::Relaxed);
    }
    let mut pushed = Vec::new();
    for push in pushing {
        pushed.push(push.await.unwrap());
    }
    pushed
}
