//! What a call of a port comes to.

use std::future::Future;
use std::pin::Pin;

/// A future that a port returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a port's call comes to.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

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
    /// What the store holds cannot be read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}
