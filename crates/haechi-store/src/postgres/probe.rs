//! Whether the store could do what it will be asked for.

use super::fault::Fault;
use super::lease::Lease;
use super::refusal::Refusal;
use super::{Postgres, schema};
use haechi_core::ports::StoreError;

impl Postgres {
    /// Reads; looks whether the schema is still one that this program may work with, and whether the database takes changes; and writes, where
    /// something failed since the last change.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        self.ask(async move {
            let mut read = Lease::to_read(&self.pool, &self.location).await?;
            let schema = schema::may_go_on(&mut read).await;
            match &schema {
                Ok(_) => self.condition.note_schema(true),
                Err(refusal) if refusal.is_of_schema() => self.condition.note_schema(false),
                // Nothing was found out about it.
                Err(_) => {}
            }
            if !schema? {
                return Err(Fault::from(Refusal::ReadOnly));
            }
            read.done().await?;
            if self.condition.wants_write() {
                self.write_nothing().await?;
            }
            Ok(())
        })
        .await
    }

    /// A change that changes nothing: nobody has anything to learn.
    async fn write_nothing(&self) -> Result<(), Fault> {
        let mut write = self.write().await?;
        schema::check(&mut write).await?;
        let same = write.sql("UPDATE haechi.change_epoch SET value = value");
        same.execute(&mut *write).await?;
        self.commit(write).await
    }
}
