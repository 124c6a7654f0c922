//! What the gate shows to a service as a client of it.

use haechi_authn::Unavailable;
use haechi_authn::token_exchange::Exchanged;
use haechi_core::Timestamp;
use haechi_core::ports::BoxFuture;
use std::fmt;
use std::sync::Arc;

/// A credential of the gate's own in one field of each request to a service. Nothing of the client's travels in that field.
#[derive(Clone)]
pub struct ServiceCredential {
    /// The field's name, lower case.
    pub field: Arc<str>,
    /// Its value.
    pub value: CredentialValue,
}

/// The value of a credential's field.
#[derive(Clone)]
pub enum CredentialValue {
    /// Always the same.
    Fixed(Arc<str>),
    /// An access token, which changes.
    Token(Arc<dyn AccessToken>),
}

/// An access token that somebody keeps current.
pub trait AccessToken: Send + Sync {
    /// The field's value.
    ///
    /// # Errors
    /// Why there is no token that is valid.
    fn authorization(&self, now: Timestamp) -> Result<Arc<str>, String>;
}

/// Tokens that a service is shown in exchange for its callers' own (RFC 8693).
pub trait CallerTokens: Send + Sync {
    /// The token in exchange for `subject`, which was verified.
    ///
    /// # Errors
    /// Why there is none.
    fn exchanged<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Exchanged, Unavailable>>;
}

impl ServiceCredential {
    /// What is shown now.
    ///
    /// # Errors
    /// Why there is nothing to show.
    pub(crate) fn shown(&self, now: Timestamp) -> Result<Arc<str>, String> {
        match &self.value {
            CredentialValue::Fixed(value) => Ok(value.clone()),
            CredentialValue::Token(token) => token.authorization(now),
        }
    }
}

impl fmt::Debug for ServiceCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceCredential").field("field", &self.field).finish_non_exhaustive()
    }
}
