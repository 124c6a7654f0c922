//! To whom an answer of ours goes, and in which form.

use crate::grpc;
use crate::language::Language;
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{FieldName, Fields, Timestamp};

/// What an answer of ours depends on besides the refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyContext {
    pub(crate) id: RequestId,
    pub(crate) received: Timestamp,
    pub(crate) decision: Option<DecisionId>,
    pub(crate) format: ErrorFormat,
}

/// The form in which the client can read an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    Problem,
    /// In gRPC or gRPC-Web, with this content type.
    Grpc(&'static str),
    /// A page, for people.
    Html(Language),
}

impl ErrorFormat {
    /// Reads it off the request.
    pub(crate) fn of(fields: &Fields) -> Self {
        if let Some(content_type) = grpc::content_type(fields) {
            Self::Grpc(content_type)
        } else if fields.all(FieldName::Accept).any(accepts_html) {
            Self::Html(Language::of(fields))
        } else {
            Self::Problem
        }
    }

    /// The same for an answer that another gateway gives: in gRPC every answer has the status 200, by which that gateway would let the request through.
    pub(crate) fn through_gateway(fields: &Fields) -> Self {
        match Self::of(fields) {
            Self::Grpc(_) => Self::Problem,
            other => other,
        }
    }
}

fn accepts_html(value: &[u8]) -> bool {
    let ranges = value.split(|&b| b == b',').map(|range| range.split(|&b| b == b';').next().unwrap_or(range));
    ranges.map(<[u8]>::trim_ascii).any(|range| range.eq_ignore_ascii_case(b"text/html"))
}
