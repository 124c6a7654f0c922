//! Message heads (RFC 9112 2 to 6): from bytes to fields, refusing what two parsers could read differently.

use super::body::Framing;
use crate::lines::{self, HeadFault, HeadLimits, MAX_FIELDS, RequestLines, ResponseLines};
use haechi_core::token::is_token;
use haechi_core::{FieldName, Fields, Host};
use http::{Method, StatusCode};
use std::mem::MaybeUninit;

/// A request head as it stood on the wire, checked: what it asks for, and how the message goes on.
#[derive(Debug)]
pub(crate) struct Http1Head {
    pub(crate) lines: RequestLines,
    pub(crate) framing: Framing,
    pub(crate) http10: bool,
    /// Whether the client wants to go on with this connection.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for `100 Continue`.
    pub(crate) expects_continue: bool,
}

/// An answer's head as it stood on the wire, checked.
#[derive(Debug)]
pub(crate) struct Http1Answer {
    pub(crate) lines: ResponseLines,
    pub(crate) framing: Framing,
    /// `Content-Length`, also where the answer has no body (to `HEAD`, 304).
    pub(crate) declared_length: Option<u64>,
    pub(crate) keep_alive: bool,
}

/// Looks for the end of a head that comes in pieces. What it has looked at it does not look at again, so that a head of many small pieces costs no
/// more than one that comes whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadScan {
    /// Bytes that were looked at.
    seen: usize,
    /// Where the line begins that they end in.
    line_start: usize,
}

impl HeadScan {
    /// Where the head ends in `bytes`, which begin with those of the call before: the length including the empty line; `None` while it is incomplete.
    ///
    /// # Errors
    /// A bare LF, as soon as it is seen; [`HeadFault::TargetTooLong`] or [`HeadFault::TooLarge`] over the limits.
    pub(crate) fn complete(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<usize>, HeadFault> {
        let seen = std::mem::replace(&mut self.seen, bytes.len());
        let new = bytes.get(seen..).unwrap_or_default();
        for newline in memchr::memchr_iter(b'\n', new).map(|at| seen + at) {
            let line = bytes.get(self.line_start..newline).unwrap_or_default();
            if line.last() != Some(&b'\r') {
                return Err(HeadFault::BareLf);
            }
            if line.len() == 1 {
                // An empty first line would be skipped by some parsers and be the end for others; see `complete_request`.
                return match self.line_start {
                    0 => Err(HeadFault::Malformed),
                    _ if newline + 1 > limits.bytes => Err(HeadFault::TooLarge),
                    _ => Ok(Some(newline + 1)),
                };
            }
            self.line_start = newline + 1;
        }
        if self.line_start == 0 && bytes.len() > haechi_core::path::MAX_TARGET + 64 {
            return Err(HeadFault::TargetTooLong);
        }
        if bytes.len() >= limits.bytes { Err(HeadFault::TooLarge) } else { Ok(None) }
    }

    /// The same for a request, before which one empty line may stand (RFC 9112 2.2): some clients end a body with a line end that belongs to nothing.
    ///
    /// # Errors
    /// As [`HeadScan::complete`].
    pub(crate) fn complete_request(
        &mut self,
        bytes: &[u8],
        limits: HeadLimits,
    ) -> Result<Option<usize>, HeadFault> {
        match bytes.strip_prefix(EMPTY_LINE) {
            Some(rest) => Ok(self.complete(rest, limits)?.map(|length| length + EMPTY_LINE.len())),
            // It may become an empty line.
            None if bytes == b"\r" => Ok(None),
            None => self.complete(bytes, limits),
        }
    }
}

/// [`HeadScan::complete`] for bytes that are all there is so far.
///
/// # Errors
/// As there.
#[cfg(test)]
pub(crate) fn complete(bytes: &[u8], limits: HeadLimits) -> Result<Option<usize>, HeadFault> {
    HeadScan::default().complete(bytes, limits)
}

/// [`HeadScan::complete_request`] for bytes that are all there is so far.
///
/// # Errors
/// As there.
pub(crate) fn complete_request(bytes: &[u8], limits: HeadLimits) -> Result<Option<usize>, HeadFault> {
    HeadScan::default().complete_request(bytes, limits)
}

/// An empty line.
pub(super) const EMPTY_LINE: &[u8] = b"\r\n";

/// Reads a request head that is all there is.
///
/// # Errors
/// What the codec would say of it, at once or when nothing more came.
pub(crate) fn request_of(bytes: &[u8], limits: HeadLimits) -> Result<Http1Head, HeadFault> {
    match complete_request(bytes, limits)? {
        Some(length) if length == bytes.len() => request(bytes, limits),
        _ => Err(HeadFault::Malformed),
    }
}

/// Reads a complete request head.
pub(crate) fn request(bytes: &[u8], limits: HeadLimits) -> Result<Http1Head, HeadFault> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let slots = slots.get_mut(..limits.fields.min(MAX_FIELDS)).unwrap_or_default();
    let mut parsed = httparse::Request::new(&mut []);
    let done = parsed.parse_with_uninit_headers(bytes, slots).map_err(|error| match error {
        httparse::Error::TooManyHeaders => HeadFault::TooManyFields,
        _ => HeadFault::Malformed,
    })?;
    let (httparse::Status::Complete(length), Some(method), Some(target), Some(version)) =
        (done, parsed.method, parsed.path, parsed.version)
    else {
        return Err(HeadFault::Malformed);
    };
    if length != bytes.len() {
        return Err(HeadFault::Malformed);
    }
    let http10 = version == 0;
    let fields = collect(parsed.headers, bytes.len());
    lines::check_spelling(&fields)?;
    let (authority, path, query) = split_target(target)?;
    let host = sole_host(&fields, authority, http10)?;
    let framing = request_framing(&fields, http10)?;
    Ok(Http1Head {
        framing,
        http10,
        keep_alive: !http10 && !lists(&fields, b"close"),
        expects_continue: lines::expects_continue(&fields)? && !http10,
        lines: RequestLines {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| HeadFault::Malformed)?,
            host,
            path: path.as_bytes().into(),
            query: query.map(Into::into),
            fields,
        },
    })
}

