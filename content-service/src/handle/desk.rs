//! Replies whose end nobody knows: they are laid on the desk, and what a person decides there is done here.
//!
//! A decision is done by whichever replica sees it first, not in the lane of its user: what the user did meanwhile has been answered,
//! or is being answered in the same moment. The ledger's units keep the right, its states keep the resend single.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream};
use proto::{
    event::Event,
    reply::{Outcome, Reply},
};
use runtime::{backoff::Backoff, redis::RedisError, telemetry::uid, trace::TraceParent};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Rooms, tell};
use crate::{
    accounts::Account,
    assignment::{Abandoned, Assignment, until_answered},
    case::Case,
    config::{LATEST, millis},
    ledger::{
        Entry, Place, State,
        desk::{Choice, Decided, Unknown},
        resume::Resumed,
    },
};

/// How often decisions are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// A decision that panics each time is tried no less often.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Decisions at a time.
const AT_ONCE: usize = 8;

/// Decisions that panicked, and when each is tried again.
type Fallen = BTreeMap<Unknown, (Backoff, Instant)>;

/// What came of a decision.
#[derive(Clone, Copy, Debug)]
enum Came {
    /// It is done.
    Done,
    /// Nothing: the reply goes on waiting for another one.
    Nothing,
    /// It waits itself, for the unknown outcome to be published.
    NotYet,
}

/// Lays an outcome that is unknown on the desk, before it is published.
pub(super) async fn note(rooms: &Rooms, case: &Case<'_>, entry: &Entry) -> Result<(), Abandoned> {
    if entry.reply.outcome() != Outcome::Unknown || entry.reply.revision > 0 {
        return Ok(());
    }
    let unknown = unknown(case.user, &entry.reply);
    let until_ms = entry.asks().then(|| budget_ends(&entry.reply));
    until_answered(case.mine, &rooms.metrics, || rooms.desk.note(&unknown, until_ms)).await
}

fn unknown(user: &str, reply: &Reply) -> Unknown {
    Unknown {
        user: user.to_owned(),
        event_id: reply.event_id.clone(),
        account: reply.account.clone(),
        app_id: reply.app_id.clone(),
        reply: reply.decision.as_ref().map(|decision| decision.reply.clone()).unwrap_or_default(),
        occurred_at_ms: reply.occurred_at_ms,
        ended_at_ms: reply.ended_at_ms,
    }
}

fn budget_ends(reply: &Reply) -> i64 {
    let budget = reply.decision.as_ref().and_then(|decision| decision.budget.as_ref());
    budget.map_or(0, |budget| budget.until_ms)
}

