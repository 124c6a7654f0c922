//! What is sent, and under which status.

use crate::style::STYLE;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use maud::Markup;

/// Nothing runs, nothing comes from elsewhere, nothing is framed.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    Page,
    Refused,
    Missing,
    TooMany,
    Unavailable,
}

impl As {
    const fn status(self) -> StatusCode {
        match self {
            Self::Page => StatusCode::OK,
            Self::Refused => StatusCode::FORBIDDEN,
            Self::Missing => StatusCode::NOT_FOUND,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A page.
pub(crate) fn page(kind: As, page: Markup) -> Response {
    answer(kind.status(), "text/html; charset=utf-8", "no-store", page.into_string().into())
}

/// The style. Its name changes with it, so it is kept.
pub(crate) fn style() -> Response {
    let kept = "public, max-age=31536000, immutable";
    answer(StatusCode::OK, "text/css; charset=utf-8", kept, STYLE.into())
}

/// Another page follows, and the browser is told this cookie.
pub(crate) fn on_to(place: &str, cookie: &str) -> Response {
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain", "no-store", Body::empty());
    put(&mut response, LOCATION, place);
    put(&mut response, SET_COOKIE, cookie);
    response
}

/// The method is none that the page takes.
pub(crate) fn wrong_method(method: &Method) -> Response {
    let text = format!("the method {method} is not taken here\n");
    answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "no-store", text.into())
}

fn answer(status: StatusCode, kind: &'static str, kept: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, kept),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Without a referrer browsers would say `Origin: null` for forms of our own.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}
