//! The parts of a reply leave in order, each at most once, stopping at the first that is not taken.

mod hopeless;
mod verdict;

use std::time::Duration;

use proto::reply::Outcome;
use runtime::{backoff::Backoff, clock::Clock};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use wechat::api::{Sent, TokenError};

use crate::{
    accounts::Account,
    assignment::{Abandoned, Assignment},
    case::Case,
    config,
    ledger::{End, Entry, Ledger, PartEnd, Place, State},
    metrics::{InFlight, Metrics},
};
use verdict::{Verdict, judge};

/// A part whose arming was confirmed longer ago than this is not sent: the process may have slept.
const FRESH: Duration = Duration::from_millis(50);
/// How often somebody else's lease is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Sends. Clones share the bounds.
#[derive(Clone, Debug)]
pub struct Deliverer {
    ledger: Ledger,
    terms: config::Delivery,
    clock: Clock,
    metrics: Metrics,
}

/// Leave to send: a place among the sends in flight, and a token at hand.
#[derive(Debug)]
pub struct Slot {
    _place: OwnedSemaphorePermit,
    _counted: InFlight,
}

/// What a delivery remembers from try to try.
struct Tries {
    failed: u32,
    backoff: Backoff,
}

/// Why a try came to nothing.
struct Failed<'a> {
    reason: &'a str,
    errcode: Option<i32>,
    /// Milliseconds for which the platform wants to be left alone.
    rest: Option<i64>,
}

impl Deliverer {
    /// A deliverer under these terms.
    #[must_use]
    pub fn new(ledger: Ledger, terms: config::Delivery, clock: Clock, metrics: Metrics) -> Self {
        Self { ledger, terms, clock, metrics }
    }

