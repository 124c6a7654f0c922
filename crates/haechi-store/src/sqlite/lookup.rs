//! Connections for API keys, which come with requests: nobody else uses them, and they are asked without a detour.
//!
//! A connection of the pool would be pinged by its thread after each use, which takes as long as the question.

use super::condition::Condition;
use super::fault::Fault;
use haechi_core::ports::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, SqliteConnection, query};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// How many are asked at once. Two answer more than workers can ask, and leave the processor to the workers.
const CONNECTIONS: usize = 2;

/// One of the two indexes has it; the one of earlier secrets is as small as there are keys that were rotated.
const BY_SECRET: &str = "SELECT * FROM api_keys WHERE sha256 = ?1 \
                         UNION ALL SELECT * FROM api_keys WHERE previous_sha256 = ?1 LIMIT 1";

/// The connections. Who asks waits in a fair queue until one is free.
pub(super) struct Lookups {
    options: SqliteConnectOptions,
    condition: Arc<Condition>,
    places: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: SqliteConnection,
    opened: Instant,
}

impl Lookups {
    pub(super) fn new(options: SqliteConnectOptions, condition: Arc<Condition>) -> Self {
        Self { options, condition, places: Semaphore::new(CONNECTIONS), idle: Mutex::default() }
    }

    /// The key with this SHA-256. A connection whose question broke off is closed, because nobody knows what it still does.
    pub(super) async fn find(&self, sha256: &[u8; 32]) -> Result<Option<SqliteRow>, Fault> {
        let closed = |_| StoreError::Unavailable("the store is closed".into());
        let _place = self.places.acquire().await.map_err(closed)?;
        let mut idle = match self.take() {
            Some(idle) => idle,
            None => Idle { connection: self.options.connect().await?, opened: Instant::now() },
        };
        let row = query(BY_SECRET).bind(sha256.as_slice()).fetch_optional(&mut idle.connection).await?;
        self.idle().push(idle);
        Ok(row)
    }

    /// Nobody is answered from now on.
    pub(super) fn close(&self) {
        self.places.close();
        self.idle().clear();
    }

    /// Closes those that are idle.
    pub(super) async fn close_idle(&self) {
        let all = std::mem::take(&mut *self.idle());
        for idle in all {
            // One that cannot be closed in order is given up as well.
            drop(idle.connection.close().await);
        }
    }

    fn take(&self) -> Option<Idle> {
        let mut all = self.idle();
        all.retain(|idle| self.condition.trusts_one_of_age(idle.opened.elapsed()));
        all.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
