//! Reading columns, and writing lists and maps as JSON.

use super::fault::Fault;
use haechi_core::Timestamp;
use haechi_core::ports::StoreError;
use serde::Serialize;
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
        self.bytes(column)?.try_into().map_err(|_| unreadable(column, "is not 32 bytes"))
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, Fault> {
        Ok(Timestamp::from_millis(self.0.try_get(column)?))
    }

    pub(super) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, Fault> {
        Ok(self.0.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, Fault> {
        parse(column, &self.text(column)?)
    }

    pub(super) fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Fault> {
        self.optional_text(column)?.map(|text| parse(column, &text)).transpose()
    }
}

/// `value` as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| unreadable("a value to write", &error.to_string()))
}

/// `value` as JSON text, where there is one.
pub(super) fn optional_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Fault> {
    value.map(json).transpose()
}

fn parse<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| unreadable(column, &error.to_string()))
}

fn unreadable(column: &str, why: &str) -> Fault {
    StoreError::Corrupt(format!("`{column}`: {why}")).into()
}
