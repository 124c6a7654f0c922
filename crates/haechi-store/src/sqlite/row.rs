//! Reading columns.

use super::fault::Fault;
use crate::json::{parse, unreadable};
use haechi_core::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A row, read column by column.
pub(super) struct Columns<'r>(pub(super) &'r SqliteRow);

impl Columns<'_> {
    pub(super) fn text(&self, column: &str) -> Result<String, Fault> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn optional_text(&self, column: &str) -> Result<Option<String>, Fault> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn flag(&self, column: &str) -> Result<bool, Fault> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn count(&self, column: &str) -> Result<u32, Fault> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn number(&self, column: &str) -> Result<i64, Fault> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn bytes(&self, column: &str) -> Result<Vec<u8>, Fault> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn sha256(&self, column: &str) -> Result<[u8; 32], Fault> {
        self.bytes(column)?.try_into().map_err(|_| unreadable(column, "is not 32 bytes").into())
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, Fault> {
        Ok(Timestamp::from_millis(self.0.try_get(column)?))
    }

    pub(super) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, Fault> {
        Ok(self.0.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Fault> {
        Ok(parse(column, &self.text(column)?)?)
    }

    pub(super) fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Fault> {
        Ok(self.optional_text(column)?.map(|text| parse(column, &text)).transpose()?)
    }
}
