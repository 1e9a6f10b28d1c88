//! Leave to send: the account is not stopped or is ours to try, a token is at hand, and a place is free.

use runtime::redis::RedisError;
use tokio::sync::OwnedSemaphorePermit;
use wechat::api::TokenError;

use super::{Deliverer, Failed, Tries};
use crate::{
    accounts::Account, assignment::Abandoned, breaker::Stop, case::Case, ledger::Entry, metrics::InFlight,
    stops::Right, watchdog::meant,
};

/// Leave to send.
#[derive(Debug)]
pub struct Slot {
    _place: OwnedSemaphorePermit,
    _counted: InFlight,
    /// The right to try a stopped account, by the time at which the next one may.
    probe_ms: Option<i64>,
}

impl Slot {
    /// The account is stopped, and this is the event that tries whether it still has to be.
    #[must_use]
    pub fn tries(&self) -> bool {
        self.probe_ms.is_some()
    }

    /// Takes the right to try out, if nothing was sent with it.
    pub(super) fn take_right(&mut self) -> Option<i64> {
        self.probe_ms.take()
    }
}

/// Why there is no leave.
#[derive(Debug, thiserror::Error)]
pub enum NoLeave {
    /// The account is stopped, and another event tries it, or none yet.
    #[error("account stopped: {}", .0.why)]
    Stopped(Stop),
    /// There is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Whether the account may be tried stands in the ledger's Redis.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl NoLeave {
    /// The platform's code behind it, where it gave one.
    pub(super) fn errcode(&self) -> Option<i32> {
        match self {
            Self::Stopped(stop) => stop.errcode(),
            Self::Token(TokenError::Refused { errcode, .. }) => Some(*errcode),
            Self::Token(_) | Self::Redis(_) => None,
        }
    }
}

impl Deliverer {
    /// Leave to send at once; waits for a place and, if need be, for a token.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn slot(&self, account: &Account) -> Result<Slot, NoLeave> {
        let mut unused = None;
        let slot = self.slot_with(account, &mut unused).await;
        self.give_back(account, unused);
        slot
    }

    /// Gives leave up; if nothing was sent with it, another event may have the right to try.
    pub fn leave(&self, account: &Account, mut slot: Slot) {
        self.give_back(account, slot.take_right());
    }

    pub(super) fn give_back(&self, account: &Account, unused: Option<i64>) {
        if let Some(probe_ms) = unused {
            account.breaker.give_back(probe_ms, self.clock.now_ms());
        }
    }

    /// [`Deliverer::slot`] for an event that may have the right to try already, and keeps it where there is no leave and nothing was
    /// asked with it.
    pub(super) async fn slot_with(
        &self,
        account: &Account,
        right: &mut Option<i64>,
    ) -> Result<Slot, NoLeave> {
        // After its time another event may have the next one.
        let kept = right.take().filter(|probe_ms| self.clock.now_ms() < *probe_ms);
        let probe_ms = match kept {
            Some(_) => kept,
            None => match account.right(self.clock.now_ms()).await? {
                Right::Open => None,
                Right::Mine(stop) => Some(stop.probe_ms),
                Right::Others(stop) => return Err(NoLeave::Stopped(stop)),
            },
        };
        // Another process may be fetching it.
        if let Err(error) = meant(account.client.token_ready()).await {
            self.heed_token(account, probe_ms, &error);
            *right = probe_ms.filter(|_| !matches!(error, TokenError::Refused { .. }));
            return Err(error.into());
        }
        let _place = account.sends.take().await;
        match account.breaker.stopped(self.clock.now_ms()) {
            Some(stop) if probe_ms.is_none() => Err(NoLeave::Stopped(stop)),
            _ => Ok(Slot { _place, _counted: self.metrics.sending(), probe_ms }),
        }
    }

    /// What follows where there is no leave: an end, or another try after a while.
    pub(super) async fn without_leave(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        tries: &mut Tries,
        why: NoLeave,
    ) -> Result<(), Abandoned> {
        match why {
            NoLeave::Stopped(stop) if tries.met.as_ref() == Some(&stop.why) => {
                self.sit_out(case, account, &stop).await
            }
            NoLeave::Stopped(stop) => {
                self.ledger.give_up(&case.place, case.mine, entry, None, self.stopped(&stop)).await
            }
            // While the ledger's Redis is away nothing is sent and nothing given up.
            NoLeave::Redis(_) | NoLeave::Token(TokenError::Store(_)) => {
                case.mine.pause(tries.backoff.pause()).await
            }
            NoLeave::Token(error) => {
                let failed = Failed { reason: &error.to_string(), errcode: None, rest: None };
                self.again(case, account, entry, tries, failed).await
            }
        }
    }

    /// Waits for the end of a stop that this event has met itself, until another takes its place, or until it may be tried. Nothing is
    /// said twice to the platform meanwhile, and nobody waits longer than an event may be old.
    async fn sit_out(&self, case: &Case<'_>, account: &Account, stop: &Stop) -> Result<(), Abandoned> {
        let wait = self.until(stop.probe_ms).min(self.until_too_old(case.event.occurred_at_ms));
        tokio::select! {
            paused = case.mine.pause(wait) => paused,
            () = account.breaker.until_over(&stop.why) => Ok(()),
        }
    }
}
