//! The one place in the control plane where error statuses are chosen. Errors are `application/problem+json` (RFC 9457).

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a call was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("nothing is served at this address")]
    NotFound,
    #[error("the metrics cannot be written")]
    Metrics,
    #[error("the call must name this address in `Host`")]
    Host,
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, name) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Self::Metrics => (StatusCode::INTERNAL_SERVER_ERROR, "metrics"),
            Self::Host => (StatusCode::FORBIDDEN, "host"),
        };
        let problem = json!({
            "type": format!("urn:haechi:problem:{name}"),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
    }
}
