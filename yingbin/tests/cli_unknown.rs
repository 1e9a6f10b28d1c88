//! `yingbin unknown` against a real Redis: what it shows, what it writes down, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;

use cli::{command, yingbin};
use content_service::ledger::desk::{Choice, Desk, Unknown};
use runtime::{
    clock::Clock,
    redis::{Redis, RedisConfig},
};
use std::time::Duration;
use yingbin::infrastructure::RedisServer;

fn unknown(event_id: &str, user: &str) -> Unknown {
    Unknown {
        user: user.into(),
        event_id: event_id.into(),
        account: "shop".into(),
        app_id: "wx1".into(),
        reply: "paper".into(),
        occurred_at_ms: 1,
        ended_at_ms: Clock::system().now_ms(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ends_are_listed_and_decided_without_naming_anybody() {
    let server = RedisServer::start().await.unwrap();
    let (url, deadline) = (server.url(), Duration::from_secs(2));
    let redis = Redis::new(&RedisConfig::new(url.clone(), deadline), "").unwrap();
    let (desk, now_ms) = (Desk::new(redis.clone()), Clock::system().now_ms());
    let ask = |arguments: &'static [&'static str]| {
        let url = url.clone();
        let run = move || yingbin(&[&["unknown"], arguments, &["--json", "--redis", &url]].concat());
        tokio::task::spawn_blocking(run)
    };
    let nothing = ask(&["resend", "e1"]).await.unwrap();
    assert_eq!((nothing.code, nothing.json()["ok"].as_bool()), (1, Some(false)), "{nothing:?}");

    for (event, user, waits) in [("e1", "wx1:o-1", true), ("e2", "wx1:o-2", true), ("e3", "wx1:o-3", false)] {
        desk.note(&unknown(event, user), waits.then_some(now_ms + 60_000)).await.unwrap();
    }
    let mut right = redis::cmd("HSET");
    right.arg("g:{wx1:o-1}").arg("left").arg(4).arg("until").arg(now_ms + 60_000);
    redis.query::<i64>(&right).await.unwrap();
    let list = ask(&["list"]).await.unwrap();
    let json = list.json();
    assert_eq!((list.code, json["waiting"].as_array().unwrap().len()), (0, 2), "{list:?}");
    assert_eq!(json["lately"][0]["eventId"], "e3");
    assert!(!list.out.contains("o-1"), "{}", list.out);

    let closed = ask(&["resend", "e2"]).await.unwrap();
    assert_eq!(closed.code, 1, "its user has no right: {closed:?}");
    let noted = ask(&["resend", "e1"]).await.unwrap();
    assert_eq!(noted.code, 0, "{noted:?}");
    assert!(noted.json()["say"].as_str().unwrap().starts_with("noted"), "{noted:?}");
    let decided = desk.decided().await.unwrap();
    assert_eq!((decided.len(), decided[0].0.event_id.as_str()), (1, "e1"));
    assert_eq!(decided[0].1.choice, Choice::Resend);
    let otherwise = ask(&["drop", "e1"]).await.unwrap();
    assert_eq!(otherwise.code, 1, "the first decision holds: {otherwise:?}");
    server.stop().await;
}

#[test]
fn a_redis_that_is_away_is_named_without_its_password() {
    let away = yingbin(&["unknown", "list", "--redis", "redis://operator:needle@127.0.0.1:1/2", "--json"]);
    assert_eq!(away.code, 1, "{away:?}");
    assert!(
        away.json()["say"].as_str().unwrap().starts_with("Redis at 127.0.0.1:1 cannot be used"),
        "{away:?}"
    );
    assert!(away.err.contains("Redis at 127.0.0.1:1 ") && !away.err.contains("needle"), "{}", away.err);
    let malformed = yingbin(&["unknown", "list", "--redis", "needle"]);
    assert_eq!(malformed.code, 64, "{malformed:?}");
    assert!(
        malformed.err.contains("redis://host:port") && !malformed.err.contains("needle"),
        "{malformed:?}"
    );
}

/// A Redis whose desk holds one event.
async fn redis_with(event: &str) -> RedisServer {
    let server = RedisServer::start().await.unwrap();
    let config = RedisConfig::new(server.url(), Duration::from_secs(2));
    Desk::new(Redis::new(&config, "").unwrap()).note(&unknown(event, "wx1:o-1"), None).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_the_flags_then_that_of_a_running_up_then_the_environments() {
    let (first, second) = (redis_with("e1").await, redis_with("e2").await);
    let folder = tempfile::tempdir().unwrap();
    let ask = |flags: &[&str], environment: Option<String>| {
        let mut command = command(&[&["unknown", "list", "--json"], flags].concat());
        let environment = environment.map(|url| ("REDIS_URL", url));
        String::from_utf8(command.current_dir(folder.path()).envs(environment).output().unwrap().stdout)
            .unwrap()
    };
    let nowhere = ask(&[], None);
    assert!(nowhere.contains("start `yingbin up`, or give --redis"), "{nowhere}");
    let told = ask(&[], Some(first.url()));
    assert!(told.contains("\"e1\""), "{told}");
    let up = format!(
        r#"{{"gateway":"","simulator":"","profile":"","kafka":"","redis":"{}","accounts":[]}}"#,
        second.url()
    );
    let _runs = cli::running(folder.path(), &up);
    let told = ask(&[], Some(first.url()));
    assert!(told.contains("\"e2\"") && !told.contains("\"e1\""), "{told}");
    let told = ask(&["--redis", &first.url()], Some(second.url()));
    assert!(told.contains("\"e1\""), "{told}");
    first.stop().await;
    second.stop().await;
}
