//! Whether one account may send, as far as this process knows; [`crate::stops`] makes all replicas know the same.

mod stop;

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Notify, watch};

pub use stop::{Stop, what_to_do};

/// So many events in a row that the platform could not be reached for, and the account is stopped.
const FAILURES: u32 = 16;
/// So many users in a row of whom the platform says that they are limited, and it is the account that is.
const LIMITED: usize = 5;
/// An account that the platform has stopped is tried so often, by one event of the whole fleet.
pub const TRIED_EVERY_MS: i64 = 60_000;
/// “user limited”: one user, or the account, if it is said of every user.
pub const USER_LIMITED: i32 = 50_002;

/// What one answer says of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The account may send.
    Open,
    /// The platform can be reached; whether the account may send it does not say.
    Answered,
    /// The platform calls this user limited, or the account.
    Limited,
    /// The account is stopped.
    Stopped {
        /// For this code.
        errcode: i32,
        /// For this long.
        stop: Stop,
    },
    /// The platform took nothing, or nobody can know whether it did.
    Unreached {
        /// Its code, where it gave one.
        errcode: Option<i32>,
        /// Why.
        why: String,
    },
    /// Nothing.
    Nothing,
}

impl Word {
    /// The platform's code behind it, where it gave one.
    #[must_use]
    pub fn errcode(&self) -> Option<i32> {
        match self {
            Self::Open | Self::Answered | Self::Nothing => None,
            Self::Limited => Some(USER_LIMITED),
            Self::Stopped { errcode, .. } => Some(*errcode),
            Self::Unreached { errcode, .. } => *errcode,
        }
    }
}

/// What happened here and the other replicas have not been told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The account was stopped.
    Stopped(Stop),
    /// The event that had the right to try until this time got through.
    Lifted {
        /// As its right said.
        probe_ms: i64,
    },
    /// The event that had the right to try until this time has not tried.
    Returned {
        /// As its right said.
        probe_ms: i64,
        /// From now on another may.
        now_ms: i64,
    },
}

#[derive(Debug, Default)]
struct Held {
    stop: Option<Stop>,
    news: Option<News>,
}

/// What came in a row.
#[derive(Debug, Default)]
struct Runs {
    unreached: u32,
    limited: HashSet<u64>,
}

/// The breaker of one account.
#[derive(Debug)]
pub struct Breaker {
    held: watch::Sender<Held>,
    runs: Mutex<Runs>,
    hasher: RandomState,
    happened: Arc<Notify>,
    opened: AtomicBool,
}

impl Breaker {
    /// Open; `happened` is told of news.
    #[must_use]
    pub fn new(happened: Arc<Notify>) -> Self {
        let (held, runs) = (watch::Sender::new(Held::default()), Mutex::default());
        Self { held, runs, hasher: RandomState::new(), happened, opened: AtomicBool::new(false) }
    }

    /// The stop that was heard of last, whether somebody may try or not.
    #[must_use]
    pub fn held(&self) -> Option<Stop> {
        self.held.borrow().stop.clone()
    }

    /// The stop, while nobody may try.
    #[must_use]
    pub fn stopped(&self, now_ms: i64) -> Option<Stop> {
        self.held().filter(|stop| now_ms < stop.probe_ms)
    }

