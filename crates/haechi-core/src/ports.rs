//! Ports: what the gate needs from the world outside, one small trait per fact.
//!
//! The store room implements those that keep facts. Every error is [`StoreError`]: could-not-find-out, which callers must turn into 503, never
//! into "no" and never into "yes".

mod api_keys;
mod clients;
mod revocations;
mod sessions;
mod signing_keys;
mod users;

pub use api_keys::{ApiKeyRecord, ApiKeys, KeyState, Quota};
pub use clients::{ClientRecord, Clients};
pub use revocations::{CHANGES_KEPT, Change, Changes, Revocations, Revoked};
pub use sessions::{Rotation, Session, Sessions};
pub use signing_keys::{SigningKeyRecord, SigningKeys};
pub use users::{LoginState, UserRecord, Users};

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
