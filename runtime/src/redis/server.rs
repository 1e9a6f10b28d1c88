//! What a Redis server says about itself that decides whether it keeps what it has acknowledged.

use redis::cmd;

use super::{Redis, RedisError};
use crate::clock::Clock;

/// Clocks that are further apart than this are a trouble: send windows and pauses of accounts go by them.
const APART_MS: u64 = 2_000;

/// A server as `INFO` tells it; `None`: it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    policy: Option<String>,
    aof: Option<String>,
    aof_write: Option<String>,
    rdb_save: Option<String>,
    role: Option<String>,
    /// `CONFIG GET appendfsync`, where that is allowed.
    fsync: Option<String>,
    /// Its clock is so far ahead of this machine's.
    ahead_ms: Option<i64>,
    /// Keys that it has thrown away for want of memory since its start.
    pub evicted: Option<u64>,
}

/// Something by which acknowledged writes can be lost, by which nothing can be written, or by which times mean different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// A short name, for a metric.
    pub name: &'static str,
    /// What it is and what to do.
    pub say: String,
}

/// Names of every [`Trouble`].
pub const TROUBLES: [&str; 9] = [
    "not_said",
    "eviction_policy",
    "no_append_only_file",
    "no_fsync",
    "append_only_file_write",
    "snapshot",
    "replica",
    "evicted",
    "clock",
];

impl Trouble {
    /// It may pass without anybody setting the server otherwise: a replica is made master, a disk is mended, a clock is set.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self.name, "replica" | "append_only_file_write" | "snapshot" | "clock")
    }
}

impl Redis {
    /// Asks the server about itself. What an access list forbids is not said.
    ///
    /// # Errors
    /// [`RedisError::Late`], [`RedisError::Away`], and `LOADING`: a server that still reads its append-only file says that it keeps
    /// none.
    pub async fn server(&self) -> Result<Server, RedisError> {
        let mut server = match self.query::<String>(&cmd("INFO")).await {
            Ok(info) if info.contains("\nloading:1") => {
                let message = "it still reads what it has kept".to_owned();
                return Err(RedisError::Refused { code: "LOADING".to_owned(), message });
            }
            Ok(info) => Server::of(&info, Clock::system().machine_ms()),
            Err(RedisError::Refused { code, .. }) if code == "NOPERM" || code == "ERR" => Server::default(),
            Err(error) => return Err(error),
        };
        let asked = self.query::<Vec<String>>(cmd("CONFIG").arg("GET").arg("appendfsync")).await;
        server.fsync = asked.ok().and_then(|pair| pair.into_iter().nth(1));
        Ok(server)
    }
}

impl Server {
    fn of(info: &str, now_ms: i64) -> Self {
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        Self {
            policy: field("maxmemory_policy"),
            aof: field("aof_enabled"),
            aof_write: field("aof_last_write_status"),
            rdb_save: field("rdb_last_bgsave_status"),
            role: field("role"),
            fsync: None,
            ahead_ms: field("server_time_usec").and_then(|us| Some(us.parse::<i64>().ok()? / 1_000 - now_ms)),
            evicted: field("evicted_keys").and_then(|keys| keys.parse().ok()),
        }
    }

    /// What is wrong for somebody who relies on every acknowledged write. Snapshots alone lose minutes, so they are not enough.
    /// `evicted_before`: what was known at the look before.
    #[must_use]
    pub fn troubles(&self, evicted_before: Option<u64>) -> Vec<Trouble> {
        let mut all = Vec::new();
        let mut trouble = |name, say: String| all.push(Trouble { name, say });
        match (self.policy.as_deref(), self.aof.as_deref()) {
            (None, _) | (_, None) => trouble(
                "not_said",
                "it does not say whether it evicts keys and keeps an append-only file: allow INFO".to_owned(),
            ),
            (Some(policy), Some(aof)) => {
                if policy != "noeviction" {
                    trouble(
                        "eviction_policy",
                        format!(
                            "it may throw keys away (maxmemory-policy {policy}): CONFIG SET maxmemory-policy noeviction"
                        ),
                    );
                }
                if aof != "1" {
                    let say = "it keeps no append-only file, so a crash loses what it acknowledged: CONFIG SET appendonly yes";
                    trouble("no_append_only_file", say.to_owned());
                }
            }
        }
        let mut unless = |holds: bool, name, say: &str| {
            if !holds {
                trouble(name, say.to_owned());
            }
        };
        let is = |field: &Option<String>, good: &str| field.as_deref().is_none_or(|value| value == good);
        let syncs = self.fsync.as_deref() != Some("no");
        unless(syncs, "no_fsync", "it never syncs its append-only file: CONFIG SET appendfsync everysec");
        let say = "it cannot write its append-only file: look at its disk";
        unless(is(&self.aof_write, "ok"), "append_only_file_write", say);
        unless(is(&self.rdb_save, "ok"), "snapshot", "its last snapshot failed: look at its disk and memory");
        let say = "it is a replica and takes no writes: redis.url has to lead to the master";
        unless(is(&self.role, "master"), "replica", say);
        let kept = self.evicted.unwrap_or(0) <= evicted_before.unwrap_or(0);
        unless(
            kept,
            "evicted",
            "it has thrown keys away for want of memory: what they stood for is forgotten",
        );
        let apart_ms = self.ahead_ms.unwrap_or(0).unsigned_abs();
        unless(
            apart_ms <= APART_MS,
            "clock",
            &format!("its clock and this machine's are {apart_ms} ms apart: set both by NTP"),
        );
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Memory\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n\
        aof_last_write_status:ok\r\nrdb_last_bgsave_status:ok\r\n# Stats\r\nevicted_keys:0\r\n# Replication\r\nrole:master\r\n\
        # Server\r\nserver_time_usec:1800000000000000\r\n";
    const NOW_MS: i64 = 1_800_000_000_500;

    fn names(info: &str) -> Vec<&'static str> {
        let troubles = Server::of(info, NOW_MS).troubles(None);
        assert!(troubles.iter().all(|trouble| TROUBLES.contains(&trouble.name)));
        troubles.iter().map(|trouble| trouble.name).collect()
    }

    #[test]
    fn a_server_that_keeps_everything_has_no_trouble() {
        assert_eq!(names(GOOD), [""; 0]);
    }

    #[test]
    fn each_trouble_has_its_name() {
        for (good, bad, name) in [
            ("noeviction", "allkeys-lru", "eviction_policy"),
            ("aof_enabled:1", "aof_enabled:0", "no_append_only_file"),
            ("aof_last_write_status:ok", "aof_last_write_status:err", "append_only_file_write"),
            ("rdb_last_bgsave_status:ok", "rdb_last_bgsave_status:err", "snapshot"),
            ("role:master", "role:slave", "replica"),
            ("evicted_keys:0", "evicted_keys:3", "evicted"),
            ("aof_enabled:1", "", "not_said"),
            ("usec:1800000000", "usec:1800000003", "clock"),
            ("usec:1800000000", "usec:1799999990", "clock"),
        ] {
            assert_eq!(names(&GOOD.replace(good, bad)), [name]);
        }
        let server = Server { fsync: Some("no".to_owned()), ..Server::of(GOOD, NOW_MS) };
        assert_eq!(server.troubles(None)[0].name, "no_fsync");
    }

    #[test]
    fn only_what_was_evicted_since_the_last_look_is_told() {
        let server = Server { evicted: Some(3), ..Server::of(GOOD, NOW_MS) };
        assert_eq!(server.troubles(Some(3)), []);
        assert_eq!(server.troubles(Some(2))[0].name, "evicted");
    }
}
