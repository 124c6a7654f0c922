//! What a call of a port comes to.

use crate::Timestamp;
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;

/// A future that a port returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a port's call comes to.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Which state of a record one is: it grows with every change that an operator makes, and a record that takes the place of a deleted one begins later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Revision(i64);

impl Revision {
    /// That of a record which is made at this time.
    pub const fn first(made_at: Timestamp) -> Self {
        Self(made_at.as_millis())
    }

    /// As a store keeps it.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// For a store to keep.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// That of the record once it is changed.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What is changed: the record of this name or id, and where a revision is given only while it is the one that is kept. Whoever changes it compares in the
/// same step, and answers [`StoreError::Changed`] where it is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Its name or id.
    pub of: &'a str,
    /// What is thought to be there.
    pub revision: Option<Revision>,
}

impl<'a> From<&'a str> for Edit<'a> {
    fn from(of: &'a str) -> Self {
        Self { of, revision: None }
    }
}

impl<'a> From<&'a String> for Edit<'a> {
    fn from(of: &'a String) -> Self {
        Self { of, revision: None }
    }
}

/// The store could not be asked, or did not take what it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached, is full, or gave no answer in time.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// What should be new is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// What should be changed is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// What should be changed was changed meanwhile.
    #[error("{0} was changed meanwhile")]
    Changed(String),
    /// What the store holds cannot be read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}
