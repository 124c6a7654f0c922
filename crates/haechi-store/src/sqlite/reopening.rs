//! Closing every connection at once after a failure.
//!
//! SQLite keeps a state of each file that all connections of a process share: whether the index of the write-ahead log (`-shm`) could be
//! opened for writing is part of it. The state lasts until the last of the connections is closed. Connections that are opened one by one
//! beside old ones would find what the first found, and a file system that was read-only for a moment would be so until a restart.

use super::Sqlite;
use sqlx::sqlite::SqlitePool;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long new operations wait for those that are under way. Afterwards they go on, and the next probe tries again.
const CLOSED_WITHIN: Duration = Duration::from_millis(500);

impl Sqlite {
    /// Closes all connections if one failed since this was last done.
    pub(super) async fn close_distrusted(&self) {
        let Some(failure) = self.condition.unanswered_failure() else { return };
        let closed = async {
            let _alone = self.in_use.write().await;
            self.lookups.close_idle().await;
            close_all(&self.readers).await;
            close_all(&self.writer).await;
        };
        if timeout(CLOSED_WITHIN, closed).await.is_ok() {
            self.condition.answer_failure(failure);
        }
    }
}

/// Closes connections that nobody uses, and waits for those whose use broke off: the pool closes these itself.
async fn close_all(pool: &SqlitePool) {
    while pool.size() > 0 {
        match pool.try_acquire() {
            // One that cannot be closed in order is given up as well.
            Some(connection) => drop(connection.close().await),
            None => sleep(Duration::from_millis(2)).await,
        }
    }
}
