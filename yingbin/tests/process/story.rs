//! `yingbin story`: what it tells people and programs, and that it can fail.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    run,
    up::{examples, yingbin},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_newspaper_story_is_told() {
    tells("qianjiang", &["李大爷", "周女士", "新读者"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_airline_story_is_told() {
    tells("csair", &["林女士", "陈先生", "王女士"]).await;
}

/// A story for people and the same for programs.
async fn tells(name: &str, guests: &[&str]) {
    let (told, lines) = tokio::join!(story(name, &[]), story(name, &["--json"]));
    assert!(told.contains('✓') && !told.contains('✗'), "{told}");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (verdict, acts) = lines.split_last().unwrap();
    assert_eq!((&verdict["ok"], &verdict["acts"]), (&json!(true), &json!(acts.len())), "{verdict}");
    for act in acts {
        let (event, reply) = (&act["event"], &act["reply"]);
        assert!(event["id"].is_string() && event["id"] == reply["eventId"], "{act}");
        assert!(act["push"].as_str().unwrap().contains(event["openid"].as_str().unwrap()), "{act}");
    }
    for guest in guests {
        assert!(told.contains(guest), "{guest} is not in {told}");
        assert!(acts.iter().any(|act| act["guest"] == *guest), "{guest}");
    }
}

async fn story(name: &str, flags: &[&str]) -> String {
    let ended = play(&examples().join(name), flags).await;
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

async fn play(folder: &Path, flags: &[&str]) -> Output {
    run(yingbin().arg("story").arg(folder).args(flags)).await
}

/// The newspaper's example with a playbook that forgets what has been seen: nine of thirteen from the home town, again and again, and the
/// day's scenes alone.
fn forgetful() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| fs::read_to_string(examples().join("qianjiang").join(name)).unwrap();
    for name in ["account.yaml", "people.yaml", "items.jsonl", "weather.json"] {
        fs::write(folder.path().join(name), read(name)).unwrap();
    }
    let playbook = read("playbook.yaml");
    let forgets = playbook.replace("        hide_seen: 2d\n", "").replace(", hide_seen: 2d", "");
    let (two, all) =
        ("place: trait('youth.city')\n        count: 2", "place: trait('youth.city')\n        count: 9");
    assert!(playbook.contains("hide_seen") && !forgets.contains("hide_seen") && forgets.contains(two));
    fs::write(folder.path().join("playbook.yaml"), forgets.replace(two, all)).unwrap();
    let script = read("story.yaml");
    let (day, _) = script.split_once("\n  - title: 四周里").expect("the scenes after the day");
    fs::write(folder.path().join("story.yaml"), day).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_that_does_not_hold_says_so_and_ends_with_one() {
    let folder = forgetful();
    let ended = play(folder.path(), &["--json"]).await;
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
    let told = String::from_utf8(ended.stdout).unwrap();
    let verdict: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&verdict["ok"], &verdict["acts"]), (&json!(false), &json!(5)), "{verdict}");
    let complaints = verdict["complaints"].as_array().unwrap();
    let again = |complaint: &Value| complaint.as_str().unwrap().ends_with("was offered again");
    assert!(complaints.iter().any(again), "{verdict}");
}
