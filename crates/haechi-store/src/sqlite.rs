//! A store in an SQLite file that several processes may share: the gateway, and the commands that change it meanwhile.
//!
//! Every change is one `BEGIN IMMEDIATE` transaction, so that what it read still holds when it writes, and what nodes must learn of
//! is written to the log in the very transaction that changes it.

mod api_keys;
mod approvals;
mod clients;
mod condition;
mod edit;
mod fault;
mod file;
mod identity_records;
mod log;
mod lookup;
pub(crate) mod open;
mod opening;
mod policies;
mod probe;
mod quotas;
mod refusal;
mod reopening;
mod revocations;
mod row;
mod schema;
mod sessions;
mod signing_keys;
mod transaction;
mod users;
mod web_sessions;

use condition::Condition;
use fault::Fault;
use file::StoreFile;
use haechi_core::ports::{StoreError, Stored};
use lookup::Lookups;
use opening::Opening;
use sqlx::sqlite::SqlitePool;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;
use transaction::Transaction;

/// No answer in this time is no answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for another process that is writing. Shorter than [`TIMEOUT`], so that giving up is SQLite's own and nothing is still under
/// way afterwards.
const BUSY_TIMEOUT: Duration = Duration::from_millis(1500);

/// A transaction that holds the write lock.
type Write = Transaction;

/// The store. Each port is a file of its own.
pub(crate) struct Sqlite {
    /// Connections that cannot write.
    readers: SqlitePool,
    /// One connection: writers of this process wait for each other in a fair queue, where SQLite would have them try again and again.
    writer: SqlitePool,
    /// For API keys, which come with requests.
    lookups: Lookups,
    file: Arc<StoreFile>,
    condition: Arc<Condition>,
    opening: Opening,
    /// Read by each operation while it uses connections, written where all of them are closed.
    in_use: RwLock<()>,
}

impl Sqlite {
    /// Waits for what is running, no longer than an operation may take, and closes the file.
    pub(crate) async fn close(&self) {
        let closed = async {
            self.readers.close().await;
            self.writer.close().await;
        };
        self.lookups.close();
        // What still runs ends with the process; SQLite's log makes that safe.
        let _ = tokio::time::timeout(TIMEOUT, closed).await;
    }

    /// `work` as a port's answer: refused when the file is no longer the one that was opened, given up after [`TIMEOUT`].
    fn answer<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Stored<'a, T> {
        self.answer_within(TIMEOUT, work)
    }

    /// The same for work that may take longer.
    fn answer_within<'a, T: Send + 'a>(
        &'a self,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Stored<'a, T> {
        let whole = async {
            file::check(&self.file).await?;
            let _using = self.in_use.read().await;
            self.opening.look().await?;
            work.await
        };
        Box::pin(self.in_time(limit, whole))
    }

    /// The same for what requests ask: the file may have been looked at a moment ago.
    fn look_up<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Stored<'a, T> {
        let whole = async {
            let is_open = self.opening.shape().is_some();
            if !is_open || !self.file.was_checked_lately() {
                file::check(&self.file).await?;
            }
            let _using = self.in_use.read().await;
            if !is_open {
                self.opening.look().await?;
            }
            work.await
        };
        Box::pin(self.in_time(TIMEOUT, whole))
    }

    async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer.map_err(|fault| {
                self.condition.note(&fault);
                fault.into()
            }),
            Err(_) => {
                self.condition.note_late();
                Err(StoreError::Unavailable(format!("no answer within {limit:?}")))
            }
        }
    }

    async fn read(&self) -> Result<Transaction, Fault> {
        Ok(Transaction::to_read(&self.readers).await?)
    }

    async fn write(&self) -> Result<Write, Fault> {
        Ok(Transaction::to_write(&self.writer).await?)
    }

    async fn commit(&self, write: Write) -> Result<(), Fault> {
        write.commit().await?;
        self.condition.note_written();
        Ok(())
    }
}