/// Does what is decided, and clears away what can't be sent any more, until the shutdown.
pub async fn tend(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let (mine, mut fallen) = (Assignment::new(0), Fallen::new());
    loop {
        let mut round = Box::pin(rooms.round(&mine, &mut fallen));
        let ended = tokio::select! {
            ended = &mut round => ended,
            () = shutdown.cancelled() => {
                mine.stop();
                match tokio::time::timeout(rooms.terms.drain, &mut round).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        // What waits for Redis by now is left to whoever looks next; what is being sent has its bound.
                        mine.lose();
                        round.await
                    }
                }
            }
        };
        if let Err(error) = ended {
            rooms.metrics.ledger_waits(&error);
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

impl Rooms {
    async fn round(&self, mine: &Assignment, fallen: &mut Fallen) -> Result<(), RedisError> {
        let mut decided = self.desk.decided().await?;
        fallen.retain(|unknown, _| decided.iter().any(|(decided, _)| decided == unknown));
        decided.retain(|(unknown, _)| fallen.get(unknown).is_none_or(|(_, at)| *at <= Instant::now()));
        let deciding = stream::iter(decided).map(|(unknown, decided)| self.decided(mine, unknown, decided));
        let fell: Vec<_> = deciding.buffer_unordered(AT_ONCE).collect().await;
        for unknown in fell.into_iter().flatten() {
            let begin = || (Backoff::new(LOOK, LONGEST_PAUSE), Instant::now());
            let (backoff, at) = fallen.entry(unknown).or_insert_with(begin);
            *at = Instant::now() + backoff.pause();
        }
        let now_ms = self.clock.now_ms();
        for unknown in self.desk.due(now_ms).await? {
            self.due(mine, &unknown, now_ms).await?;
        }
        self.metrics.unknown_waiting(self.desk.count().await?);
        Ok(())
    }

    /// The window that it waited for is over, or another action of the user has opened a longer one.
    async fn due(&self, mine: &Assignment, unknown: &Unknown, now_ms: i64) -> Result<(), RedisError> {
        let (_, until_ms) = self.desk.right(unknown).await?;
        let until_ms = until_ms.min(unknown.occurred_at_ms.saturating_add(millis(LATEST)));
        if until_ms > now_ms {
            return self.desk.wait_until(unknown, until_ms).await;
        }
        match self.ledger.drop_waiting(&self.place_of(unknown), mine).await {
            Ok(true) => self.desk.done(unknown, false).await,
            Ok(false) | Err(Abandoned) => Ok(()),
        }
    }

    /// One decision, to its end. What is abandoned, fails for want of Redis, or panics (then it is returned), is looked at again; what
    /// may have been sent by then is not sent once more.
    async fn decided(&self, mine: &Assignment, unknown: Unknown, decided: Decided) -> Option<Unknown> {
        let doing = AssertUnwindSafe(self.carry_out(mine, &unknown, decided)).catch_unwind().await;
        let waits = match doing {
            Ok(Ok(Came::Done)) => false,
            Ok(Ok(Came::Nothing)) => true,
            Ok(Ok(Came::NotYet) | Err(Abandoned)) => return None,
            Err(_) => {
                self.metrics.panicked();
                let event_id = &unknown.event_id;
                tracing::error!(event_id, "what a person decided panicked: a defect; it is tried again");
                return Some(unknown);
            }
        };
        if let Err(error) = self.desk.done(&unknown, waits).await {
            self.metrics.ledger_waits(&error);
        }
        None
    }

    async fn carry_out(
        &self,
        mine: &Assignment,
        unknown: &Unknown,
        Decided { choice, at_ms }: Decided,
    ) -> Result<Came, Abandoned> {
        let place = self.place_of(unknown);
        let account = self.accounts.get(&unknown.app_id);
        match (choice, account) {
            (Choice::Drop, _) => {
                let dropped = self.ledger.drop_waiting(&place, mine).await?;
                Ok(if dropped { Came::Done } else { Came::NotYet })
            }
            (Choice::Resend, Some(account)) => self.resend(mine, unknown, at_ms, place, account).await,
            (Choice::Resend, None) => Ok(Came::Nothing),
        }
    }

    async fn resend(
        &self,
        mine: &Assignment,
        unknown: &Unknown,
        at_ms: i64,
        place: Place,
        account: &Account,
    ) -> Result<Came, Abandoned> {
        let (event_id, user) = (&unknown.event_id, uid(&unknown.user));
        let mut entry = match self.ledger.resume(&place, mine).await? {
            Resumed::Entry(entry) => *entry,
            Resumed::NoRight => {
                tracing::warn!(event_id, user, "not sent again: the user's right does not give it now");
                return Ok(Came::Nothing);
            }
            Resumed::NotYet => return Ok(Came::NotYet),
            Resumed::Gone => return Ok(Came::Done),
        };
        // The person acts now, so the age of what is sent counts from here.
        let event = Event {
            id: unknown.event_id.clone(),
            account: unknown.account.clone(),
            app_id: unknown.app_id.clone(),
            openid: entry.reply.openid.clone(),
            occurred_at_ms: at_ms,
            ..Event::default()
        };
        let (user, trace) = (unknown.user.as_str(), TraceParent::new_root());
        let (playbook, superseded) = (None, false);
        let case =
            Case { event: &event, account: Some(account), playbook, user, trace, mine, superseded, place };
        if entry.state == State::Reserved {
            self.metrics.sent_again("person");
        }
        self.deliverer.deliver(&case, account, &mut entry, None).await?;
        tell(self, &case, entry).await.map(|_told| Came::Done)
    }

    fn place_of(&self, unknown: &Unknown) -> Place {
        let fence = format!("{}/again/{:016x}", self.owner, rand::random::<u64>());
        self.ledger.place(&unknown.user, &unknown.event_id, fence)
    }
}
