//! Who may run now: the events of one user in order, users in parallel, bounded over all, with places that only one account may take.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// One part in so many of all places is kept for single accounts.
const KEPT: usize = 8;

/// How much may run at a time. Each account has places of its own, which no other may take, and the rest is for whoever comes first:
/// so a healthy account goes on however many others are sick, and one alone has nearly everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Places of each account.
    pub own: usize,
    /// Places for all of them.
    pub shared: usize,
}

impl Bounds {
    /// Divides `total` places among `accounts`, of which there must not be more than places: an eighth of them, and at least one for
    /// each account, are kept. A single account has everything.
    #[must_use]
    pub fn divide(total: usize, accounts: usize) -> Self {
        let own = if accounts > 1 { (total / KEPT / accounts).max(1) } else { 0 };
        Self { own, shared: total.saturating_sub(own * accounts) }
    }
}

/// One user: the record key. An account's events without a user share one lane.
pub type LaneKey = Bytes;

/// Waiting work by lane. Pure: it says what may start, and is told what has ended.
#[derive(Debug)]
pub struct Lanes<W> {
    bounds: Bounds,
    running: usize,
    /// Shared places that are taken.
    shared: usize,
    accounts: Vec<Account>,
    /// The account whose turn it is.
    turn: usize,
    lanes: HashMap<LaneKey, Lane<W>>,
}

#[derive(Debug, Default)]
struct Account {
    running: usize,
    /// Lanes with waiting work and none running, oldest first.
    ready: VecDeque<LaneKey>,
}

#[derive(Debug)]
struct Lane<W> {
    account: usize,
    running: bool,
    waiting: VecDeque<W>,
}

impl<W> Lanes<W> {
    /// Nothing waits. `accounts`: how many there are; work names its account by index.
    #[must_use]
    pub fn new(accounts: usize, bounds: Bounds) -> Self {
        let accounts = (0..accounts.max(1)).map(|_| Account::default()).collect();
        Self { bounds, running: 0, shared: 0, accounts, turn: 0, lanes: HashMap::new() }
    }

    /// Puts work at the end of its lane.
    pub fn push(&mut self, account: usize, key: &LaneKey, work: W) {
        let account = account.min(self.accounts.len() - 1);
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            account,
            running: false,
            waiting: VecDeque::new(),
        });
        lane.waiting.push_back(work);
        if !lane.running && lane.waiting.len() == 1 {
            self.accounts[lane.account].ready.push_back(key.clone());
        }
    }

    /// Waiting work of a lane.
    #[must_use]
    pub fn waiting(&self, key: &LaneKey) -> usize {
        self.lanes.get(key).map_or(0, |lane| lane.waiting.len())
    }

    /// Puts work at the end of its lane in place of the oldest waiting there that may give way, and returns that; work that may, if
    /// nothing waits there, is returned itself.
    pub fn replace(&mut self, account: usize, key: &LaneKey, work: W, may: impl Fn(&W) -> bool) -> Option<W> {
        let waiting = self.lanes.get_mut(key).map(|lane| &mut lane.waiting);
        let oldest = waiting.and_then(|waiting| Some((waiting.iter().position(&may)?, waiting)));
        match oldest {
            // The lane stays as ready as it was.
            Some((oldest, waiting)) => {
                waiting.push_back(work);
                waiting.remove(oldest)
            }
            None if may(&work) => Some(work),
            None => {
                self.push(account, key, work);
                None
            }
        }
    }

    /// The next work that may start; accounts take turns.
    pub fn start(&mut self) -> Option<W> {
        let count = self.accounts.len();
        let free = self.shared < self.bounds.shared;
        let may_run =
            |account: &Account| (free || account.running < self.bounds.own) && !account.ready.is_empty();
        let index = (0..count).map(|n| (self.turn + n) % count).find(|n| may_run(&self.accounts[*n]))?;
        self.turn = (index + 1) % count;
        let account = &mut self.accounts[index];
        let lane = self.lanes.get_mut(&account.ready.pop_front()?)?;
        let work = lane.waiting.pop_front()?;
        lane.running = true;
        self.shared += usize::from(account.running >= self.bounds.own);
        account.running += 1;
        self.running += 1;
        Some(work)
    }

    /// The running work of a lane has ended.
    pub fn finish(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.running) else { return };
        lane.running = false;
        self.running -= 1;
        let account = &mut self.accounts[lane.account];
        account.running -= 1;
        self.shared -= usize::from(account.running >= self.bounds.own);
        if lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else {
            account.ready.push_back(key.clone());
        }
    }

    /// Forgets waiting work; what runs goes on.
    pub fn forget(&mut self, mut gone: impl FnMut(&W) -> bool) {
        self.lanes.retain(|_, lane| {
            lane.waiting.retain(|work| !gone(work));
            lane.running || !lane.waiting.is_empty()
        });
        let lanes = &self.lanes;
        for account in &mut self.accounts {
            account.ready.retain(|key| lanes.contains_key(key));
        }
    }

    /// Work under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Lanes with work, running or waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// No work at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
