//! Port: pages for people, beside the calls. They come by what they show through the calls, as everybody does.

use crate::context::Peer;
use crate::error::AdminError;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
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

/// Tells whether whoever a bearer token was given to may change anything.
pub(crate) type MayChange = Arc<dyn Fn(HeaderValue) -> BoxFuture<'static, bool> + Send + Sync>;

/// A call that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its method.
    pub method: Method,
    /// Its path with its query.
    pub target: String,
    /// The media type of the content; empty where there is none.
    pub kind: &'static str,
    /// The content.
    pub content: Vec<u8>,
    /// What was seen of what is to be changed; nothing where that does not matter.
    pub seen: Option<Seen>,
}

/// What somebody takes to be there (RFC 9110 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// This revision.
    Revision(u64),
    /// Nothing.
    Nothing,
}

impl Seen {
    fn field(self) -> Option<(HeaderName, HeaderValue)> {
        Some(match self {
            Self::Revision(revision) => (IF_MATCH, HeaderValue::try_from(format!("\"{revision}\"")).ok()?),
            Self::Nothing => (IF_NONE_MATCH, HeaderValue::from_static("*")),
        })
    }
}

/// The calls, for whoever a page is made for.
#[derive(Clone)]
pub struct Calls {
    answer: AnswerCall,
    may_change: MayChange,
    /// Who asked for the page.
    pub peer: Peer,
    /// Whether the page goes over TLS.
    pub secure: bool,
}

impl Calls {
    pub(crate) fn new(answer: AnswerCall, may_change: MayChange, peer: Peer, secure: bool) -> Self {
        Self { answer, may_change, peer, secure }
    }

    /// Reads what is at `target`, a path with its query, in the name of whoever `bearer` was given to. Whether they may is for the call to say.
    pub async fn read(&self, target: &str, bearer: HeaderValue) -> Response {
        self.call(target, Request::new(Body::empty()), bearer).await
    }

    /// Changes something in the name of whoever `bearer` was given to. Whether they may is for the call to say.
    pub async fn change(&self, change: Change, bearer: HeaderValue) -> Response {
        let mut request = Request::new(Body::from(change.content));
        *request.method_mut() = change.method;
        if !change.kind.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(change.kind));
        }
        request.headers_mut().extend(change.seen.and_then(Seen::field));
        self.call(&change.target, request, bearer).await
    }

    /// Whether there is any change that whoever `bearer` was given to may make. Each call asks for itself; this is for pages that hide what nobody could press.
    pub async fn may_change(&self, bearer: HeaderValue) -> bool {
        (self.may_change)(bearer).await
    }

    async fn call(&self, target: &str, mut request: Request, bearer: HeaderValue) -> Response {
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
