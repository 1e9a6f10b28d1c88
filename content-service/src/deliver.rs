//! The parts of a reply leave in order, each at most once, stopping at the first that is not taken.

mod check;
mod hopeless;
mod leave;
mod tries;
mod verdict;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use proto::reply::{Outcome, UnknownPolicy};
use runtime::clock::Clock;
use tokio::time::Instant;
use wechat::api::Sent;

use crate::{
    accounts::Account,
    assignment::{Abandoned, Assignment},
    case::Case,
    config,
    ledger::{End, Entry, Ledger, PartEnd, Place, State},
    metrics::Metrics,
    watchdog::step,
};
pub use leave::{NoLeave, Slot};
use tries::Tries;
use verdict::Verdict;

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

/// Why a try came to nothing.
struct Failed<'a> {
    reason: &'a str,
    errcode: Option<i32>,
    /// For so long the platform is too busy.
    rest: Option<Duration>,
}

impl Deliverer {
    /// A deliverer under these terms.
    #[must_use]
    pub fn new(ledger: Ledger, terms: config::Delivery, clock: Clock, metrics: Metrics) -> Self {
        Self { ledger, terms, clock, metrics }
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
        let mut tries = Tries::new();
        loop {
            match entry.state {
                State::Settled | State::Closed => {
                    tries.leave(&mut slot);
                    self.give_back(account, tries.untried());
                    return Ok(());
                }
                State::Elsewhere => {
                    tries.leave(&mut slot);
                    let again = self.may_repeat(case, account, entry);
                    self.wait_for_other(&case.place, case.mine, entry, again).await?;
                }
                State::Reserved => {
                    tries.leave(&mut slot);
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
                State::Elsewhere => self.wait_for_other(place, mine, entry, false).await?,
                State::Armed(_) => self.ledger.not_sent(place, mine, entry).await?,
                State::Reserved => self.ledger.give_up(place, mine, entry, None, end.clone()).await?,
            }
        }
    }

    /// Whoever armed it may still be sending: after the lease nobody can know, and it is not sent again unless the playbook says so.
    async fn wait_for_other(
        &self,
        place: &Place,
        mine: &Assignment,
        entry: &mut Entry,
        again: bool,
    ) -> Result<(), Abandoned> {
        mine.pause(LOOK).await?;
        let before = entry.again;
        self.ledger.overdue(place, mine, entry, again).await?;
        if entry.again && !before {
            self.metrics.sent_again("playbook");
        }
        Ok(())
    }

    /// An attempt whose end nobody knows is followed by another: the playbook wants it, and the event is young enough.
    fn may_repeat(&self, case: &Case<'_>, account: &Account, entry: &Entry) -> bool {
        let wanted = entry.policy() == UnknownPolicy::AtLeastOnce && !entry.again;
        wanted && self.hopeless(account, case.event.occurred_at_ms, None).is_none()
    }

    /// Nobody knows whether the platform took the part.
    async fn unknown(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        (errcode, reason): (Option<i32>, String),
    ) -> Result<(), Abandoned> {
        let at_ms = self.clock.now_ms();
        let before = entry.part_end(Outcome::Unknown, errcode, at_ms);
        let part = PartEnd { unknown: before.unknown + 1, ..before };
        let end = End { outcome: Outcome::Unknown, reason, until_ms: 0, at_ms };
        let again = self.may_repeat(case, account, entry);
        self.ledger.unknown(&case.place, case.mine, entry, part, end, again).await
    }

    async fn arm(
        &self,
        case: &Case<'_>,
        account: &Account,
        entry: &mut Entry,
        tries: &mut Tries,
    ) -> Result<Option<Slot>, Abandoned> {
        let too_old = self.too_old(case.event.occurred_at_ms);
        if let Some(end) = too_old.or_else(|| self.lapsed(entry)).or_else(|| self.nothing_left(entry)) {
            self.ledger.give_up(&case.place, case.mine, entry, None, end).await?;
            return Ok(None);
        }
        match self.slot_with(account, &mut tries.right).await {
            Ok(slot) => {
                self.ledger.arm(&case.place, case.mine, entry).await?;
                Ok(Some(slot))
            }
            Err(why) => self.without_leave(case, account, entry, tries, why).await.map(|()| None),
        }
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
        let over = self.too_old(case.event.occurred_at_ms).or_else(|| self.lapsed(entry)).is_some();
        if over || armed.elapsed() > FRESH || !case.mine.holds() {
            if !over {
                self.metrics.fenced();
            }
            self.ledger.not_sent(&case.place, case.mine, entry).await?;
            // Not before: what the ledger calls sending has a place, or a kill would leave more of it than there are.
            tries.leave(slot);
            return case.mine.pause(Duration::from_millis(1)).await;
        }
        step("send");
        let (started, began_ms) = (Instant::now(), self.clock.now_ms());
        fail::fail_point!("c6", |_| std::process::abort());
        let fenced = AtomicBool::new(false);
        // Asked directly before the first byte: the process may have slept since the arming.
        let may_leave = || {
            let may = case.mine.holds() && armed.elapsed() <= config::BEGIN_WITHIN;
            fenced.fetch_or(!may, Ordering::Relaxed);
            may
        };
        let sent = account.client.send_while(&part.message, config::BEGIN_WITHIN, &may_leave).await;
        fail::fail_point!("c8", |_| std::process::abort());
        self.metrics.sent(started.elapsed());
        if !matches!(sent, Sent::NotSent { .. }) {
            entry.tried();
        } else if fenced.into_inner() {
            self.metrics.fenced();
        }
        let verdict = self.heed(account, Some(case.user), slot.as_mut(), sent, began_ms);
        self.after(case, account, entry, tries, verdict, slot).await
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
        let part = |outcome, errcode| entry.part_end(outcome, errcode, at_ms);
        let end = |outcome, reason, until_ms| End { outcome, reason, until_ms, at_ms };
        match verdict {
            Verdict::Taken => {
                let part = part(Outcome::Sent, None);
                if entry.left() > 1 {
                    return self.ledger.next_part(&case.place, case.mine, entry, part).await;
                }
                let end = end(Outcome::Sent, String::new(), 0);
                self.ledger.settle(&case.place, case.mine, entry, part, end, false).await
            }
            Verdict::Refused { errcode, stop, closes } => {
                let until_ms = stop.map_or(0, |stop| stop.until_ms);
                let end = end(Outcome::Refused, format!("errcode {errcode}"), until_ms);
                let part = part(Outcome::Refused, Some(errcode));
                self.ledger.settle(&case.place, case.mine, entry, part, end, closes).await
            }
            Verdict::Unknown { errcode, reason } => {
                self.unknown(case, account, entry, (errcode, reason)).await?;
                *slot = None;
                if entry.state != State::Reserved {
                    return Ok(());
                }
                self.metrics.sent_again("playbook");
                case.mine.pause(tries.backoff.pause()).await
            }
            Verdict::NotTaken { errcode, reason, stop, rest } => {
                self.ledger.not_sent(&case.place, case.mine, entry).await?;
                tries.leave(slot);
                tries.met = stop.map(|stop| stop.why).or(tries.met.take());
                self.again(case, account, entry, tries, Failed { reason: &reason, errcode, rest }).await
            }
        }
    }

    /// Pauses before the next try, or gives up after the last. A stop of the account ends the pause of who may not try it.
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
            self.out_of_reach(account, case.user, errcode, reason);
            let at_ms = self.clock.now_ms();
            let part = entry.part_end(Outcome::Refused, errcode, at_ms);
            let reason = format!("not sent after {} tries: {reason}", tries.failed);
            let end = End { outcome: Outcome::Refused, reason, until_ms: 0, at_ms };
            return self.ledger.give_up(&case.place, case.mine, entry, Some(part), end).await;
        }
        let pause = rest.unwrap_or_else(|| tries.backoff.pause());
        tokio::select! {
            paused = case.mine.pause(pause) => paused,
            () = account.breaker.until_stopped(|| self.clock.now_ms()), if tries.right.is_none() => Ok(()),
        }
    }
}
