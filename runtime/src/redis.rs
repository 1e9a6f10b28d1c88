//! Redis with a deadline on every call: whoever asks gets an answer or an error in time, never a hang.

mod server;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisFuture, Script, ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};

use crate::config::Settings;

pub use server::{Server, TROUBLES, Trouble};

/// A connection to a server that was demoted is made anew at most this often.
const RENEW: Duration = Duration::from_secs(1);

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
        if config.url.starts_with("rediss:") {
            settings.problem("redis.url", "asks for TLS, which is not in this build");
        } else if config.url.as_str().into_connection_info().is_err() {
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
    /// Too few replicas had a write in time; it stands at the master.
    #[error(
        "{have} of {wanted} replicas of redis have the write: look at them, or lower redis.wait_replicas"
    )]
    NotReplicated {
        /// Replicas that have it.
        have: u32,
        /// Replicas that are to have it.
        wanted: u32,
    },
}

fn healing(client: &Client, deadline: Duration) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(deadline))
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(250))
        .set_number_of_retries(20);
    ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(RedisError::from)
}

/// A connection that heals itself, and is made anew when its server has become a replica. Clones share it.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    /// And when it was made.
    connection: Arc<RwLock<(ConnectionManager, Instant)>>,
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
        let connection = healing(&client, config.deadline)?;
        Ok(Self {
            client,
            connection: Arc::new(RwLock::new((connection, Instant::now()))),
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
        let mut connection = self.connection();
        self.timed(Box::pin(async move { command.query_async(&mut connection).await })).await
    }

    /// Several commands in one round trip.
    ///
    /// # Errors
    /// [`RedisError`]; after `Late` and `Away` the writes may have been applied.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let mut connection = self.connection();
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
        let mut connection = self.connection();
        self.timed(Box::pin(async move { invocation.invoke_async(&mut connection).await })).await
    }

    /// One script, and then waiting until so many replicas have what it wrote. The connection, which everybody shares, stands still
    /// for that long.
    ///
    /// # Errors
    /// As [`Redis::script`]; [`RedisError::NotReplicated`] when too few replicas had it `within` that time.
    pub async fn replicated_script<T: FromRedisValue + Send + Sync>(
        &self,
        script: &Script,
        replicas: u32,
        within: Duration,
        keys_and_arguments: impl FnOnce(&mut ScriptInvocation<'_>),
    ) -> Result<T, RedisError> {
        let mut invocation = script.prepare_invoke();
        keys_and_arguments(&mut invocation);
        let mut both = Pipeline::with_capacity(2);
        both.invoke_script(&invocation);
        both.cmd("WAIT").arg(replicas).arg(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        let mut connection = self.connection();
        // In one go: what WAIT waits for is what its own connection has written.
        let call = async move {
            let answered = both.query_async::<(T, u32)>(&mut connection).await;
            if !answered.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
                return answered;
            }
            invocation.load_async(&mut connection).await?;
            both.query_async(&mut connection).await
        };
        let (answer, have) = self.timed(Box::pin(call)).await?;
        if have < replicas {
            return Err(RedisError::NotReplicated { have, wanted: replicas });
        }
        Ok(answer)
    }

    fn connection(&self) -> ConnectionManager {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// The server was demoted: whoever is master now is found by the name in the address, with a new connection.
    fn reconnect(&self) {
        let mut held = self.connection.write().unwrap_or_else(PoisonError::into_inner);
        if held.1.elapsed() < RENEW {
            return;
        }
        if let Ok(new) = healing(&self.client, self.deadline) {
            *held = (new, Instant::now());
        }
    }

    async fn timed<T>(&self, call: RedisFuture<'_, T>) -> Result<T, RedisError> {
        self.trips.fetch_add(1, Ordering::Relaxed);
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer.map_err(RedisError::from).inspect_err(|error| {
                if matches!(error, RedisError::Refused { code, .. } if code == "READONLY") {
                    self.reconnect();
                }
            }),
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
