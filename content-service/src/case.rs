//! One event on its way through the rooms.

use std::sync::Arc;

use proto::event::Event;
use runtime::trace::TraceParent;

use crate::{accounts::Account, assignment::Assignment, ledger::Place, playbook::Playbook};

/// What every room needs to know of the event that it works on.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its account; `None`: it is not configured here.
    pub account: Option<&'a Account>,
    /// The playbook that was in force when the event came.
    pub playbook: Option<Arc<Playbook>>,
    /// The record key of its user.
    pub user: &'a str,
    /// The trace that it belongs to.
    pub trace: TraceParent,
    /// The right to work on it.
    pub mine: &'a Assignment,
    /// It has given way to newer events, and nothing is sent for it.
    pub superseded: bool,
    /// Where it stands in the ledger.
    pub place: Place,
}
