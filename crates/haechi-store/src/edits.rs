//! What has revisions, for every kind of store.

use haechi_core::ports::{Edit, StoreError};

/// A kind of record that has revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    ApiKey,
    Client,
}

impl Kind {
    /// What people call one.
    pub(crate) fn named(self, of: &str) -> String {
        match self {
            Self::User => format!("user `{of}`"),
            Self::ApiKey => format!("API key `{of}`"),
            Self::Client => format!("client `{of}`"),
        }
    }

    /// Why nothing fits `edit`, by whether there is such a record.
    pub(crate) fn refused(self, edit: Edit<'_>, is_there: bool) -> StoreError {
        let named = self.named(edit.of);
        if is_there { StoreError::Changed(named) } else { StoreError::Missing(named) }
    }
}
