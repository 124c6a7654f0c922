//! A stream's head (RFC 9113 8.3): from pseudo-header fields to the lines that every protocol gives.
//!
//! `h2` has refused what is malformed by then, with a stream error: capitals in names, pseudo-header fields out of place or twice, `connection`
//! and its kin, `te` other than `trailers`, lengths that contradict each other or the data. Two things it hides, and we cannot refuse them: a
//! `#fragment` in `:path` is cut off (by `http`), and `:scheme` is checked for its syntax and then dropped where there is no `:authority`. What is left is
//! what is routed, decided, logged and forwarded, so nobody reads the request in another way behind us.

use crate::head_sink::HeadSink;
use crate::lines::{self, HeadFault, HeadLimits, RequestLines};
use bytes::Bytes;
use haechi_core::{FieldName, Fields, Host};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

/// A request's head, checked.
#[derive(Debug)]
pub(crate) struct Http2Head {
    pub(crate) lines: RequestLines,
    /// `Content-Length`, which `h2` compares with what arrives.
    pub(crate) length: Option<u64>,
    /// Whether the client waits for 100 (Continue).
    pub(crate) expects_continue: bool,
}

/// Reads the head of a request.
pub(crate) fn request(parts: Parts, limits: HeadLimits) -> Result<Http2Head, HeadFault> {
    let (path, query) = target(&parts.uri)?;
    let around = parts.method.as_str().len() + parts.uri.authority().map_or(0, |a| a.as_str().len());
    let left = limits.bytes.checked_sub(around + path.len() + query.map_or(0, str::len));
    let fields = fields(&parts.headers, left.ok_or(HeadFault::TooLarge)?, limits.fields)?;
    lines::check_spelling(&fields)?;
    // In the order of HTTP/1.1: of two faults both protocols tell the same.
    let host = sole_host(&fields, &parts.uri)?;
    Ok(Http2Head {
        length: lines::content_length(&fields)?,
        expects_continue: lines::expects_continue(&fields)?,
        lines: RequestLines {
            host,
            path: path.as_bytes().into(),
            query: query.map(Into::into),
            method: parts.method,
            fields,
        },
    })
}

/// `:path` in two; CONNECT has none and `OPTIONS *` has no path.
fn target(uri: &Uri) -> Result<(&str, Option<&str>), HeadFault> {
    let target = uri.path_and_query().ok_or(HeadFault::Target)?.as_str();
    if target.len() > haechi_core::path::MAX_TARGET {
        return Err(HeadFault::TargetTooLong);
    }
    let visible = target.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'#');
    if !target.starts_with('/') || !visible {
        return Err(HeadFault::Target);
    }
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(HeadFault::Target);
    }
    Ok(target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query))))
}

/// `:authority` or `Host`, or both when they say the same (RFC 9113 8.3.1).
fn sole_host(fields: &Fields, uri: &Uri) -> Result<Host, HeadFault> {
    let parse = |value: &[u8]| Host::parse(value).map_err(|_| HeadFault::Host);
    let field = fields.sole(FieldName::Host).map_err(|_| HeadFault::Host)?.map(parse).transpose()?;
    let authority = uri.authority().map(|authority| parse(authority.as_str().as_bytes())).transpose()?;
    let port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    match (authority, field) {
        (Some(authority), Some(field)) if !authority.is_same(&field, port) => Err(HeadFault::Host),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(HeadFault::Host),
    }
}

/// The fields, within the limits that HTTP/1.1 has: so many bytes as lines, so many lines, each crumb of a cookie being one.
fn fields(map: &HeaderMap, mut bytes: usize, count: usize) -> Result<Fields, HeadFault> {
    const AROUND: usize = ": \r\n".len();
    if map.len() > count {
        return Err(HeadFault::TooLarge);
    }
    let mut fields = Fields::with_capacity(map.len(), 512);
    for (name, value) in map {
        let (name, value) = (name.as_str(), value.as_bytes());
        bytes = bytes.checked_sub(name.len() + value.len() + AROUND).ok_or(HeadFault::TooLarge)?;
        // White space around a value has no meaning, and must not be there (RFC 9113 8.2.1).
        if value.trim_ascii().len() != value.len() {
            return Err(HeadFault::Malformed);
        }
        if name != "cookie" {
            fields.push(name.as_bytes(), value);
        }
    }
    if let Some(cookie) = whole_cookie(map) {
        fields.push(b"cookie", &cookie);
    }
    let connection = [FieldName::Connection, FieldName::TransferEncoding, FieldName::Upgrade];
    if connection.iter().any(|name| fields.has(*name)) { Err(HeadFault::Malformed) } else { Ok(fields) }
}

/// The crumbs of a cookie as the one field that everybody else knows (RFC 9113 8.2.3).
fn whole_cookie(map: &HeaderMap) -> Option<Vec<u8>> {
    let mut crumbs = map.get_all(http::header::COOKIE).iter();
    let mut whole = crumbs.next()?.as_bytes().to_vec();
    for crumb in crumbs {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(crumb.as_bytes());
    }
    Some(whole)
}

/// Fields as `h2` takes them. `None` when one of them cannot be said in HTTP/2.
pub(crate) fn header_map(fields: &Fields) -> Option<HeaderMap> {
    let mut map = HeaderMap::try_with_capacity(fields.len() + 1).ok()?;
    for field in fields.iter() {
        let name = HeaderName::from_bytes(field.name).ok()?;
        map.try_append(name, HeaderValue::from_bytes(field.value).ok()?).ok()?;
    }
    Some(map)
}

/// A head for a backend, as `h2` takes it.
pub(crate) struct RequestHead2 {
    secure: bool,
    method: Method,
    target: Vec<u8>,
    host: String,
    fields: HeaderMap,
    /// Whether something cannot be said in HTTP/2.
    unsayable: bool,
}

impl RequestHead2 {
    /// For a backend that is reached over TLS, or not.
    pub(crate) fn new(secure: bool) -> Self {
        let fields = HeaderMap::with_capacity(24);
        let (method, target, host) = (Method::GET, Vec::new(), String::new());
        Self { secure, method, target, host, fields, unsayable: false }
    }

    /// The head; `None` when something cannot be said in HTTP/2.
    pub(crate) fn finish(mut self) -> Option<Request<()>> {
        // Answers may end with trailer fields; gRPC asks that they be asked for.
        self.fields.insert(http::header::TE, HeaderValue::from_static("trailers"));
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.secure { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(Authority::from_maybe_shared(Bytes::from(self.host)).ok()?);
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(self.target)).ok()?);
        let mut request = Request::new(());
        *request.method_mut() = self.method;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        *request.headers_mut() = self.fields;
        (!self.unsayable).then_some(request)
    }
}

impl HeadSink for RequestHead2 {
    fn begin(&mut self, method: &Method, target: impl FnOnce(&mut Vec<u8>), host: &Host) {
        self.method = method.clone();
        self.host = host.to_string();
        target(&mut self.target);
    }

    fn named(&mut self, prefix: &[u8], name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let mut text = Vec::with_capacity(64);
        value(&mut text);
        let name = match prefix {
            [] => HeaderName::from_bytes(name),
            _ => HeaderName::from_bytes(&[prefix, name].concat()),
        };
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(Bytes::from(text))) else {
            self.unsayable = true;
            return;
        };
        self.unsayable |= self.fields.try_append(name, value).is_err();
    }

    /// Frames say where a body ends.
    fn chunked(&mut self) {}

    fn end(&mut self) {}
}
