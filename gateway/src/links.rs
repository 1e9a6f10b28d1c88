//! `GET /c/{token}`: a reader taps a link of a reply; the tap becomes an event and the reader gets to the item.
//!
//! Never an open redirect: the token holds the item's id, the address comes from the catalogue.

use std::sync::Arc;

use http::Method;
use proto::{Link, LinkError};

use crate::{
    accounts::Account,
    event,
    items::Target,
    metrics::Metrics,
    pages::{self, Answer},
    parcel::Parcel,
    service::Gateway,
};

/// Answers at once: whether Kafka takes the event is nothing that a reader waits for.
///
/// `HEAD` produces nothing: that is somebody who previews the link.
pub(crate) fn follow(gateway: &Gateway, token: &str, method: &Method) -> Answer {
    let now_ms = gateway.clock.now_ms();
    let (link, fresh) = match gateway.link_key.open(token, now_ms.div_euclid(1000)) {
        Ok(link) => (Some(link), true),
        // What an expired token says is still wanted: it names the account whose reader this is.
        Err(LinkError::Expired) => (gateway.link_key.open(token, i64::MIN).ok(), false),
        Err(LinkError::Forged) => (None, false),
    };
    let account = link.as_ref().and_then(|link| gateway.accounts.of_app(&link.app_id));
    let (Some(link), Some(account)) = (link, account) else {
        gateway.metrics.click("unknown", "forged");
        return pages::gone();
    };
    let result =
        if fresh { to_item(gateway, account, token, link, method, now_ms) } else { expired(account) };
    gateway.metrics.click(&account.name, result.0);
    result.1
}

fn expired(account: &Account) -> (&'static str, Answer) {
    ("expired", pages::expired(account.home_url.as_ref()))
}

fn to_item(
    gateway: &Gateway,
    account: &Account,
    token: &str,
    link: Link,
    method: &Method,
    now_ms: i64,
) -> (&'static str, Answer) {
    let Some(target) = gateway.items.get(&link.item_id) else {
        return ("gone", account.home_url.as_ref().map_or_else(pages::gone, pages::redirect));
    };
    let answer = pages::redirect(&target.address);
    if method == Method::HEAD {
        return ("previewed", answer);
    }
    record(gateway, account, token, link, &target, now_ms);
    ("opened", answer)
}

/// Delivers the event beside the answer. Taps do not crowd out pushes: they take a place only if one is free, and not the second half
/// of the spool.
fn record(gateway: &Gateway, account: &Account, token: &str, link: Link, target: &Arc<Target>, now_ms: i64) {
    let (outlet, name) = (Arc::clone(&gateway.outlet), account.name.clone());
    let place = Arc::clone(&gateway.places).try_acquire_owned();
    let (Ok(place), false) = (place, outlet.spool.as_ref().is_some_and(|spool| spool.is_half_full())) else {
        return lost(&gateway.metrics, &name);
    };
    let event = event::of_click(&name, token, link, target.topics.clone(), now_ms);
    gateway.taps.spawn(async move {
        if outlet.deliver(&Parcel::new(event)).await.is_err() {
            lost(&outlet.metrics, &name);
        }
        drop(place);
    });
}

fn lost(metrics: &Metrics, account: &str) {
    metrics.click(account, "not_recorded");
    tracing::debug!(account, "the event of an opened link is neither in kafka nor in the spool");
}
