//! Looking at the file, and bringing it up to date.

use super::fault::is_busy;
use super::refusal::Refusal;
use super::schema::{self, Shape};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long to wait at the start for another process that is writing. What is in the way for longer does not hold up the start: the file is
/// opened when it can be.
const OPEN_TIMEOUT: Duration = Duration::from_secs(1);

/// A file that is looked at before the first operation, by one of them at a time.
pub(super) struct Opening {
    options: SqliteConnectOptions,
    turn: Mutex<()>,
    shape: OnceLock<Arc<Shape>>,
}

impl Opening {
    /// To be opened with these options.
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options: options.busy_timeout(OPEN_TIMEOUT), turn: Mutex::new(()), shape: OnceLock::new() }
    }

    /// What its schema has, once it was accepted.
    pub(super) fn shape(&self) -> Option<&Arc<Shape>> {
        self.shape.get()
    }

    /// Accepts the file, or says why not.
    pub(super) async fn look(&self) -> Result<(), Refusal> {
        if self.shape.get().is_some() {
            return Ok(());
        }
        let _alone = self.turn.lock().await;
        if self.shape.get().is_none() {
            let shape = prepare(self.options.clone()).await?;
            // Nobody else can have been here meanwhile.
            let _ = self.shape.set(Arc::new(shape));
        }
        Ok(())
    }
}

async fn prepare(options: SqliteConnectOptions) -> Result<Shape, Refusal> {
    let shape = schema::shape().await?;
    let mut connection = options.connect().await?;
    schema::refuse_foreign(&mut connection).await?;
    enable_wal(&mut connection).await?;
    schema::bring_up_to_date(&mut connection, &shape).await?;
    connection.close().await?;
    Ok(shape)
}

/// Readers and the writer do not wait for each other in this mode, which the file keeps. SQLite does not wait for others by itself when it
/// changes the mode.
async fn enable_wal(connection: &mut SqliteConnection) -> Result<(), Refusal> {
    let deadline = Instant::now() + OPEN_TIMEOUT;
    loop {
        let mode =
            sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => return Err(Refusal::NoWal { mode }),
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
