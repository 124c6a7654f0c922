//! The port through which a provider is asked for more than documents.

use crate::keys::FetchFault;
use haechi_core::Secret;
use haechi_core::ports::BoxFuture;

/// A call of a provider's endpoint.
#[derive(Clone, Debug)]
pub struct WebRequest {
    /// Where.
    pub url: String,
    /// A form to send with `POST`; a `GET` without one.
    pub form: Option<Secret<String>>,
    /// The value of `Authorization`.
    pub authorization: Option<Secret<String>>,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// The most bytes that the answer's body may have.
    pub limit: usize,
}

/// The media type of what providers usually answer.
pub const JSON: &str = "application/json";

/// What the provider answered.
#[derive(Clone, Debug)]
pub struct WebAnswer {
    /// The status code.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Calls providers over HTTP, with the promises of [`crate::keys::Fetch`]: certificates are verified, no redirect is followed, what takes too long or is
/// too large is given up.
pub trait WebCalls: Send + Sync {
    /// Makes a call.
    fn call(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, FetchFault>>;
}

impl WebAnswer {
    /// Whether the answer says that it is of this media type, which is in lower case.
    pub(crate) fn is_of_type(&self, media_type: &str) -> bool {
        let essence = self.content_type.as_deref().and_then(|text| text.split(';').next());
        essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
    }
}
