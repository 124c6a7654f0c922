//! The one place in the control plane where statuses are chosen (docs/answers.md). Errors are `application/problem+json` (RFC 9457).

use crate::context::{NotAdmitted, Refused};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// How a caller is invited to show a token (RFC 6750 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"haechi-admin\"");
const BAD_TOKEN: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"haechi-admin\", error=\"invalid_token\"");
/// In seconds; what could not be found out now may be known then.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why a call was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("nothing is served at this address")]
    NotFound,
    #[error("the call must name this address in `Host`")]
    Host,
    #[error("the call needs a bearer token with the role `haechi-admin`, or, to read, `haechi-auditor`")]
    NoCredential,
    #[error("the token is not valid")]
    BadCredential,
    #[error("the call has more than one `Authorization`")]
    AmbiguousCredential,
    #[error("the call needs the role `haechi-admin`, or, to read, `haechi-auditor`")]
    Forbidden,
    #[error(
        "the call needs a token with the role `haechi-admin`, and no `identity` is configured that could give one"
    )]
    NoIdentity,
    #[error("cannot verify the token now; try again")]
    CannotTell,
    #[error("no decision of this id is remembered: only the newest are, and only since the process started")]
    NoDecision,
    #[error("not every worker answered in time")]
    WorkersSilent,
    #[error("the query cannot be read: {0}")]
    BadQuery(String),
    #[error("a configuration has at most 8 MiB")]
    TooLarge,
    #[error("the configuration is not UTF-8")]
    NotText,
    #[error("the configuration is invalid; nothing has changed")]
    Refused(Refused),
}

impl AdminError {
    /// Why a caller was not admitted; `absent` where they showed nothing.
    pub(crate) const fn of(refused: NotAdmitted, absent: bool) -> Self {
        match refused {
            NotAdmitted::NoIdentity => Self::NoIdentity,
            NotAdmitted::Invalid if absent => Self::NoCredential,
            NotAdmitted::Invalid => Self::BadCredential,
            NotAdmitted::Forbidden => Self::Forbidden,
            NotAdmitted::Unavailable => Self::CannotTell,
        }
    }

    const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            Self::Host => (StatusCode::FORBIDDEN, "host"),
            Self::NoCredential => (StatusCode::UNAUTHORIZED, "no-credential"),
            Self::BadCredential => (StatusCode::UNAUTHORIZED, "bad-credential"),
            Self::AmbiguousCredential => (StatusCode::BAD_REQUEST, "ambiguous-credential"),
            Self::Forbidden | Self::NoIdentity => (StatusCode::FORBIDDEN, "forbidden"),
            Self::CannotTell | Self::WorkersSilent => (StatusCode::SERVICE_UNAVAILABLE, "cannot-tell"),
            Self::NoDecision => (StatusCode::NOT_FOUND, "no-decision"),
            Self::BadQuery(_) => (StatusCode::BAD_REQUEST, "bad-query"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            Self::NotText => (StatusCode::BAD_REQUEST, "not-text"),
            Self::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "configuration"),
        }
    }
}

/// The status of `/readyz`.
pub(crate) const fn readiness(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, name) = self.status();
        let mut problem = json!({
            "type": format!("urn:haechi:problem:{name}"),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        if let (Self::Refused(Refused { faults, report }), Value::Object(members)) = (&self, &mut problem) {
            members.insert("faults".to_owned(), faults.clone());
            members.insert("report".to_owned(), report.clone().into());
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, problem.to_string()).into_response();
        let more = match self {
            Self::NoCredential => Some((header::WWW_AUTHENTICATE, CHALLENGE)),
            Self::BadCredential => Some((header::WWW_AUTHENTICATE, BAD_TOKEN)),
            Self::CannotTell | Self::WorkersSilent => Some((header::RETRY_AFTER, RETRY_AFTER)),
            _ => None,
        };
        response.headers_mut().extend(more.map(|(name, value)| (Some(name), value)));
        response
    }
}
