//! Readiness probe of the store: whether it could read and write.

use super::fault::Fault;
use super::{Sqlite, log, schema};
use haechi_core::ports::StoreError;
use sqlx::{query, query_scalar};
use std::time::Duration;

/// A whole file is looked through only after damage was met.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);

impl Sqlite {
    /// Reads; looks whether the schema is still the one that the operations need; and writes, where something failed since, or nothing
    /// was written for some time.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        self.close_distrusted().await;
        let doubts = self.condition.doubts();
        self.answer(async move {
            let shape = self.opening.shape().cloned();
            let shape = shape.ok_or_else(|| Fault::unusable("the file was not opened yet".to_owned()))?;
            let mut read = self.read().await?;
            schema::check(&mut read, &shape).await?;
            log::epochs(&mut read).await?;
            Ok(read.commit().await?)
        })
        .await?;
        if self.condition.is_damaged() {
            // Those that are open know pages as they were.
            self.condition.distrust_connections();
            self.close_distrusted().await;
            self.look_through().await?;
        }
        if self.condition.wants_write() {
            self.answer(async move {
                let mut write = self.write().await?;
                // There and back: a page is written, which SQLite spares itself for the same value, and nobody has anything to learn.
                for change in
                    ["UPDATE change_epoch SET value = value + 1", "UPDATE change_epoch SET value = value - 1"]
                {
                    query(change).execute(&mut *write).await?;
                }
                self.commit(write).await
            })
            .await?;
            self.condition.refute(doubts);
        }
        Ok(())
    }

    async fn look_through(&self) -> Result<(), StoreError> {
        let work = async {
            let _using = self.in_use.read().await;
            let mut read = self.read().await?;
            let found: String = query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *read).await?;
            read.commit().await?;
            Ok::<_, Fault>(found)
        };
        let found = tokio::time::timeout(WHOLE_WITHIN, work).await;
        match found
            .map_err(|_| StoreError::Unavailable(format!("not looked through within {WHOLE_WITHIN:?}")))?
        {
            Ok(found) if found == "ok" => {
                self.condition.note_whole();
                Ok(())
            }
            Ok(found) => Err(StoreError::Corrupt(format!("{found}; restore a backup"))),
            Err(fault) => {
                self.condition.note(&fault);
                Err(fault.into())
            }
        }
    }
}
