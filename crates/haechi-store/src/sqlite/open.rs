//! Opening the file.

use super::condition::Condition;
use super::file::StoreFile;
use super::lookup::Lookups;
use super::opening::Opening;
use super::refusal::Refusal;
use super::{BUSY_TIMEOUT, Sqlite, TIMEOUT, schema};
use crate::{OpenError, SchemaStatus};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::RwLock;

/// How many reads run at once.
const READERS: u32 = 4;

impl Sqlite {
    /// Opens the file, creating it and bringing its schema up to date where needed. What may pass by itself (another process has locked the file,
    /// there is no room) is no error: operations are `Unavailable` until it has passed.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        let file = StoreFile::find_or_create(path)?;
        let options = options(file.path());
        let condition = Arc::new(Condition::new());
        let readers = pool(READERS, &condition).connect_lazy_with(options.clone().pragma("query_only", "ON"));
        let writer = pool(1, &condition).connect_lazy_with(options.clone());
        let lookups = Lookups::new(options.clone().pragma("query_only", "ON"), condition.clone());
        let (file, opening) = (Arc::new(file), Opening::new(options));
        let in_use = RwLock::default();
        let sqlite = Self { readers, writer, lookups, file, condition, opening, in_use };
        match tokio::time::timeout(TIMEOUT, sqlite.opening.look()).await {
            Ok(Err(refusal)) if !refusal.may_pass() => Err(refusal.at(path)),
            _ => Ok(sqlite),
        }
    }
}

/// Looks which version the schema has, and changes nothing.
pub(crate) async fn status(path: &Path) -> Result<SchemaStatus, OpenError> {
    if !path.exists() {
        return Ok(schema::EMPTY);
    }
    let looked = async {
        let mut connection = options(path).read_only(true).connect().await?;
        schema::refuse_foreign(&mut connection).await?;
        let status = schema::status(&mut connection).await?;
        connection.close().await?;
        Ok::<_, Refusal>(status)
    };
    looked.await.map_err(|refusal| refusal.at(path))
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

fn pool(connections: u32, condition: &Arc<Condition>) -> SqlitePoolOptions {
    let condition = condition.clone();
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(move |_, connection| {
            let trusted = condition.trusts_one_of_age(connection.age);
            Box::pin(async move { Ok(trusted) })
        })
}
