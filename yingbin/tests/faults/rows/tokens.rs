//! The access token is refused or replaced by others (F52, F53).

use serde_json::{Value, json};

use super::rows;
use crate::{
    checker::End,
    stand::{Shape, Stand},
    trial::{PROGRESS, TAKEOVER, Terms, Trial},
};

rows! {
    f52_the_token_is_refused, 1, short,
        "40001, 40014 and 42001 in turn for 15 sends under load", "all sent; tokens fetched ≤ one per refusal", raises ["content_token_calls"];
    f53_others_refresh_the_token_too, 1, full,
        "three content-services; another program forces a new token under load", "all sent; tokens fetched ≤ one per rotation for the fleet", raises ["content_token_calls"];
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
    let refuse = |code: i32| json!({"path": "send", "kind": "errcode", "errcode": code, "count": 5});
    stand.script([40_001, 40_014, 42_001].map(refuse).into_iter().collect()).await;
    stand.more_arrive(100, PROGRESS).await;
    let fetched = tokens_fetched(&stand).await;
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    assert!(fetched <= 15, "{fetched} tokens fetched for 15 refusals; {report}");
    format!("{fetched} tokens fetched for 15 refusals; {report}")
}

async fn f53_others_refresh_the_token_too(trial: &mut Trial<'_>) -> String {
    let mut stand = trial.stand(Shape { contents: 3, ..Shape::default() }).await;
    let load = stand.load();
    stand.more_arrive(100, TAKEOVER).await;
    counting_tokens(&stand).await;
    let account = stand.pusher.accounts[0].clone();
    let forced = json!({"grant_type": "client_credential", "appid": account.app_id, "secret": account.app_secret, "force_refresh": true});
    let url = format!("http://{}/cgi-bin/stable_token", stand.edges.api.address());
    let answer: Value = stand.http.post(url).json(&forced).send().await.unwrap().json().await.unwrap();
    assert!(answer["access_token"].is_string(), "{answer}");
    stand.more_arrive(150, PROGRESS).await;
    let fetched = tokens_fetched(&stand).await;
    let report = stand.ends(load, Terms::default()).await;
    assert_eq!(report.count(End::Sent), report.events, "{report}");
    assert!(fetched <= 1 + 1, "{fetched} token calls for one rotation; {report}");
    format!("{} token calls of three replicas for one rotation; {report}", fetched - 1)
}
