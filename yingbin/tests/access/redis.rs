//! `deploy/redis/users.acl` on a real Redis.

use std::{fs, time::Duration};

use redis::{Cmd, Value, cmd};
use runtime::redis::{Redis, RedisConfig, RedisError};

use super::{deployed, named, password, sources};
use crate::support::redis::RedisServer;

const FILE: &str = "redis/users.acl";

/// One key of each kind, by its owner.
const PROFILE: [&str; 3] = ["p:{wx1:o1}", "x:skypearl:42", "w:skypearl:42"];
const CONTENT: [&str; 8] = [
    "l:{wx1:o1}:e1",
    "g:{wx1:o1}",
    "unknown:waiting",
    "erasures",
    "stops",
    "t:wx1",
    "partitions:wechat.events.v1",
    "mark:0a",
];

/// What rules the server, or shows what is everybody's.
const RULING: [&str; 12] = [
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "CONFIG SET appendonly no",
    "CONFIG REWRITE",
    "ACL LIST",
    "CLIENT LIST",
    "MONITOR",
    "SAVE",
    "SCRIPT FLUSH",
    "REPLICAOF NO ONE",
];

/// A server with users, as one of them sees it.
pub(super) fn seen_by(server: &RedisServer, user: &str, namespace: &str) -> Redis {
    let (url, deadline) = (server.url_of(user, &password(user)), Duration::from_secs(5));
    Redis::new(&RedisConfig::new(url, deadline), namespace).unwrap()
}

/// The file as it is for an installation with a namespace.
pub(super) fn users_within(namespace: &str) -> String {
    fs::read_to_string(deployed(FILE)).unwrap().replace('~', &format!("~{namespace}"))
}

/// What the server has refused to anybody.
pub(super) async fn refusals(server: &RedisServer) -> Vec<Value> {
    seen_by(server, "admin", "").query(cmd("ACL").arg("LOG")).await.unwrap()
}

/// Whether the right to do it is there; another error, such as that of a wrong type, comes after that.
async fn may(redis: &Redis, words: &[&str]) -> bool {
    let mut command = Cmd::new();
    command.arg(words);
    match redis.query::<Value>(&command).await {
        Ok(_) => true,
        Err(RedisError::Refused { code, .. }) => code != "NOPERM" && code != "NOAUTH",
        Err(error) => panic!("{words:?}: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_of_redis_reaches_what_is_his_and_nothing_else() {
    let server = RedisServer::start_with_users(&deployed(FILE)).await;
    for (user, own, others) in
        [("profile-service", &PROFILE[..], &CONTENT[..]), ("content-service", &CONTENT, &PROFILE)]
    {
        let redis = seen_by(&server, user, "");
        for key in own {
            assert!(may(&redis, &["GET", key]).await, "{user} {key}");
            assert!(may(&redis, &["SET", key, "1"]).await, "{user} {key}");
        }
        for key in others.iter().chain(&["elsewhere", "stopsign", "blue.p:{wx1:o1}"]) {
            assert!(!may(&redis, &["GET", key]).await, "{user} {key}");
            assert!(!may(&redis, &["SET", key, "1"]).await, "{user} {key}");
            let script = ["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "1", key];
            assert!(!may(&redis, &script).await, "{user} {key}");
        }
    }
    let operator = seen_by(&server, "operator", "");
    for key in ["l:{wx1:o1}:e1", "g:{wx1:o1}"] {
        assert!(may(&operator, &["HGET", key, "e"]).await, "{key}");
        assert!(!may(&operator, &["HSETNX", key, "e", "1"]).await, "{key}");
    }
    for key in ["erasures", "stops", "t:wx1", "p:{wx1:o1}"] {
        assert!(!may(&operator, &["HGETALL", key]).await, "{key}");
    }
    assert!(!may(&operator, &["HSETNX", "unknown:waiting", "e", "1"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_administrator_rules_redis() {
    let server = RedisServer::start_with_users(&deployed(FILE)).await;
    for user in ["profile-service", "content-service", "operator", "probe", "replica"] {
        let redis = seen_by(&server, user, "");
        for command in RULING {
            let words: Vec<&str> = command.split(' ').collect();
            assert!(!may(&redis, &words).await, "{user} {command}");
        }
    }
    let config = RedisConfig::new(server.url(), Duration::from_secs(5));
    assert!(!may(&Redis::new(&config, "").unwrap(), &["PING"]).await, "who gives no name may do nothing");
    let admin = seen_by(&server, "admin", "");
    for (user, command) in [("content-service", "WAIT 1 50"), ("replica", "PSYNC ? -1")] {
        let mut dry = cmd("ACL");
        dry.arg("DRYRUN").arg(user).arg(command.split(' ').collect::<Vec<_>>());
        assert_eq!(admin.query::<String>(&dry).await.unwrap(), "OK", "{user} {command}");
    }
}

#[test]
fn what_scripts_call_is_granted() {
    let users = fs::read_to_string(deployed(FILE)).unwrap();
    for service in ["profile-service", "content-service"] {
        let rights = users.lines().find(|line| line.starts_with(&format!("user {service} "))).unwrap();
        let granted = |command: &str| rights.split(' ').any(|word| word == format!("+{command}"));
        let files = sources(service);
        let calls: Vec<String> =
            files.iter().flat_map(|file| named(file, "redis.call('")).map(str::to_lowercase).collect();
        assert!(calls.len() > 4, "{service}: {calls:?}");
        for call in calls {
            assert!(granted(&call), "a script of {service} calls {call}");
        }
    }
}
