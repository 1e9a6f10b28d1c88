//! The way of one event through the house, on one screen.

mod desk;
mod propose;
mod set_aside;

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt as _;
use proto::{
    event::Event,
    reply::{Outcome, Reply},
};
use runtime::clock::Clock;

use crate::{
    accounts::Accounts,
    assignment::Abandoned,
    case::Case,
    catalogue::Catalogue,
    config,
    decide::Links,
    deliver::{Deliverer, Slot},
    enrich::enrich,
    erasures::Erasures,
    gather::Gatherer,
    intake::Work,
    ledger::{Closer, End, Entry, Ledger, Proposal, State, desk::Desk},
    metrics::Metrics,
    profiles::Profiles,
    publish::Publisher,
    record::{Content, Unreadable, subject_of},
    shown,
};
pub use desk::tend;
use propose::propose;
use set_aside::set_aside;

const NOT_CONFIGURED: &str = "account not configured";

/// The rooms, and what they share.
#[derive(Debug)]
pub struct Rooms {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// Who is it? And where what was shown is told.
    pub profiles: Profiles,
    /// What is still to be erased?
    pub erasures: Erasures,
    /// What is there from outside?
    pub gatherer: Gatherer,
    /// What is there to show?
    pub catalogue: Arc<Catalogue>,
    /// How links are made.
    pub links: Links,
    /// What was promised to be sent.
    pub ledger: Ledger,
    /// What a person may decide on.
    pub desk: Desk,
    /// The way to the user.
    pub deliverer: Deliverer,
    /// The way to everybody else.
    pub publisher: Publisher,
    /// Closes what is published.
    pub closer: Closer,
    /// How replies leave.
    pub terms: config::Delivery,
    /// This process in the ledger.
    pub owner: String,
    /// The time of day.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// enrich → gather → decide → reserve → send → settle → tell; then the offset moves.
async fn handle(rooms: &Rooms, case: &Case<'_>) -> Result<Option<Reply>, Abandoned> {
    // A repeat. The ledger would know that too, unless its Redis has lost the entry since: then it would be sent again.
    if rooms.closer.published(&case.place) {
        return Ok(None);
    }
    let known = enrich(rooms, case).await?;
    let mut proposal = propose(rooms, case, known).await;
    let slot = leave_to_send(rooms, case, &mut proposal).await;
    let mut entry = rooms.ledger.reserve(&case.place, case.mine, proposal, slot.is_some()).await?;
    match (case.account, unsent(case)) {
        (Some(account), None) => rooms.deliverer.deliver(case, account, &mut entry, slot).await?,
        (_, reason) => leave(rooms, case, &mut entry, reason.unwrap_or(NOT_CONFIGURED)).await?,
    }
    tell(rooms, case, entry).await
}

/// record what was shown → lay on the desk what nobody knows → publish the outcome → close. `None`: somebody has told it.
async fn tell(rooms: &Rooms, case: &Case<'_>, mut entry: Entry) -> Result<Option<Reply>, Abandoned> {
    let is_told = |entry: &Entry| entry.state == State::Closed || rooms.closer.published(&case.place);
    if is_told(&entry) {
        return Ok(None);
    }

    shown::record(rooms, case, &mut entry).await?;
    // This process may have slept, and another has told it without what could not be recorded here.
    if is_told(&entry) {
        return Ok(None);
    }
    desk::note(rooms, case, &entry).await?;
    let (id, key) = (proto::reply_id(&entry.reply), case.user.as_bytes());
    let outcome = rooms.publisher.outcome(&entry.reply, &id, key, case.trace, case.mine).await?;
    // A person may still have something to say: then it waits.
    if entry.asks() {
        rooms.ledger.wait(&case.place, case.mine, &outcome).await?;
    } else {
        rooms.closer.close(&case.place, &outcome).await;
    }
    Ok(Some(entry.reply))
}

/// Leave to send at once, for what is to be sent. While it waited for that, the account may have been stopped.
async fn leave_to_send(rooms: &Rooms, case: &Case<'_>, proposal: &mut Proposal) -> Option<Slot> {
    let account = case.account.filter(|_| proposal.end.is_none())?;
    let slot = rooms.deliverer.slot(account).await.ok();
    proposal.end = rooms.deliverer.hopeless(account, case.event.occurred_at_ms, slot.as_ref());
    if proposal.end.is_some() {
        proposal.reply.parts.iter_mut().for_each(|part| part.set_outcome(Outcome::Suppressed));
    }
    if proposal.end.is_none() {
        return slot;
    }
    if let Some(slot) = slot {
        rooms.deliverer.leave(account, slot);
    }
    None
}

/// Why nothing may be sent for an event, whatever its playbook says and whatever was reserved for it before.
fn unsent(case: &Case<'_>) -> Option<&'static str> {
    match case.account {
        None => Some(NOT_CONFIGURED),
        Some(_) => case.superseded.then_some("superseded by newer events"),
    }
}

/// An entry that nobody may send (any more).
async fn leave(rooms: &Rooms, case: &Case<'_>, entry: &mut Entry, reason: &str) -> Result<(), Abandoned> {
    let (reason, at_ms) = (reason.to_owned(), rooms.clock.now_ms());
    let end = End { outcome: Outcome::Suppressed, reason, until_ms: 0, at_ms };
    rooms.deliverer.without_sending(&case.place, case.mine, entry, end).await
}

impl Rooms {
    /// Handles one record to its published outcome. `false`: it was abandoned, and its offset must not move.
    pub async fn work(&self, work: &Work) -> bool {
        let handled = AssertUnwindSafe(self.one(work)).catch_unwind().await;
        let ended = match handled {
            Ok(ended) => ended,
            Err(_) => self.panicked(work).await,
        };
        match &ended {
            Ok(Some(reply)) => self.metrics.ended(reply, work.arrived.elapsed()),
            Ok(None) => self.metrics.repeated(),
            Err(Abandoned) => {}
        }
        ended.is_ok()
    }

    async fn one(&self, work: &Work) -> Result<Option<Reply>, Abandoned> {
        let fence = self.fence(work);
        match &work.record.content {
            Content::Event(event) => {
                let user = proto::record_key(&event.app_id, &event.openid);
                handle(self, &self.case(event, &user, work, fence)).await
            }
            Content::Unreadable(why) => set_aside(self, work, why, fence).await,
        }
    }

    /// A handler's own mistake must stop neither the process nor the partition.
    async fn panicked(&self, work: &Work) -> Result<Option<Reply>, Abandoned> {
        self.metrics.panicked();
        tracing::error!(partition = work.partition, offset = work.offset, "the handler panicked: a defect");
        let (subject, name) = match &work.record.content {
            Content::Event(event) => (subject_of(event), event.id.clone()),
            Content::Unreadable(why) => (why.subject.clone(), why.name.clone()),
        };
        let why = Unreadable { subject, name, class: "panic", error: "the handler panicked".to_owned() };
        set_aside(self, work, &why, self.fence(work) + "/panic").await
    }

    fn case<'a>(&'a self, event: &'a Event, user: &'a str, work: &'a Work, fence: String) -> Case<'a> {
        let account = self.accounts.get(&event.app_id).map(Arc::as_ref);
        let playbook = account.map(|account| account.playbook());
        let place = self.ledger.place(user, &event.id, fence);
        let Work { record, mine, superseded, .. } = work;
        Case { event, account, playbook, user, trace: record.trace, mine, superseded: *superseded, place }
    }

    /// Unique for this piece of work; a repeat of a ledger call carries the same.
    fn fence(&self, work: &Work) -> String {
        let Work { partition, offset, reading, mine, .. } = work;
        format!("{}/{}/{partition}/{offset}/{reading}", self.owner, mine.generation())
    }
}
