//! Revocations and their epoch, in PostgreSQL.

use super::{Postgres, log};
use haechi_core::Timestamp;
use haechi_core::ports::{BoxFuture, Change, Changes, Revocations, Revoked, Stored};

impl Revocations for Postgres {
    fn epoch(&self) -> Stored<'_, u64> {
        self.answer(async move {
            let row = self.row("SELECT value FROM haechi.change_epoch", |sql| sql).await?;
            log::newest(row.as_ref())
        })
    }

    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes> {
        self.answer(async move {
            let limit = limit.max(1);
            let after = i64::try_from(since).unwrap_or(i64::MAX);
            let at_most = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.rows(log::SINCE, |sql| sql.bind(after).bind(at_most)).await?;
            log::changes(&rows, since, limit)
        })
    }

    fn revoke<'a>(&'a self, what: &'a Revoked, until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            log::record(&mut write, &Change::Revoked { what: what.clone(), until }).await?;
            self.commit(write).await
        })
    }

    fn forget_expired(&self, now: Timestamp) -> Stored<'_, u64> {
        self.answer(async move {
            let mut write = self.write().await?;
            let forgotten = log::forget_expired(&mut write, now).await?;
            self.commit(write).await?;
            Ok(forgotten)
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.listening.changed())
    }
}
