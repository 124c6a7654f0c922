//! Revocations and their epoch, in SQLite.

use super::{Sqlite, log};
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Changes, Revocations, Revoked, Stored};

impl Revocations for Sqlite {
    fn epoch(&self) -> Stored<'_, u64> {
        self.answer(async move {
            let mut read = self.readers.acquire().await?;
            Ok(log::epochs(&mut read).await?.0)
        })
    }

    fn changes_since(&self, since: u64, limit: usize) -> Stored<'_, Changes> {
        self.answer(async move {
            let mut read = self.read().await?;
            let changes = log::since(&mut read, since, limit).await?;
            read.commit().await?;
            Ok(changes)
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
}
