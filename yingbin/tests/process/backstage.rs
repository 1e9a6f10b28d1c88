//! What the phone's page asks for, from the real `up`.

use serde_json::Value;
use tokio::time::timeout;

use crate::{
    paper,
    up::{PATIENCE, Up},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_sees_push_event_decision_and_profile_behind_a_message() {
    let up = Up::present().await;
    let simulator = &up.announced["simulator"];
    let people: Value = up.get(simulator, "/sim/people").await.json().await.unwrap();
    let openid = people["people"][0]["openid"].as_str().unwrap().to_owned();
    let text = paper(&up, &openid).await;

    let whose = format!("account=qianjiang&openid={openid}");
    let entry =
        timeout(PATIENCE, behind(&up, &whose, &text)).await.expect("event and outcome of the message");
    let (event, reply) = (&entry["event"], &entry["reply"]);
    assert_eq!((&event["id"], &event["openid"]), (&reply["eventId"], &openid.as_str().into()), "{entry}");
    assert_eq!(event["entered"]["signal"], "ENTRY_SIGNAL_TEMPSESSION", "{event}");

    let profile = up.get(simulator, &format!("/backstage/profile?{whose}")).await;
    let profile: Value = profile.json().await.unwrap();
    let tastes = profile["tastes"].as_array().unwrap();
    assert!(tastes.iter().any(|taste| taste["topic"] == "taiwan"), "{profile}");
    assert_eq!(profile["user"]["openid"], openid.as_str());

    for (path, status, says) in [
        ("/backstage/replies".to_owned(), 400, "openid"),
        ("/backstage/profile?openid=o".to_owned(), 404, "no such account"),
        (format!("/backstage/profile?account=nobody&openid={openid}"), 404, "no such account"),
    ] {
        let refused = up.get(simulator, &path).await;
        assert_eq!(refused.status(), status, "{path}");
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["ok"], false, "{path}: {refused}");
        assert!(refused["say"].as_str().unwrap().contains(says), "{path}: {refused}");
    }
    let stranger = up.get(simulator, "/backstage/profile?account=qianjiang&openid=oNobody").await;
    assert_eq!(stranger.json::<Value>().await.unwrap(), serde_json::json!({}));

    let page = up.get(simulator, "/").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'; "), "{policy}");
}

/// The entry whose reply holds this text, when event and outcome have both been read; the items that it shows have their titles.
async fn behind(up: &Up, whose: &str, text: &str) -> Value {
    let path = format!("/backstage/replies?{whose}");
    loop {
        let answer: Value = up.get(&up.announced["simulator"], &path).await.json().await.unwrap();
        let entries = answer["replies"].as_array().unwrap();
        assert_eq!(answer["topics"]["taiwan"], "台湾", "{answer}");
        let oldest = entries[0]["reply"]["endedAtMs"].as_str().unwrap();
        assert_eq!(
            (entries.len(), answer["kept_since_ms"].to_string().as_str()),
            (60, oldest),
            "the rest is left out"
        );
        let sent = |entry: &&Value| {
            let message = entry["reply"]["parts"][0]["message"].as_str().unwrap_or("{}");
            let message: Value = serde_json::from_str(message).unwrap();
            message["text"]["content"] == text && entry["event"].is_object()
        };
        let Some(entry) = entries.iter().find(sent) else { continue };
        let slots = entry["reply"]["decision"]["slots"].as_array().unwrap();
        let ids: Vec<&str> = slots
            .iter()
            .flat_map(|slot| slot["itemIds"].as_array().into_iter().flatten())
            .map(|id| id.as_str().unwrap())
            .collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| answer["titles"][id].is_string()), "{entry}");
        return entry.clone();
    }
}
