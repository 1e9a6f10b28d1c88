//! Redis with a deadline on every call: whoever asks gets an answer or an error in time, never a hang.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisFuture, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};

use crate::config::Settings;

/// Where Redis is and how long a call may take.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://user:password@host:port/db`.
    pub url: String,
    /// Bound on every call, waiting for a connection included.
    pub deadline: Duration,
}

impl std::fmt::Debug for RedisConfig {
    /// Without the address: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl RedisConfig {
    /// Reads `redis.*`.
    pub fn read(settings: &mut Settings) -> Self {
        let config = Self {
            url: settings.get(
                "redis.url",
                "redis://127.0.0.1:6379".to_owned(),
                "Where Redis is; `REDIS_URL` sets it too. It may hold a password, so it is never printed.",
            ),
            deadline: settings.get(
                "redis.deadline",
                Duration::from_millis(100),
                "Bound on every call, waiting for a connection included.",
            ),
        };
        if config.url.as_str().into_connection_info().is_err() {
            settings.problem("redis.url", "is not an address such as redis://host:6379");
        }
        config
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No answer in time; a write may have been applied all the same.
    #[error("redis did not answer within {0:?}")]
    Late(Duration),
    /// The connection broke or could not be made; a write may have been applied all the same.
    #[error("redis is away: {0}")]
    Away(String),
    /// Redis answered with an error: `OOM`, `LOADING`, `READONLY` …
    #[error("redis refused: {code} {message}")]
    Refused {
        /// First word of the error.
        code: String,
        /// The rest.
        message: String,
    },
}

/// A connection that heals itself. Clones share it.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    deadline: Duration,
    namespace: Arc<str>,
    trips: Arc<AtomicU64>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Redis {
    /// Connects with the first call; needs a tokio runtime. Keys get `namespace` in front.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(config: &RedisConfig, namespace: &str) -> Result<Self, RedisError> {
        let info = config.url.as_str().into_connection_info().map_err(RedisError::from)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(RedisError::from)?;
        let healing = ConnectionManagerConfig::new()
            .set_response_timeout(Some(config.deadline))
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(250))
            .set_number_of_retries(20);
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(client, healing).map_err(RedisError::from)?,
            deadline: config.deadline,
            namespace: namespace.into(),
            trips: Arc::default(),
        })
    }

    /// The key within the namespace.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        format!("{}{key}", self.namespace)
    }

    /// Calls made so far, each one round trip.
    #[must_use]
    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// One command. Dropping the future does not take back a write.
    ///
    /// # Errors
    /// [`RedisError`]; after `Late` and `Away` a write may have been applied.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        let mut connection = self.connection.clone();
        self.timed(Box::pin(async move { command.query_async(&mut connection).await })).await
    }

    /// Several commands in one round trip.
    ///
    /// # Errors
    /// [`RedisError`]; after `Late` and `Away` the writes may have been applied.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let mut connection = self.connection.clone();
        self.timed(Box::pin(async move { commands.query_async(&mut connection).await })).await
    }

    /// One script, loaded again where the server has forgotten it.
    ///
    /// # Errors
    /// [`RedisError`]; after `Late` and `Away` the script may have run.
    pub async fn script<T: FromRedisValue + Send + Sync>(
        &self,
        script: &Script,
        keys_and_arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, RedisError> {
        let mut invocation = script.prepare_invoke();
        keys_and_arguments(&mut invocation);
        let mut connection = self.connection.clone();
        self.timed(Box::pin(async move { invocation.invoke_async(&mut connection).await })).await
    }

    async fn timed<T>(&self, call: RedisFuture<'_, T>) -> Result<T, RedisError> {
        self.trips.fetch_add(1, Ordering::Relaxed);
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer.map_err(RedisError::from),
            Err(_) => Err(RedisError::Late(self.deadline)),
        }
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        match error.code() {
            Some(code) => Self::Refused {
                code: code.to_owned(),
                message: error.detail().unwrap_or_default().to_owned(),
            },
            None => Self::Away(error.category().to_owned()),
        }
    }
}
