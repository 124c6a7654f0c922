//! The head of a response on an HTTP/1.1 connection, and how its body is framed (RFC 9112 6).

use crate::ascii::push_number;
use crate::interim::InterimAnswer;
use crate::response::ResponseBody;
use haechi_core::Fields;
use http::StatusCode;

/// What the answer's framing depends on.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) http10: bool,
    pub(super) head_only: bool,
    /// Whether the client takes trailer fields.
    pub(super) trailers: bool,
    pub(super) keep: bool,
}

/// How the body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// The answer has no body, whatever its fields say.
    None,
    /// As it is; the length was told.
    Plain,
    Chunked,
    /// As it is; the close ends it. Only for HTTP/1.0 clients.
    UntilClose,
}

/// Writes an interim answer (RFC 9110 15.2).
pub(super) fn encode_interim(out: &mut Vec<u8>, answer: &InterimAnswer) {
    encode_lines(out, answer.status, &answer.fields);
    out.extend_from_slice(b"\r\n");
}

/// Writes the status line and the fields.
pub(super) fn encode_lines(out: &mut Vec<u8>, status: StatusCode, fields: &Fields) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    encode_fields(out, fields);
}

/// Writes fields, a line each.
pub(super) fn encode_fields(out: &mut Vec<u8>, fields: &Fields) {
    for field in fields.iter() {
        out.extend_from_slice(field.name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes the head of an answer. Returns how its body is written.
pub(super) fn encode_head(
    out: &mut Vec<u8>,
    status: StatusCode,
    fields: &Fields,
    body: &ResponseBody,
    shape: Shape,
) -> Coding {
    encode_lines(out, status, fields);
    if status == StatusCode::UPGRADE_REQUIRED
        && fields.iter().any(|field| field.name == b"sec-websocket-version")
    {
        // A 426 says to what (RFC 9110 15.5.22).
        out.extend_from_slice(b"upgrade: websocket\r\nconnection: upgrade\r\n");
    }
    let bodiless = shape.head_only || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let coding = match body.length() {
        Some(length) => {
            if status != StatusCode::NO_CONTENT {
                out.extend_from_slice(b"content-length: ");
                push_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
            Coding::Plain
        }
        None if bodiless => Coding::None,
        None if shape.http10 => Coding::UntilClose,
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Coding::Chunked
        }
    };
    if !shape.keep {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if bodiless { Coding::None } else { coding }
}
