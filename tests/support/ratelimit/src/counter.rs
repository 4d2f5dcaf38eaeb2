//! Counting in Redis.

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Script};
use std::time::Duration;
use tokio::sync::Mutex;

/// Adds the hits if they fit; says whether they did, and how many are used.
const ADD_IF_IT_FITS: &str = r"
    local used = tonumber(redis.call('GET', KEYS[1]) or '0')
    local hits = tonumber(ARGV[1])
    if used + hits > tonumber(ARGV[2]) then return {0, used} end
    used = redis.call('INCRBY', KEYS[1], hits)
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return {1, used}";

/// Neither a connection nor an answer is waited for longer: what asks has less patience.
const PATIENCE: Duration = Duration::from_millis(250);

/// Counters in one Redis, which may come and go.
pub struct Counter {
    client: Client,
    script: Script,
    connection: Mutex<Option<MultiplexedConnection>>,
}

/// What became of some hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whether they fit.
    pub fits: bool,
    /// How many are used.
    pub used: u32,
}

impl Counter {
    /// In the Redis behind this URL, such as `redis://127.0.0.1:6379`.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        let (client, script) = (Client::open(url)?, Script::new(ADD_IF_IT_FITS));
        Ok(Self { client, script, connection: Mutex::new(None) })
    }

    /// Adds hits to a counter if they fit into its limit. It is forgotten after `kept`.
    ///
    /// # Errors
    /// When Redis is not there, or does not answer in time. The next call tries anew.
    pub async fn add(&self, key: &str, hits: u32, limit: u32, kept: Duration) -> Result<Counted, RedisError> {
        let mut connection = self.connect().await?;
        let mut call = self.script.prepare_invoke();
        call.key(key).arg(hits).arg(limit).arg(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        match call.invoke_async::<(u8, u32)>(&mut connection).await {
            Ok((fits, used)) => Ok(Counted { fits: fits == 1, used }),
            Err(error) => {
                *self.connection.lock().await = None;
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(kept.insert(connection).clone())
    }
}