    /// Leave to send at once; waits for a place and, if need be, for a token.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn slot(&self, account: &Account) -> Result<Slot, TokenError> {
        account.client.token_ready().await?;
        let _place = account.sends.take().await;
        Ok(Slot { _place, _counted: self.metrics.sending() })
    }

    /// Brings an entry to its end. `slot` belongs to a part that `reserve` has armed already.
    ///
    /// # Errors
    /// [`Abandoned`] when the partition is given up first; the entry says how far it came.
    pub async fn deliver(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        mut slot: Option<Slot>,
    ) -> Result<(), Abandoned> {
        let backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(8));
        let mut tries = Tries { failed: 0, backoff };
        loop {
            match entry.state {
                State::Settled | State::Closed => return Ok(()),
                State::Elsewhere(until_ms) => {
                    slot = None;
                    self.wait_for_other(&case.place, case.mine, entry, until_ms).await?;
                }
                State::Reserved => {
                    // Whoever holds one place must not wait for another.
                    drop(slot.take());
                    slot = self.arm(case, account, entry, &mut tries).await?;
                }
                State::Armed(since) => {
                    self.send_part(case, account, entry, &mut tries, since, &mut slot).await?;
                }
            }
        }
    }

    /// Brings an entry to its end that must not be sent (any more): what is only reserved ends as `end` says.
    ///
    /// # Errors
    /// As [`Deliverer::deliver`].
    pub async fn without_sending(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        end: End,
    ) -> Result<(), Abandoned> {
        loop {
            match entry.state {
                State::Settled | State::Closed => return Ok(()),
                State::Elsewhere(until_ms) => self.wait_for_other(place, mine, entry, until_ms).await?,
                State::Armed(_) => self.ledger.not_sent(place, mine, entry).await?,
                State::Reserved => self.ledger.give_up(place, mine, entry, None, end.clone()).await?,
            }
        }
    }

    /// Whoever armed it may still be sending: after the lease nobody can know, and it is never sent again.
    async fn wait_for_other(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        until_ms: i64,
    ) -> Result<(), Abandoned> {
        let left = u64::try_from(until_ms - self.clock.now_ms()).unwrap_or(0);
        mine.pause(Duration::from_millis(left).min(LOOK)).await?;
        self.ledger.overdue(place, mine, entry).await
    }

    async fn arm(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        tries: &mut Tries,
    ) -> Result<Option<Slot>, Abandoned> {
        let hopeless = self.hopeless(account, case.event.occurred_at_ms);
        if let Some(end) = hopeless.or_else(|| self.lapsed(entry)).or_else(|| self.nothing_left(entry)) {
            self.ledger.give_up(&case.place, case.mine, entry, None, end).await?;
            return Ok(None);
        }
        let slot = match self.slot(account).await {
            Ok(slot) => slot,
            Err(error) => {
                if let Some(stop) = verdict::stop_of(&error, self.clock.now_ms()) {
                    account.stop(stop);
                }
                let failed = Failed { reason: &error.to_string(), errcode: None, rest: None };
                self.again(case, account, entry, tries, failed).await?;
                return Ok(None);
            }
        };
        self.ledger.arm(&case.place, case.mine, entry).await?;
        Ok(Some(slot))
    }

    async fn send_part(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        tries: &mut Tries,
        armed: Instant,
        slot: &mut Option<Slot>,
    ) -> Result<(), Abandoned> {
        let Some(part) = entry.reply.parts.get(entry.part) else {
            return self.ledger.not_sent(&case.place, case.mine, entry).await;
        };
        let lapsed = self.lapsed(entry).is_some();
        if lapsed || armed.elapsed() > FRESH || !case.mine.holds() {
            *slot = None;
            if !lapsed {
                self.metrics.fenced();
            }
            self.ledger.not_sent(&case.place, case.mine, entry).await?;
            return case.mine.pause(Duration::from_millis(1)).await;
        }
        let started = Instant::now();
        let sent = account.client.send(&part.message, config::BEGIN_WITHIN).await;
        self.metrics.sent(started.elapsed());
        if !matches!(sent, Sent::NotSent { .. }) {
            entry.tried();
        }
        self.after(case, account, entry, tries, judge(sent, self.clock.now_ms()), slot).await
    }

    async fn after(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        tries: &mut Tries,
        verdict: Verdict,
        slot: &mut Option<Slot>,
    ) -> Result<(), Abandoned> {
        let at_ms = self.clock.now_ms();
        let attempts = entry.attempts();
        let part = |outcome, errcode| PartEnd { outcome, errcode, at_ms, attempts };
        let end = |outcome, reason, until_ms| End { outcome, reason, until_ms, at_ms };
        match verdict {
            Verdict::Taken => {
                account.reached();
                let part = part(Outcome::Sent, None);
                if entry.left() > 1 {
                    return self.ledger.next_part(&case.place, case.mine, entry, part).await;
                }
                let end = end(Outcome::Sent, String::new(), 0);
                self.ledger.settle(&case.place, case.mine, entry, part, end, false).await
            }
            Verdict::Refused { errcode, stop, closes } => {
                account.reached();
                let until_ms = stop.as_ref().map_or(0, |stop| stop.until_ms);
                if let Some(stop) = stop {
                    account.stop(stop);
                }
                let end = end(Outcome::Refused, format!("errcode {errcode}"), until_ms);
                let part = part(Outcome::Refused, Some(errcode));
                self.ledger.settle(&case.place, case.mine, entry, part, end, closes).await
            }
            Verdict::Unknown { errcode, reason } => {
                account.not_reached(&self.clock, &reason);
                let (end, part) = (end(Outcome::Unknown, reason, 0), part(Outcome::Unknown, errcode));
                self.ledger.settle(&case.place, case.mine, entry, part, end, false).await
            }
            Verdict::NotTaken { errcode, reason, stop } => {
                *slot = None;
                self.ledger.not_sent(&case.place, case.mine, entry).await?;
                let rest = stop.as_ref().map(|stop| stop.until_ms - at_ms);
                if let Some(stop) = stop {
                    account.stop(stop);
                }
                self.again(case, account, entry, tries, Failed { reason: &reason, errcode, rest }).await
            }
        }
    }

    /// Pauses before the next try, or gives up after the last. A rest that this event itself has brought about is sat out;
    /// any other stop of the account ends the waiting.
    async fn again(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        tries: &mut Tries,
        Failed { reason, errcode, rest }: Failed<'_>,
    ) -> Result<(), Abandoned> {
        if entry.state != State::Reserved {
            return Ok(());
        }
        tries.failed += 1;
        if tries.failed >= self.terms.tries {
            account.not_reached(&self.clock, reason);
            let at_ms = self.clock.now_ms();
            let part = PartEnd { outcome: Outcome::Refused, errcode, at_ms, attempts: entry.attempts() };
            let reason = format!("not sent after {} tries: {reason}", tries.failed);
            let end = End { outcome: Outcome::Refused, reason, until_ms: 0, at_ms };
            return self.ledger.give_up(&case.place, case.mine, entry, Some(part), end).await;
        }
        match rest {
            Some(rest) => case.mine.pause(Duration::from_millis(u64::try_from(rest).unwrap_or(0))).await,
            None => {
                let pause = tries.backoff.pause();
                tokio::select! {
                    paused = case.mine.pause(pause) => paused,
                    () = account.until_stopped(&self.clock) => Ok(()),
                }
            }
        }
    }
}
