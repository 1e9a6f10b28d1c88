//! How many partitions a topic had when a content-service looked last: `partitions:{topic}`, so that one that is started later can compare.

use redis::cmd;
use runtime::redis::RedisError;

use super::Ledger;

impl Ledger {
    /// The number that was noted last; `None`: none was.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn partitions(&self, topic: &str) -> Result<Option<usize>, RedisError> {
        self.redis.query(cmd("GET").arg(self.partitions_key(topic))).await
    }

    /// Notes the number. A repeat is harmless.
    ///
    /// # Errors
    /// [`RedisError`].
    pub async fn note_partitions(&self, topic: &str, partitions: usize) -> Result<(), RedisError> {
        self.redis.query(cmd("SET").arg(self.partitions_key(topic)).arg(partitions)).await
    }

    fn partitions_key(&self, topic: &str) -> String {
        self.redis.key(&format!("partitions:{topic}"))
    }
}
