//! How the gate asks over HTTP for itself: issuers for keys, endpoints how they are, decision points, collectors of traces.

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};

/// The `User-Agent` of requests.
const AGENT: &str = concat!("haechi/", env!("CARGO_PKG_VERSION"));

/// A client in the making. It follows no redirect and uses no proxy: only configured addresses are ever contacted. Certificates are verified,
/// against the system's authorities where nothing else is said.
pub(super) fn builder() -> ClientBuilder {
    Client::builder().redirect(Policy::none()).no_proxy().user_agent(AGENT)
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It has more bytes than were allowed.
    TooLong,
    /// It was cut short.
    Broken(reqwest::Error),
}

/// The body of an answer, of at most `limit` bytes.
pub(super) async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + piece.len() > limit {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The error and what caused it, which `reqwest` keeps to itself, such as a refused connection. Without the address, which may hold secrets.
pub(super) fn message(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
