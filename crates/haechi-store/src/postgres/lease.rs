//! A connection of the pool that is never used again unless its work was done.

use crate::PostgresLocation;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgPool};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Executor, query};
use std::ops::{Deref, DerefMut};

/// A statement that takes what is bound to it.
pub(super) type Statement<'q> = Query<'q, sqlx::Postgres, PgArguments>;

/// One connection for one piece of work. When the work breaks off, what the connection still waits for is nobody's to guess: it is closed, which
/// rolls back whatever there is, and the pool opens another.
pub(super) struct Lease {
    connection: PoolConnection<sqlx::Postgres>,
    /// Whether statements may stay prepared on the connection.
    prepares: bool,
    in_transaction: bool,
    done: bool,
}

impl Lease {
    /// For one statement, which is a transaction by itself. A pooler that gives every transaction another connection needs to be told where it
    /// begins and ends, because preparing and executing are two steps.
    pub(super) async fn to_read(pool: &PgPool, location: &PostgresLocation) -> Result<Self, sqlx::Error> {
        let mut lease = Self::of(pool, location).await?;
        if location.transaction_pooler {
            lease.begin(location).await?;
        }
        Ok(lease)
    }

    pub(super) async fn to_write(pool: &PgPool, location: &PostgresLocation) -> Result<Self, sqlx::Error> {
        let mut lease = Self::of(pool, location).await?;
        lease.begin(location).await?;
        Ok(lease)
    }

    /// A statement for this connection.
    pub(super) fn sql<'q>(&self, text: &'static str) -> Statement<'q> {
        query(text).persistent(self.prepares)
    }

    /// Commits what was written, and gives the connection back.
    pub(super) async fn done(mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            self.connection.execute("COMMIT").await?;
        }
        self.done = true;
        Ok(())
    }

    async fn of(pool: &PgPool, location: &PostgresLocation) -> Result<Self, sqlx::Error> {
        let connection = pool.acquire().await?;
        Ok(Self { connection, prepares: !location.transaction_pooler, in_transaction: false, done: false })
    }

    async fn begin(&mut self, location: &PostgresLocation) -> Result<(), sqlx::Error> {
        self.in_transaction = true;
        if location.transaction_pooler {
            // What is set for a session would stay with a connection that others get.
            let millis = location.statement_timeout.as_millis();
            let begin =
                format!("BEGIN; SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = {millis}");
            self.connection.execute(AssertSqlSafe(begin)).await?;
        } else {
            self.connection.execute("BEGIN").await?;
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.done {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