    /// An answer has said that the account may send, since the start.
    #[must_use]
    pub fn was_open(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    /// Takes what an answer for `user` says. An answer to an event that had the right to try until `probe_ms` can lift the stop.
    /// Returns the stop if the account was open until now, or was being tried.
    pub fn hear(&self, word: &Word, user: &str, probe_ms: Option<i64>, now_ms: i64) -> Option<Stop> {
        self.opened.fetch_or(*word == Word::Open, Ordering::Relaxed);
        let stop = self.counted(word, user, now_ms);
        match (stop, word, probe_ms) {
            (Some(stop), ..) => self.stop(stop, probe_ms.is_some(), now_ms),
            (None, Word::Open, Some(probe_ms)) => {
                self.lift(probe_ms, |_| true);
                None
            }
            (None, Word::Answered, Some(probe_ms)) => {
                self.lift(probe_ms, Stop::is_unreached);
                None
            }
            _ => None,
        }
    }

    /// Counts what comes in a row; the stop that follows.
    fn counted(&self, word: &Word, user: &str, now_ms: i64) -> Option<Stop> {
        let mut runs = self.runs();
        match word {
            Word::Nothing => None,
            Word::Open | Word::Answered => {
                *runs = Runs::default();
                None
            }
            Word::Stopped { stop, .. } => {
                *runs = Runs::default();
                Some(stop.clone())
            }
            Word::Unreached { why, .. } => {
                runs.unreached += 1;
                let enough = runs.unreached >= FAILURES;
                enough.then(|| Stop::unreached(now_ms, why))
            }
            Word::Limited => {
                runs.unreached = 0;
                runs.limited.insert(self.hasher.hash_one(user));
                let enough = runs.limited.len() >= LIMITED;
                enough.then(|| {
                    Stop::until(now_ms + TRIED_EVERY_MS, format!("errcode {USER_LIMITED} for every user"))
                })
            }
        }
    }

    fn stop(&self, stop: Stop, tried: bool, now_ms: i64) -> Option<Stop> {
        self.runs().unreached = 0;
        let mut news = None;
        self.held.send_modify(|held| {
            let open = held.stop.as_ref().is_none_or(|held| now_ms >= held.probe_ms);
            let stop = stop.and(held.stop.as_ref());
            held.stop = Some(stop.clone());
            held.news = Some(News::Stopped(stop.clone()));
            news = (open || tried).then_some(stop);
        });
        self.happened.notify_one();
        news
    }

    fn lift(&self, probe_ms: i64, lifts: impl Fn(&Stop) -> bool) {
        let lifted = self.held.send_if_modified(|held| {
            let same = held.stop.as_ref().is_some_and(|stop| stop.probe_ms == probe_ms && lifts(stop));
            if same {
                *held = Held { stop: None, news: Some(News::Lifted { probe_ms }) };
            }
            same
        });
        if lifted {
            self.happened.notify_one();
        }
    }

    /// The right to try until `probe_ms` was not used: another event may try at once.
    pub fn give_back(&self, probe_ms: i64, now_ms: i64) {
        let returned = self.held.send_if_modified(|held| {
            let stop = held.stop.as_mut().filter(|stop| stop.probe_ms == probe_ms && held.news.is_none());
            stop.is_some_and(|stop| {
                stop.probe_ms = now_ms;
                held.news = Some(News::Returned { probe_ms, now_ms });
                true
            })
        });
        if returned {
            self.happened.notify_one();
        }
    }

    /// What the other replicas have to be told.
    #[must_use]
    pub fn news(&self) -> Option<News> {
        self.held.borrow().news.clone()
    }

    /// They have been.
    pub fn told(&self, news: &News) {
        self.held.send_if_modified(|held| {
            let same = held.news.as_ref() == Some(news);
            if same {
                held.news = None;
            }
            false
        });
    }

    /// Takes over what all replicas know, unless something has happened here since. Returns a stop that lasts and was not known here,
    /// or not for this reason.
    pub fn learn(&self, known: Option<Stop>, now_ms: i64) -> Option<Stop> {
        let mut news = None;
        self.held.send_if_modified(|held| {
            let other = held.news.is_none() && held.stop != known;
            if other {
                let why = held.stop.take().map(|held| held.why);
                news = known.clone().filter(|stop| why.as_ref() != Some(&stop.why) && stop.lasts(now_ms));
                held.stop = known;
            }
            other
        });
        news
    }

    /// Resolves when nobody may try, at once if it is so. Cancel safe.
    pub async fn until_stopped(&self, now_ms: impl Fn() -> i64) {
        let mut changes = self.held.subscribe();
        while self.stopped(now_ms()).is_none() {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Resolves when there is no stop for this reason, at once if there is none. Cancel safe.
    pub async fn until_over(&self, why: &str) {
        let mut changes = self.held.subscribe();
        let over = |held: &Held| held.stop.as_ref().is_none_or(|stop| stop.why != why);
        if changes.wait_for(over).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
