//! Redis with a deadline on every call: whoever asks gets an answer or an error in time, never a hang.

mod line;
mod secure;
mod server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisFuture, Script,
    ScriptInvocation,
};

use crate::{config::Settings, tls::TlsFiles};
use line::Line;

pub use server::{Server, TROUBLES, Trouble};

/// Where Redis is and how long a call may take.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://user:password@host:port/db`, or `rediss://` for TLS.
    pub url: String,
    /// Bound on every call, waiting for a connection included.
    pub deadline: Duration,
    /// Files for TLS.
    pub tls: TlsFiles,
}

impl std::fmt::Debug for RedisConfig {
    /// Without the address: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl RedisConfig {
    /// No files for TLS.
    #[must_use]
    pub fn new(url: impl Into<String>, deadline: Duration) -> Self {
        Self { url: url.into(), deadline, tls: TlsFiles::default() }
    }

    /// Reads `redis.*`.
    pub fn read(settings: &mut Settings) -> Self {
        let url = settings.get(
            "redis.url",
            "redis://127.0.0.1:6379".to_owned(),
            "Where Redis is, `rediss://` with TLS; `REDIS_URL` sets it too. It may hold a password, so it is never printed.",
        );
        let deadline = settings.get(
            "redis.deadline",
            Duration::from_millis(100),
            "Bound on every call, waiting for a connection included.",
        );
        let address = url.as_str().into_connection_info();
        let secure = match address.as_ref().map(|info| info.addr()) {
            Ok(ConnectionAddr::TcpTls { insecure: true, .. }) => {
                settings.problem("redis.url", "asks for TLS with anybody: name who may vouch in redis.ca");
                true
            }
            Ok(ConnectionAddr::TcpTls { .. }) => true,
            Ok(_) => false,
            Err(_) => {
                settings.problem("redis.url", "is not an address such as redis://host:6379");
                url.starts_with("rediss:")
            }
        };
        Self { url, deadline, tls: TlsFiles::read(settings, "redis", "Redis", secure) }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No answer in time; a write may have been applied all the same.
    #[error("redis did not answer within {0:?}, or could not be reached")]
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

/// A connection that heals itself, and is made anew when its server has become a replica. Clones share it.
#[derive(Clone)]
pub struct Redis {
    line: Arc<Line>,
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
    /// Connects with the first call; needs a tokio runtime. Keys get `namespace` in front. With TLS its files are looked at again and
    /// again, and what they hold then is what new connections are made with.
    ///
    /// # Errors
    /// The address is none, or a file for TLS cannot be used.
    pub fn new(config: &RedisConfig, namespace: &str) -> Result<Self, RedisError> {
        Ok(Self {
            line: Line::new(config)?,
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
        let mut connection = self.line.connection();
        self.timed(Box::pin(async move { command.query_async(&mut connection).await })).await
    }

    /// Several commands in one round trip.
    ///
    /// # Errors
    /// [`RedisError`]; after `Late` and `Away` the writes may have been applied.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let mut connection = self.line.connection();
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
        let mut connection = self.line.connection();
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
        let mut connection = self.line.connection();
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

    async fn timed<T>(&self, call: RedisFuture<'_, T>) -> Result<T, RedisError> {
        self.trips.fetch_add(1, Ordering::Relaxed);
        let answer = match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer.map_err(RedisError::from),
            Err(_) => Err(RedisError::Late(self.deadline)),
        };
        answer.map_err(|error| self.line.failed(error))
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        match error.code() {
            Some(code) => Self::Refused {
                code: code.to_owned(),
                message: error.detail().unwrap_or_default().to_owned(),
            },
            None => Self::Away(secure::cause(&error).unwrap_or_else(|| error.category().to_owned())),
        }
    }
}
