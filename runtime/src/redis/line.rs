//! The connection that all clones of a client share: it heals itself, and is made anew when its server was demoted or its files for
//! TLS were changed.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use redis::{
    Client, IntoConnectionInfo as _,
    aio::{ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};

use super::{RedisConfig, RedisError, secure};

/// A connection to a server that was demoted is made anew at most this often.
const RENEW: Duration = Duration::from_secs(1);
/// Bound on making a connection, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

/// The shared connection.
pub(super) struct Line {
    held: RwLock<Held>,
    deadline: Duration,
    /// Looks after the files for TLS.
    keeper: Option<secure::Keeper>,
}

struct Held {
    client: Client,
    connection: ConnectionManager,
    since: Instant,
}

impl Line {
    pub(super) fn new(config: &RedisConfig) -> Result<Arc<Self>, RedisError> {
        let info = config.url.as_str().into_connection_info().map_err(RedisError::from)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let Some(files) = secure::asked(&info, &config.tls) else {
            let client = Client::open(info).map_err(RedisError::from)?;
            return Self::of(client, config.deadline, None);
        };
        let pem = files.load().map_err(|error| RedisError::Away(format!("redis.{error}")))?;
        let client = secure::client(&info, &pem)?;
        files.watch();
        let keeper = secure::Keeper::default();
        let line = Self::of(client, config.deadline, Some(keeper.clone()))?;
        tokio::spawn(keeper.keep(Arc::downgrade(&line), info, files, pem));
        Ok(line)
    }

    fn of(
        client: Client,
        deadline: Duration,
        keeper: Option<secure::Keeper>,
    ) -> Result<Arc<Self>, RedisError> {
        let connection = healing(&client, deadline)?;
        let held = RwLock::new(Held { client, connection, since: Instant::now() });
        Ok(Arc::new(Self { held, deadline, keeper }))
    }

    pub(super) fn connection(&self) -> ConnectionManager {
        self.held().connection.clone()
    }

    /// From now on calls are made with this client; those under way end where they are.
    pub(super) fn renew(&self, client: Client) {
        if let Ok(connection) = healing(&client, self.deadline) {
            let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
            *held = Held { client, connection, since: Instant::now() };
        }
    }

    /// A call failed: what is to be done is begun, and what is known of the cause is told.
    pub(super) fn failed(&self, error: RedisError) -> RedisError {
        match (&error, &self.keeper) {
            (RedisError::Refused { code, .. }, _) if code == "READONLY" => {
                // Whoever is master now is found by the name in the address, with a new connection.
                let (client, since) = {
                    let held = self.held();
                    (held.client.clone(), held.since)
                };
                if since.elapsed() >= RENEW {
                    self.renew(client);
                }
                error
            }
            (RedisError::Late(_) | RedisError::Away(_), Some(keeper)) => keeper.failed(error),
            _ => error,
        }
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn healing(client: &Client, deadline: Duration) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(deadline))
        .set_connection_timeout(Some(CONNECT))
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(250))
        .set_number_of_retries(20);
    ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(RedisError::from)
}
