//! The port through which key sets and discovery documents are fetched.

use haechi_core::ports::BoxFuture;

/// Fetches a document over HTTP. An implementation
/// - sends a `GET` without credentials, and gives up within a few seconds;
/// - verifies TLS certificates;
/// - follows no redirect: it reports the 3xx status, which is then an error, so that only configured origins are ever contacted;
/// - stops reading, with [`FetchFault::TooLarge`], as soon as a body exceeds the limit.
pub trait Fetch: Send + Sync {
    /// Fetches `url`, whose body may have at most `limit` bytes.
    fn get<'a>(&'a self, url: &'a str, limit: usize) -> BoxFuture<'a, Result<Fetched, FetchFault>>;
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The status code.
    pub status: u16,
    /// The `Cache-Control` fields, joined by commas.
    pub cache_control: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// No answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// The body is longer than the limit.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// Not reached, cut short, or too late. Carries no credential: none is sent.
    #[error("{0}")]
    Unreachable(String),
}
