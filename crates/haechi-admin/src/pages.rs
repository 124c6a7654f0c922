//! Port: pages for people, beside the calls. They come by what they show through the calls, as everybody does.

use crate::context::Peer;
use crate::error::AdminError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, HeaderValue};
use axum::response::{IntoResponse, Response};
use haechi_core::ports::BoxFuture;
use std::sync::Arc;

/// Below which path pages are.
pub(crate) const PAGES: &str = "/console";

/// Port: what answers at `/console` and below.
pub trait Pages: Send + Sync {
    /// Whether there are any in the configuration in force.
    fn are_shown(&self) -> bool;

    /// Answers a request whose host the address takes.
    fn answer(&self, request: Request, at: Calls) -> BoxFuture<'_, Response>;
}

/// Answers a call.
pub(crate) type AnswerCall = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// The calls, for whoever a page is made for.
#[derive(Clone)]
pub struct Calls {
    answer: AnswerCall,
    /// Who asked for the page.
    pub peer: Peer,
    /// Whether the page goes over TLS.
    pub secure: bool,
}

impl Calls {
    pub(crate) fn new(answer: AnswerCall, peer: Peer, secure: bool) -> Self {
        Self { answer, peer, secure }
    }

    /// Reads what is at `target`, a path with its query, in the name of whoever `bearer` was given to. Whether they may is for the call to say.
    pub async fn read(&self, target: &str, bearer: HeaderValue) -> Response {
        let mut request = Request::new(Body::empty());
        let Ok(uri) = target.parse() else { return AdminError::NotFound.into_response() };
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        // The page's own host was taken; the call is made from here.
        request.headers_mut().insert(HOST, HeaderValue::from_static("127.0.0.1"));
        (self.answer)(request).await
    }
}

/// Whether `path` is a page's.
pub(crate) fn is_page(path: &str) -> bool {
    path.strip_prefix(PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
