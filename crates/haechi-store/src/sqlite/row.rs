//! Reading columns.

use super::fault::Fault;
use crate::records::Columns;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

impl Columns for SqliteRow {
    type Fault = Fault;

    fn text(&self, column: &str) -> Result<String, Fault> {
        Ok(self.try_get(column)?)
    }

    fn optional_text(&self, column: &str) -> Result<Option<String>, Fault> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: &str) -> Result<bool, Fault> {
        Ok(self.try_get(column)?)
    }

    fn number(&self, column: &str) -> Result<i64, Fault> {
        Ok(self.try_get(column)?)
    }

    fn optional_number(&self, column: &str) -> Result<Option<i64>, Fault> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, Fault> {
        Ok(self.try_get(column)?)
    }

    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.try_get(column)?)
    }
}
