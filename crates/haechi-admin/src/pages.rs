//! Port: pages for people, beside the calls. They come by what they show through the calls, as everybody does.

use crate::context::Peer;
use crate::front::Front;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, HeaderValue};
use axum::response::Response;
use haechi_core::ports::BoxFuture;

/// Below which path pages are.
pub(crate) const PAGES: &str = "/console";

/// Port: what answers at `/console` and below.
pub trait Pages: Send + Sync {
    /// Whether there are any in the configuration in force.
    fn are_shown(&self) -> bool;

    /// Answers a request whose host the address takes.
    fn answer(&self, request: Request, at: Calls) -> BoxFuture<'_, Response>;
}

/// The calls, for whoever a page is made for.
#[derive(Clone)]
pub struct Calls {
    front: Front,
    /// Who asked for the page.
    pub peer: Peer,
    /// Whether the page goes over TLS.
    pub secure: bool,
}

impl Calls {
    pub(crate) fn new(front: Front, peer: Peer) -> Self {
        let secure = front.is_secure();
        Self { front, peer, secure }
    }

    /// Reads what is at `target`, a path with its query, in the name of whoever `bearer` was given to. Whether they may is for the call to say.
    pub async fn read(&self, target: &str, bearer: HeaderValue) -> Response {
        let mut request = Request::new(Body::empty());
        let Ok(uri) = target.parse() else { return self.front.no_such_call() };
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        // The page's own host was taken; the call is made from here.
        request.headers_mut().insert(HOST, HeaderValue::from_static("127.0.0.1"));
        self.front.clone().answer_call(request, self.peer).await
    }
}

/// Whether `path` is a page's.
pub(crate) fn is_page(path: &str) -> bool {
    path.strip_prefix(PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
