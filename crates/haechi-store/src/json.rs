//! Lists and maps as JSON text in a column.

use haechi_core::ports::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// `value` as JSON text.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| unreadable("a value to write", &error.to_string()))
}

/// `value` as JSON text, where there is one.
pub(crate) fn optional_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>, StoreError> {
    value.map(json).transpose()
}

/// What `column` holds.
pub(crate) fn parse<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(column, &error.to_string()))
}

/// A column that does not hold what it should.
pub(crate) fn unreadable(column: &str, why: &str) -> StoreError {
    StoreError::Corrupt(format!("`{column}`: {why}"))
}
