//! The port through which an authorization service is asked.

use super::config::RequestFact;
use crate::keys::FetchFault;
use haechi_core::ports::BoxFuture;
use haechi_core::{Fields, Secret};
use std::borrow::Cow;

/// A question: a `GET` of the service's address, or a call of it.
pub struct ServiceQuestion {
    /// Where.
    pub url: String,
    /// What is told of the request: what can stand in a field.
    pub facts: Vec<(RequestFact, Vec<u8>)>,
    /// The header fields that are sent: lower-case names, and values that can stand in a field.
    pub fields: Vec<(Cow<'static, str>, Secret<Vec<u8>>)>,
    /// The most bytes that the answer's body may have.
    pub limit: usize,
}

/// What the service answered.
pub struct ServiceAnswer {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub fields: Fields,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks an authorization service: certificates are verified, no redirect is followed, what is too large is given up. Whoever asks bounds the time.
pub trait ServiceCalls: Send + Sync {
    /// Asks.
    fn ask(&self, question: ServiceQuestion) -> BoxFuture<'_, Result<ServiceAnswer, FetchFault>>;
}
