//! The access token is refused or replaced by others (F52, F53).

use serde_json::{Value, json};
use yingbin::example::Account;

use super::rows;
use crate::{
    checker::End,
    stand::{Shape, Stand},
    trial::{PROGRESS, TAKEOVER, Terms, Trial},
};

rows! {
    f52_the_token_is_refused, 1, short,
        "40001, 40014 and 42001 for one send each, one after the other under load", "all sent; tokens fetched ≤ 3: one per rotation", raises ["content_token_calls"];
    f53_others_refresh_the_token_too, 1, full,
        "three content-services under load; another program asks `cgi-bin/token` five times, and then forces a new token", "all sent; no token fetched for the first, one at most for the second by the whole fleet", raises ["content_token_calls"];
}

/// Counts calls of the token endpoints: a fault that changes nothing is used up by each.
async fn counting_tokens(stand: &Stand) {
    stand.script(json!({"path": "token", "kind": "pass", "count": 1_000})).await;
}

async fn tokens_fetched(stand: &Stand) -> u64 {
    let left = stand.ask("/sim/faults").await;
    let faults = left["faults"].as_array().or_else(|| left.as_array()).unwrap().clone();
    let token = faults.iter().find(|fault| fault["path"] == "token").expect("fewer than a thousand tokens");
    1_000 - token["count"].as_u64().unwrap()
}

async fn f52_the_token_is_refused(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape::default()).await;
    let load = stand.load();
    stand.more_arrive(50, PROGRESS).await;
    counting_tokens(&stand).await;
    for code in [40_001, 40_014, 42_001] {
        stand.script(json!({"path": "send", "kind": "errcode", "errcode": code})).await;
        stand.more_arrive(30, PROGRESS).await;
    }
    let fetched = tokens_fetched(&stand).await;
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    assert!((1..=3).contains(&fetched), "{fetched} tokens fetched for three rotations; {report}");
    format!("{fetched} tokens fetched for three rotations; {report}")
}

async fn f53_others_refresh_the_token_too(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { contents: 3, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(100, TAKEOVER).await;
    counting_tokens(&stand).await;
    let Account { app_id, app_secret, .. } = stand.pusher.accounts[0].clone();
    let plain = format!(
        "http://{}/cgi-bin/token?grant_type=client_credential&appid={app_id}&secret={app_secret}",
        stand.edges.api.address()
    );
    for _ in 0..PLAIN {
        token_of(stand.http.get(&plain)).await;
        stand.more_arrive(10, PROGRESS).await;
    }
    let before = tokens_fetched(&stand).await;
    let forced = json!({"grant_type": "client_credential", "appid": app_id, "secret": app_secret, "force_refresh": true});
    let url = format!("http://{}/cgi-bin/stable_token", stand.edges.api.address());
    token_of(stand.http.post(url).json(&forced)).await;
    stand.more_arrive(150, PROGRESS).await;
    let fetched = tokens_fetched(&stand).await;
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    let (others, own) = (before - PLAIN, fetched - before - 1);
    assert!(
        others == 0 && own <= 1,
        "{others} token calls for what others fetched, {own} for one rotation; {report}"
    );
    format!(
        "token calls of three replicas: {others} for what others fetched, {own} for one rotation; {report}"
    )
}

/// How often the other program asks as programs did before there was `stable_token`.
const PLAIN: u64 = 5;

/// Another program asks for a token, and gets one.
async fn token_of(request: reqwest::RequestBuilder) {
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer["access_token"].is_string(), "{answer}");
}
