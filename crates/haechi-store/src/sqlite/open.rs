//! Opening the file.

use super::fault::{is_busy, is_damage};
use super::file::StoreFile;
use super::{BUSY_TIMEOUT, Sqlite, TIMEOUT, schema};
use crate::OpenError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait at the start for another process that is writing.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// How many reads run at once.
const READERS: u32 = 4;

impl Sqlite {
    /// Opens the file, creating it and bringing its schema up to date where needed.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        let file = StoreFile::find_or_create(path)?;
        let options = options(file.path());
        prepare(options.clone().busy_timeout(OPEN_TIMEOUT)).await.map_err(|refusal| refusal.at(path))?;
        let readers = pool(READERS).connect_lazy_with(options.clone().pragma("query_only", "ON"));
        let writer = pool(1).connect_lazy_with(options);
        Ok(Self { readers, writer, file })
    }
}

/// Why the file was not accepted.
pub(super) enum Refusal {
    Foreign,
    Newer { version: i64, known: i64 },
    Altered { version: i64 },
    NoWal { mode: String },
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Refusal {
    fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Foreign => OpenError::Foreign(path),
            Self::Newer { version, known } => OpenError::Newer { path, version, known },
            Self::Altered { version } => OpenError::Altered { path, version },
            Self::NoWal { mode } => {
                let why = format!(
                    "its file system has no write-ahead log (it stays in mode `{mode}`); put it on a local disk"
                );
                OpenError::Unusable { path, why }
            }
            Self::Database(error) if is_damage(&error) => OpenError::NotADatabase(path),
            Self::Database(error) => OpenError::Unusable { path, why: error.to_string() },
        }
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // A revocation that was confirmed must outlive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

async fn prepare(options: SqliteConnectOptions) -> Result<(), Refusal> {
    let mut connection = options.connect().await?;
    schema::refuse_foreign(&mut connection).await?;
    enable_wal(&mut connection).await?;
    schema::bring_up_to_date(&mut connection).await?;
    Ok(connection.close().await?)
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
