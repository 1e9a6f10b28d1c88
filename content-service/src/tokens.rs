//! The access token of each account in the ledger's Redis, sealed, so that the fleet fetches one and not one for each replica.

use redis::Script;
use runtime::{
    clock::Clock,
    redis::{Redis, RedisError},
};
use wechat::api::{Stored, TokenStore};

/// Longer than a token lives.
const TTL_MS: i64 = 3 * 3_600_000;
/// KEYS  1 record
/// ARGV  1 what was seen there  2 what is to be there  3 ttl ms
const SWAP: &str = "
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Where one account's token is kept.
#[derive(Debug)]
pub struct SharedToken {
    redis: Redis,
    key: String,
    swap: Script,
    clock: Clock,
}

impl SharedToken {
    /// The place for the token of an AppId.
    #[must_use]
    pub fn new(redis: &Redis, app_id: &str, clock: Clock) -> Self {
        let key = redis.key(&format!("t:{app_id}"));
        Self { key, redis: redis.clone(), swap: Script::new(SWAP), clock }
    }
}

impl TokenStore for SharedToken {
    fn load(&self) -> Stored<'_, Vec<u8>> {
        Box::pin(async {
            let kept: Result<Option<Vec<u8>>, _> = self.redis.query(redis::cmd("GET").arg(&self.key)).await;
            kept.map(Option::unwrap_or_default).map_err(told)
        })
    }

    fn swap<'a>(&'a self, seen: &'a [u8], new: &'a [u8]) -> Stored<'a, bool> {
        Box::pin(async move {
            let swapped = self.redis.script(&self.swap, |script| {
                script.key(&self.key).arg(seen).arg(new).arg(TTL_MS);
            });
            swapped.await.map_err(told)
        })
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

fn told(error: RedisError) -> String {
    error.to_string()
}
