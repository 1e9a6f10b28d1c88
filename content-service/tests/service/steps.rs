//! What several tests do: many users at once, a delivery without the service around it, and how many sends have begun.

use std::{sync::Arc, time::Duration};

use content_service::{
    accounts::{Account, Accounts},
    assignment::Assignment,
    case::Case,
    deliver::{Deliverer, Slot},
    ledger::{Entry, Granted, Ledger, Place, Proposal, Terms},
    metrics::Metrics,
};
use proto::{event::Event, reply::Reply};
use runtime::trace::TraceParent;

use crate::{
    ledger::proposal,
    world::{APP, World},
};

const USERS: usize = 20;

/// Events of twenty users.
pub(crate) async fn push_all(world: &World, name: &str) {
    for number in 0..USERS {
        world.push(&world.text(&format!("{name}{number}"), &format!("{name}-{number}"), "hello")).await;
    }
}

/// Events of twenty users, and how they ended.
pub(crate) async fn batch(world: &World, name: &str) -> Vec<Reply> {
    push_all(world, name).await;
    let mut replies = Vec::new();
    for number in 0..USERS {
        replies.push(world.outcome(&format!("{name}-{number}")).await);
    }
    replies
}

/// Sends that have begun, also those that failed without a connection.
pub(crate) async fn sends(world: &World) -> u32 {
    let metrics = world.metrics().await;
    let sends = metrics.lines().find_map(|line| line.strip_prefix("content_send_seconds_count "));
    sends.map_or(0, |sends| sends.parse().unwrap())
}

/// Who delivers for the first account of a world in which no service runs.
pub(crate) struct Bare {
    pub(crate) ledger: Ledger,
    pub(crate) deliverer: Deliverer,
    pub(crate) account: Arc<Account>,
    pub(crate) metrics: Metrics,
    event: Event,
}

impl Bare {
    pub(crate) fn of(world: &World) -> Self {
        let (redis, clock, metrics) = (world.redis.client(), world.clock.clone(), Metrics::default());
        let accounts = Accounts::open(&world.config, &redis, &clock, &metrics).unwrap();
        let account = Arc::clone(accounts.get(APP).unwrap());
        let terms = Terms { ttl: Duration::from_secs(3600), lease: Duration::from_secs(9), replicas: 0 };
        let ledger = Ledger::new(redis, terms, clock.clone(), metrics.clone());
        let delivery = world.config.delivery.clone();
        let occurred_at_ms = clock.now_ms();
        let deliverer = Deliverer::new(ledger.clone(), delivery, clock, metrics.clone());
        let event = Event { id: "e".into(), app_id: APP.into(), occurred_at_ms, ..Event::default() };
        Self { ledger, deliverer, account, metrics, event }
    }

    pub(crate) fn place(&self) -> Place {
        self.ledger.place("wx:o", "e", "me".to_owned())
    }

    /// The event of this world, with one message, reserved and armed.
    pub(crate) async fn armed(&self) -> Entry {
        let since_ms = self.event.occurred_at_ms;
        let granted = Granted { name: "message", messages: 5, since_ms, until_ms: since_ms + 60_000 };
        let proposal = Proposal { granted: Some(granted), ..proposal("e", 1) };
        self.ledger.reserve(&self.place(), &Assignment::new(1), proposal, true).await.unwrap()
    }

    /// Brings it to its end; false if it was abandoned.
    pub(crate) async fn deliver(&self, mine: &Assignment, entry: &mut Entry, slot: Slot) -> bool {
        let (playbook, user, superseded, place) = (None, "wx:o", false, self.place());
        let (event, trace, account) = (&self.event, TraceParent::new_root(), Some(&*self.account));
        let case = Case { event, account, playbook, user, trace, mine, superseded, place };
        self.deliverer.deliver(&case, &self.account, entry, Some(slot)).await.is_ok()
    }
}
