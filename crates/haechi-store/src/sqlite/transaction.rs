//! A transaction whose connection is never used again unless it was committed.

use sqlx::pool::PoolConnection;
use sqlx::{SqliteConnection, SqlitePool, query};
use std::ops::{Deref, DerefMut};

/// One transaction on one connection of a pool.
///
/// SQLite rolls back by itself when a write fails (`SQLITE_FULL`, `SQLITE_IOERR`), and a second rollback is then an error. What state a
/// connection is in after that is nobody's to guess: it is closed, which rolls back whatever there is, and the pool opens another.
pub(super) struct Transaction {
    connection: PoolConnection<sqlx::Sqlite>,
    committed: bool,
}

impl Transaction {
    /// For reading only: everything read is of one moment.
    pub(super) async fn to_read(pool: &SqlitePool) -> Result<Self, sqlx::Error> {
        Self::begin(pool, "BEGIN").await
    }

    /// Holds the write lock, so that what it read still holds when it writes.
    pub(super) async fn to_write(pool: &SqlitePool) -> Result<Self, sqlx::Error> {
        Self::begin(pool, "BEGIN IMMEDIATE").await
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        query("COMMIT").execute(&mut *self.connection).await?;
        self.committed = true;
        Ok(())
    }

    /// The statement may still be under way when nobody waits for it any more, so the connection is ours before it begins.
    async fn begin(pool: &SqlitePool, statement: &'static str) -> Result<Self, sqlx::Error> {
        let mut begun = Self { connection: pool.acquire().await?, committed: false };
        query(statement).execute(&mut *begun.connection).await?;
        Ok(begun)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.committed {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
