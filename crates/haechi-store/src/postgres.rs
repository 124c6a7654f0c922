//! A store in a PostgreSQL database that many nodes share.
//!
//! Everything lies in the schema `haechi`, so that a database may hold other things beside it. What nodes must learn of is written to the log in
//! the very transaction that changes it, and the nodes that listen are notified when that transaction is committed.

mod api_keys;
mod approvals;
mod clients;
mod condition;
mod edit;
mod fault;
mod identity_records;
mod lease;
mod listening;
mod log;
pub(crate) mod open;
mod opening;
mod options;
mod policies;
mod probe;
mod quotas;
mod refusal;
mod revocations;
mod row;
mod schema;
mod sessions;
mod signing_keys;
mod users;
mod web_sessions;

use crate::PostgresLocation;
use condition::Condition;
use fault::Fault;
use haechi_core::ports::{StoreError, Stored};
use lease::{Lease, Statement};
use listening::Listening;
use opening::Opening;
use sqlx::postgres::{PgPool, PgRow};
use std::sync::Arc;
use std::time::Duration;

/// What the network may add to the time that the database gives itself for a statement, so that giving up is the database's own as a rule, and
/// nothing is still under way afterwards.
const ON_THE_WAY: Duration = Duration::from_millis(250);

const OUTDATED: &str = "the schema is not one that this version may work with; a newer version of haechi changed it, or it is damaged";

/// The store. Each port is a file of its own.
pub(crate) struct Postgres {
    pool: PgPool,
    location: PostgresLocation,
    condition: Arc<Condition>,
    opening: Opening,
    listening: Listening,
}

impl Postgres {
    /// Waits for what is running, no longer than an operation may take, and closes the connections.
    pub(crate) async fn close(&self) {
        // What still runs ends with the process, and the database rolls it back.
        let _ = tokio::time::timeout(self.patience(), async {
            tokio::join!(self.listening.close(), self.pool.close())
        })
        .await;
    }

    /// `work` as a port's answer: refused at once while the database is away, refused while the schema is not the one that it needs, given up in time.
    fn answer<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Stored<'a, T> {
        self.answer_within(self.patience(), work)
    }

    /// The same for work of many statements.
    fn answer_within<'a, T: Send + 'a>(
        &'a self,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> Stored<'a, T> {
        Box::pin(async move {
            if self.condition.is_away() {
                return Err(StoreError::Unavailable("the database does not answer".to_owned()));
            }
            if self.condition.is_outdated() {
                return Err(StoreError::Unavailable(OUTDATED.to_owned()));
            }
            self.in_time(limit, work).await
        })
    }

    /// The same, also while the database is away.
    async fn ask<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
        Box::pin(self.in_time(self.patience(), work)).await
    }

    async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        let whole = async {
            self.opening.look().await?;
            work.await
        };
        match tokio::time::timeout(limit, whole).await {
            Ok(Ok(answer)) => {
                self.condition.note_answer();
                Ok(answer)
            }
            Ok(Err(fault)) => {
                self.condition.note(&fault);
                Err(fault.into())
            }
            Err(_) => {
                self.condition.note_late();
                let limit = self.location.statement_timeout;
                Err(StoreError::Unavailable(format!("no answer within {limit:?}")))
            }
        }
    }

    /// The row that a statement which only reads finds.
    async fn row<'q>(
        &self,
        text: &'static str,
        bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
    ) -> Result<Option<PgRow>, Fault> {
        let mut read = Lease::to_read(&self.pool, &self.location).await?;
        let found = bind(read.sql(text)).fetch_optional(&mut *read).await?;
        read.done().await?;
        Ok(found)
    }

    /// The rows that a statement which only reads finds.
    async fn rows<'q>(
        &self,
        text: &'static str,
        bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
    ) -> Result<Vec<PgRow>, Fault> {
        let mut read = Lease::to_read(&self.pool, &self.location).await?;
        let found = bind(read.sql(text)).fetch_all(&mut *read).await?;
        read.done().await?;
        Ok(found)
    }

    /// A connection in a transaction.
    async fn write(&self) -> Result<Lease, Fault> {
        Ok(Lease::to_write(&self.pool, &self.location).await?)
    }

    async fn commit(&self, write: Lease) -> Result<(), Fault> {
        write.done().await?;
        self.condition.note_written();
        Ok(())
    }

    const fn patience(&self) -> Duration {
        self.location.statement_timeout.saturating_add(ON_THE_WAY)
    }
}

/// PostgreSQL keeps no text with a NUL in it, so nothing has such a name.
fn can_be_kept(text: &str) -> bool {
    !text.contains('\0')
}
