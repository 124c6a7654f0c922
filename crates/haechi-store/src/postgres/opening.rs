//! Looking at the database, and bringing it up to date.

use super::refusal::Refusal;
use super::schema;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the start waits. What takes longer does not hold it up: the database is looked at again by the first operation.
pub(super) const AT_START: Duration = Duration::from_secs(60);
/// How long coming to a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A database that is looked at before the first operation, by one of them at a time.
pub(super) struct Opening {
    options: PgConnectOptions,
    turn: Mutex<()>,
    accepted: OnceLock<()>,
}

impl Opening {
    /// To be opened with these options.
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, turn: Mutex::new(()), accepted: OnceLock::new() }
    }

    /// Accepts the database, or says why not.
    pub(super) async fn look(&self) -> Result<(), Refusal> {
        if self.accepted.get().is_some() {
            return Ok(());
        }
        let _alone = self.turn.lock().await;
        if self.accepted.get().is_none() {
            // A task of its own: whoever asked may give up, and a migration that was begun is not broken off for that.
            let prepared = tokio::spawn(prepare(self.options.clone()));
            prepared.await.map_err(|_| Refusal::Database(sqlx::Error::WorkerCrashed))??;
            // Nobody else can have been here meanwhile.
            let _ = self.accepted.set(());
        }
        Ok(())
    }

    /// The same, given up after `limit` (`None`).
    pub(super) async fn look_until(&self, limit: Duration) -> Option<Result<(), Refusal>> {
        tokio::time::timeout(limit, self.look()).await.ok()
    }
}

/// A connection of its own, which no pool knows.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Refusal> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
    Ok(connecting.await.map_err(|_| Refusal::NoAnswer { within: CONNECT_TIMEOUT })??)
}

async fn prepare(options: PgConnectOptions) -> Result<(), Refusal> {
    let mut connection = connect(&options).await?;
    schema::bring_up_to_date(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