/// Reads a complete answer head. `to` is the method that it answers.
pub(crate) fn response(bytes: &[u8], to: &Method) -> Result<Http1Answer, HeadFault> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let done = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, bytes, &mut slots)
        .map_err(|_| HeadFault::Malformed)?;
    let (httparse::Status::Complete(length), Some(code), Some(version)) = (done, parsed.code, parsed.version)
    else {
        return Err(HeadFault::Malformed);
    };
    if length != bytes.len() || code < 100 {
        return Err(HeadFault::Malformed);
    }
    let status = StatusCode::from_u16(code).map_err(|_| HeadFault::Malformed)?;
    // With room for what we add to an answer, so that it is not moved for that.
    let fields = collect(parsed.headers, bytes.len() + 64);
    let declared_length = lines::content_length(&fields)?;
    if version == 0 && fields.has(FieldName::TransferEncoding) {
        // Whoever sent it does not know what it says (RFC 9112 6.1).
        return Err(HeadFault::Framing);
    }
    let framing = response_framing(&fields, declared_length, status, to)?;
    let persistent = if version == 0 { lists(&fields, b"keep-alive") } else { !lists(&fields, b"close") };
    Ok(Http1Answer {
        lines: ResponseLines { status, fields },
        declared_length,
        keep_alive: persistent && framing != Framing::UntilClose,
        framing,
    })
}

/// Whether `line` is one header or trailer field (RFC 9112 5), without a fold.
pub(crate) fn is_field_line(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let (name, value) = line.split_at(colon);
    is_token(name) && value.iter().all(|&b| b == b'\t' || (b >= 0x20 && b != 0x7f))
}

fn collect(headers: &[httparse::Header<'_>], room: usize) -> Fields {
    let mut fields = Fields::with_capacity(headers.len() + 1, room);
    for header in headers {
        fields.push(header.name.as_bytes(), header.value.trim_ascii());
    }
    fields
}

/// The authority of a target in absolute form, and the port that its scheme stands for.
pub(crate) type Authority<'a> = (&'a str, u16);

/// Splits a request target (RFC 9112 3.2) into authority, path and query. Origin form and absolute form only.
pub(crate) fn split_target(target: &str) -> Result<(Option<Authority<'_>>, &str, Option<&str>), HeadFault> {
    if target.len() > haechi_core::path::MAX_TARGET {
        return Err(HeadFault::TargetTooLong);
    }
    if !target.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'#') {
        return Err(HeadFault::Target);
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        let scheme_end = target.find("://").ok_or(HeadFault::Target)?;
        let (scheme, rest) = target.split_at(scheme_end);
        let port = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return Err(HeadFault::Target),
        };
        let rest = rest.trim_start_matches(':').strip_prefix("//").ok_or(HeadFault::Target)?;
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        (Some((authority, port)), rest)
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    // `http://host` and `http://host?q` have an empty path, which is `/` (RFC 9112 3.2.1).
    let path = if path.is_empty() && authority.is_some() { "/" } else { path };
    Ok((authority, path, query))
}

/// The one host. A target in absolute form says the same, with its scheme's port written out or not. HTTP/1.0 knows requests without a host.
fn sole_host(fields: &Fields, authority: Option<Authority<'_>>, http10: bool) -> Result<Host, HeadFault> {
    let parse = |value: &[u8]| Host::parse(value).map_err(|_| HeadFault::Host);
    let field = fields.sole(FieldName::Host).map_err(|_| HeadFault::Host)?.map(parse).transpose()?;
    let named = authority.map(|(name, _)| parse(name.as_bytes())).transpose()?;
    let port = authority.map_or(80, |(_, port)| port);
    match (field, named) {
        (Some(field), Some(named)) if !field.is_same(&named, port) => Err(HeadFault::Host),
        (Some(field), _) => Ok(field),
        (None, Some(named)) if http10 => Ok(named),
        (None, None) if http10 => Ok(Host::unnamed()),
        (None, _) => Err(HeadFault::Host),
    }
}

fn request_framing(fields: &Fields, http10: bool) -> Result<Framing, HeadFault> {
    let coding = fields.sole(FieldName::TransferEncoding).map_err(|_| HeadFault::Framing)?;
    let length = lines::content_length(fields)?;
    match (coding, length) {
        (None, None) => Ok(Framing::None),
        (None, Some(length)) => Ok(Framing::Length(length)),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && !http10 => Ok(Framing::Chunked),
        _ => Err(HeadFault::Framing),
    }
}

fn response_framing(
    fields: &Fields,
    length: Option<u64>,
    status: StatusCode,
    to: &Method,
) -> Result<Framing, HeadFault> {
    let coding = fields.sole(FieldName::TransferEncoding).map_err(|_| HeadFault::Framing)?;
    let framing = match (coding, length) {
        (None, None) => Framing::UntilClose,
        (None, Some(length)) => Framing::Length(length),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
        _ => return Err(HeadFault::Framing),
    };
    let bodiless = *to == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(if bodiless { Framing::None } else { framing })
}

/// Whether `Connection` lists `option`.
fn lists(fields: &Fields, option: &[u8]) -> bool {
    fields
        .all(FieldName::Connection)
        .flat_map(|value| value.split(|&b| b == b','))
        .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option))
}
