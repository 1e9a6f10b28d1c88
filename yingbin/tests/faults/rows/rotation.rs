//! Tokens, keys and certificates change while everything runs (F71, F76).

use std::time::Duration;

use tokio::time::Instant;
use yingbin::example::Account;

use super::{redis::Gone, rows};
use crate::{
    checker::End,
    stand::{Shape, Stand},
    support::{
        authority::{Authority, GOOD},
        processes::until,
        secure::hang_up,
    },
    trial::{PROGRESS, Terms, Trial},
};

/// Longest time from the moment in which all files are right again to the first message.
const BACK: Duration = Duration::from_secs(5);

rows! {
    f71_tokens_and_keys_are_changed, 1, full,
        "two gateways whose tokens and keys stand in files; under load half of a key is written, then for both accounts the new ones with the old ones as previous, then the platform is changed, then the old ones are taken away; nothing is restarted",
        "half of a key is refused; every push verifies and is taken at its first delivery, all sent",
        raises ["gateway_rotations_total{result=\"taken\"", "gateway_rotations_total{result=\"refused\""];
    f76_certificates_of_redis_are_rotated, 1, full,
        "Redis over TLS both ways; every connection is ended after each step: all certificates anew from the same authority, then all from another one without a restart, then for 125 pushes Redis shows one of an authority that nobody trusts",
        "with the wrong one no send begins, and the log says why; the first message < 5 s after the right one; sent twice 0, unknown 0",
        raises ["content_ledger_waits_total", "cert_not_after_seconds"];
}

async fn f71_tokens_and_keys_are_changed(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { gateways: 2, secret_files: true, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    let accounts = stand.pusher.accounts.clone();
    let (token, key) = ("a-token-of-the-new-year", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq");
    for Account { name, token: old, aes_key, .. } in &accounts {
        stand.secrets_of(name).holds([token, "half of a key", old, aes_key]);
    }
    rotations(&stand, "refused", 4.0).await;
    for Account { name, token: old, aes_key, .. } in &accounts {
        stand.secrets_of(name).holds([token, key, old, aes_key]);
    }
    rotations(&stand, "taken", 4.0).await;
    for Account { name, .. } in &accounts {
        stand.change_credentials(name, token, key).await;
    }
    stand.more_arrive(50, PROGRESS).await;
    for Account { name, .. } in &accounts {
        stand.secrets_of(name).holds([token, key, "", ""]);
    }
    rotations(&stand, "taken", 8.0).await;
    stand.more_arrive(50, PROGRESS).await;
    let report = stand.ends(load, Terms::default()).await;
    let again = stand.pushed.iter().filter(|push| push.attempts.len() > 1).count();
    assert_eq!((again, report.count(End::Sent)), (0, report.events), "{report}");
    report.to_string()
}

/// Waits until the gateways have counted so many changes of two accounts.
async fn rotations(stand: &Stand, result: &str, count: f64) {
    let metric = format!("gateway_rotations_total{{result=\"{result}\"");
    until("the gateways look at the files", PROGRESS, async || {
        (stand.counted(&metric).await >= count).then_some(())
    })
    .await;
}

async fn f76_certificates_of_redis_are_rotated(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { tls: true, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;

    let to = stand.certificates.as_ref().expect("the shape has some");
    to.showing(&to.authority, GOOD + 1);
    to.shows(&stand.redis, &to.authority, GOOD + 1).await;
    let same = back(&stand).await;

    let next = Authority::new();
    to.trusted("ca", &next);
    to.showing(&next, GOOD + 2);
    to.trusting(&next);
    to.shows(&stand.redis, &next, GOOD + 2).await;
    let another = back(&stand).await;
    stand.more_arrive(50, PROGRESS).await;

    to.shows(&stand.redis, &Authority::new(), GOOD).await;
    hang_up(&stand.redis).await;
    let gone = Gone::now(&stand).await;
    load.goes_on(125).await;
    let meanwhile = gone.few_arrive(&stand);
    let told = stand.logged("content-service-0", "none of redis.ca vouches for the server's certificate");
    assert!(told > 0, "the log of content-service does not say why");
    to.shows(&stand.redis, &next, GOOD + 2).await;
    let right = back(&stand).await;

    stand.more_arrive(100, PROGRESS).await;
    let report = stand.ends(load, Terms::default()).await;
    let times = format!("first message {same} ms after the same authority's, {another} ms after another's");
    format!("{times}; {meanwhile} with a wrong one, first {right} ms after the right one; {report}")
}

/// Ends every connection; milliseconds until the next message that needed a new one.
async fn back(stand: &Stand) -> u128 {
    hang_up(&stand.redis).await;
    let (begun, arrived) = (Instant::now(), stand.arrived() + stand.sends_in_flight().await);
    until("a message", BACK, async || (stand.arrived() > arrived).then_some(())).await;
    begun.elapsed().as_millis()
}
