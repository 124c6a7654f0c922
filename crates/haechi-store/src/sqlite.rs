//! A store in an SQLite file that several processes may share: the gateway, and the commands that change it meanwhile.
//!
//! Every change is one `BEGIN IMMEDIATE` transaction, so that what it read still holds when it writes, and what nodes must learn of
//! is written to the log in the very transaction that changes it.

mod api_keys;
mod clients;
mod fault;
mod file;
mod log;
mod open;
mod revocations;
mod row;
mod schema;
mod sessions;
mod signing_keys;
mod users;

use fault::Fault;
use file::StoreFile;
use haechi_core::ports::{StoreError, Stored};
use sqlx::Transaction;
use sqlx::sqlite::SqlitePool;
use std::time::Duration;

/// No answer in this time is no answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for another process that is writing. Shorter than [`TIMEOUT`], so that giving up is SQLite's own and nothing is still under
/// way afterwards.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);

/// A transaction that holds the write lock.
type Write = Transaction<'static, sqlx::Sqlite>;

/// The store. Each port is a file of its own.
pub(crate) struct Sqlite {
    /// Connections that cannot write.
    readers: SqlitePool,
    /// One connection: writers of this process wait for each other in a fair queue, where SQLite would have them try again and again.
    writer: SqlitePool,
    file: StoreFile,
}

impl Sqlite {
    /// Waits for what is running and closes the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// `work` as a port's answer: refused when the file is no longer the one that was opened, given up after [`TIMEOUT`].
    fn answer<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Stored<'a, T> {
        Box::pin(async move {
            self.file.check()?;
            match tokio::time::timeout(TIMEOUT, work).await {
                Ok(answer) => answer.map_err(StoreError::from),
                Err(_) => Err(StoreError::Unavailable(format!("no answer within {TIMEOUT:?}"))),
            }
        })
    }

    async fn write(&self) -> Result<Write, Fault> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}
