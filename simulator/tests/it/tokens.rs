//! Both token endpoints, as a client sees them.

use serde_json::json;

use crate::harness::{Harness, credential, text};

fn plain(account: &str) -> String {
    format!("/cgi-bin/token?grant_type=client_credential&appid=wx-{account}&secret=secret-{account}")
}

async fn errcode(harness: &Harness, token: &str) -> i64 {
    let answer = harness.try_send(token, &text("o-li", "a")).await.unwrap();
    answer.json::<serde_json::Value>().await.unwrap()["errcode"].as_i64().unwrap()
}

#[tokio::test]
async fn the_older_endpoint_replaces_and_the_stable_one_keeps() {
    let harness = Harness::start(|_| ()).await;
    let stable = harness.token("paper").await;
    assert_eq!(harness.token("paper").await, stable);
    let first = harness.get(&plain("paper")).await;
    let second = harness.get(&plain("paper")).await;
    assert_eq!(first["expires_in"], 7200);
    assert_ne!(first["access_token"], second["access_token"]);
    harness.clock.advance(std::time::Duration::from_secs(301));
    let [first, second] = [first, second].map(|given| given["access_token"].as_str().unwrap().to_owned());
    assert_eq!(errcode(&harness, &first).await, 40001);
    assert_eq!(errcode(&harness, &second).await, 45015, "good token, no window");
    assert_eq!(errcode(&harness, &stable).await, 45015, "good token, no window");
    harness.clock.advance(std::time::Duration::from_secs(7200));
    assert_eq!(errcode(&harness, &stable).await, 42001);
    assert_eq!(errcode(&harness, "").await, 41001);
    assert_eq!(errcode(&harness, "SIM_stranger").await, 40014);
    harness.clock.advance(std::time::Duration::from_secs(61 * 86_400));
    harness.token("paper").await;
    assert_eq!(errcode(&harness, &stable).await, 42001, "two months later, too");
}

#[tokio::test]
async fn a_forced_refresh_ends_the_token_before() {
    let harness = Harness::start(|_| ()).await;
    let first = harness.token("paper").await;
    let mut forced = credential("paper");
    forced["force_refresh"] = true.into();
    let second = harness.post("/cgi-bin/stable_token", &forced).await;
    assert_ne!(second["access_token"], first.as_str());
    assert_eq!(errcode(&harness, &first).await, 40001);
    let third = harness.post("/cgi-bin/stable_token", &forced).await;
    assert_eq!(third["access_token"], second["access_token"], "not twice in thirty seconds");
}

#[tokio::test]
async fn wrong_credentials_and_quotas_are_named() {
    let harness = Harness::start(|config| config.limits.tokens_per_day = 1).await;
    let mut asked = credential("paper");
    for (field, value, code) in [("secret", "x", 40125), ("appid", "wx-nobody", 40013), ("secret", "", 41004)]
    {
        asked = credential("paper");
        asked[field] = value.into();
        assert_eq!(harness.post("/cgi-bin/stable_token", &asked).await["errcode"], code, "{field}");
    }
    asked["grant_type"] = "password".into();
    assert_eq!(harness.post("/cgi-bin/stable_token", &asked).await["errcode"], 40002);
    assert_eq!(harness.post("/cgi-bin/stable_token", &json!("?")).await["errcode"], 47001);
    assert!(harness.get(&plain("paper")).await["access_token"].is_string());
    let refused = harness.get(&plain("paper")).await;
    assert_eq!(refused["errcode"], 45009);
    assert!(refused["errmsg"].as_str().unwrap().contains(" rid: "), "{refused}");
    assert!(harness.get(&plain("air")).await["access_token"].is_string(), "accounts are counted apart");
}
