//! Envoy's `envoy.service.auth.v3.Authorization/Check`: the question as a message, and the answer as one.
//!
//! Every answer is one of the call that succeeded, and says by itself whether the request may go on: where a call fails, an Envoy with `failure_mode_allow` lets the request
//! through.

use super::ext_authz::{CHECK_PATH, framed, unframed};
use super::messages::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpRequest, HttpResponse,
    HttpStatus, OkHttpResponse, RpcStatus,
};
use crate::lines::{HeadLimits, RequestLines, check_spelling};
use crate::respond;
use crate::response::{Response, ResponseBody};
use haechi_core::{FieldName, Fields, Host};
use http::Method;
use prost::Message;
use std::net::IpAddr;

/// Where Envoy asks.
pub(super) const PATH: &[u8] = CHECK_PATH.as_bytes();
/// The most bytes of a question.
pub(super) const MOST: usize = 1024 * 1024;

/// `PERMISSION_DENIED`.
const DENIED: i32 = 7;

/// The message of a call with one (gRPC over HTTP/2, "Length-Prefixed-Message").
///
/// # Errors
/// What it is not.
pub(super) fn message(body: &[u8]) -> Result<CheckRequest, &'static str> {
    CheckRequest::decode(unframed(body)?).map_err(|_| "the message is none of `CheckRequest`")
}

/// The request that is asked about.
///
/// # Errors
/// What Envoy does not say, or says in a way that could be read in two.
pub(super) fn described(asked: CheckRequest, limits: HeadLimits) -> Result<RequestLines, &'static str> {
    let attributes = asked.attributes.ok_or("the question has no attributes")?;
    let address = attributes.source.and_then(|source| source.address?.socket_address);
    let address: IpAddr = address
        .and_then(|address| address.address.parse().ok())
        .ok_or("the question does not say from which address the request came")?;
    let http =
        attributes.request.and_then(|request| request.http).ok_or("the question is about no request")?;
    let method = Method::from_bytes(http.method.as_bytes())
        .map_err(|_| "the method that the question names is none")?;
    let host = Host::parse(http.host.as_bytes()).map_err(|_| "the question names no valid host")?;
    let (authority, path, query) = crate::http1::head::split_target(&http.path)
        .map_err(|_| "the address that the question names cannot be routed")?;
    if authority.is_some() {
        return Err("the address that the question names is not a path");
    }
    let (path, query) = (path.as_bytes().into(), query.map(Into::into));
    let fields = fields(http, address, limits)?;
    Ok(RequestLines { method, host, path, query, fields })
}

fn fields(http: HttpRequest, address: IpAddr, limits: HeadLimits) -> Result<Fields, &'static str> {
    let raw = http.header_map.map(|map| map.headers).unwrap_or_default();
    let raw = raw.into_iter().map(|header| {
        let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        (header.key, value)
    });
    let joined = http.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
    let mut fields = Fields::with_capacity(24, 1024);
    let (mut bytes, mut count) = (0, 0);
    for (name, value) in raw.chain(joined) {
        // What begins so is the request's line.
        if name.starts_with(':') {
            continue;
        }
        (bytes, count) = (bytes + name.len() + value.len(), count + 1);
        if bytes > limits.bytes || count > limits.fields {
            return Err("the header fields that the question names are over the limit");
        }
        if http::HeaderName::from_bytes(name.as_bytes()).is_err()
            || http::HeaderValue::from_bytes(&value).is_err()
        {
            return Err("the question names a header field that is none");
        }
        let known = FieldName::of(name.to_ascii_lowercase().as_bytes());
        let of_hop = matches!(
            known,
            FieldName::Host | FieldName::ContentLength | FieldName::Expect | FieldName::XForwardedHost
        );
        if !of_hop && !known.is_hop_by_hop() {
            fields.push(name.as_bytes(), value.trim_ascii());
        }
    }
    check_spelling(&fields).map_err(|_| "a field is another spelling of one that frames a message")?;
    through(&mut fields, address);
    if !fields.has(FieldName::XForwardedProto) {
        fields.push(b"x-forwarded-proto", http.scheme.as_bytes());
    }
    Ok(fields)
}

/// Puts the address from which Envoy was asked to the end of `X-Forwarded-For`, where Envoy has not done so itself: whatever else stands there may be the client's.
fn through(fields: &mut Fields, address: IpAddr) {
    let address = address.to_canonical();
    let last = fields.all(FieldName::XForwardedFor).last();
    let last = last.and_then(|value| value.rsplit(|&byte| byte == b',').next()).map(<[u8]>::trim_ascii);
    let stands = last.and_then(|text| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok());
    if stands.map(|stands| stands.to_canonical()) != Some(address) {
        fields.push(b"x-forwarded-for", address.to_string().as_bytes());
    }
}

/// The answer that lets a request through, with these fields set in it and those removed.
pub(super) fn ok(response: Response, told: &Fields, removed: Vec<String>) -> Response {
    let ours = response.fields.iter().filter(|field| field.name == b"x-request-id");
    let set = told.iter().chain(ours).map(|field| HeaderValueOption::set(field.name, field.value));
    let headers = set.collect();
    let cookies = response.fields.iter().filter(|field| field.name == b"set-cookie");
    let response_headers_to_add =
        cookies.map(|field| HeaderValueOption::add(field.name, field.value)).collect();
    let ok = OkHttpResponse { headers, headers_to_remove: removed, response_headers_to_add };
    told_as(
        response,
        CheckResponse { status: Some(RpcStatus { code: 0 }), response: Some(HttpResponse::Ok(ok)) },
    )
}

/// The answer that lets nobody through: what the client is told, whatever its status.
pub(super) fn denied(response: Response) -> Response {
    let Response { status, fields, body, .. } = &response;
    let body = match body {
        ResponseBody::Full(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    // Envoy adds to what stands there only where something does; of one that is set twice it keeps both.
    let headers = fields.iter().map(|field| HeaderValueOption::set(field.name, field.value)).collect();
    let status = HttpStatus { code: i32::from(status.as_u16()) };
    let denied = DeniedHttpResponse { status: Some(status), headers, body };
    let denied = CheckResponse {
        status: Some(RpcStatus { code: DENIED }),
        response: Some(HttpResponse::Denied(denied)),
    };
    told_as(response, denied)
}

fn told_as(response: Response, told: CheckResponse) -> Response {
    let Response { record, close, .. } = response;
    let body = framed(&told.encode_to_vec());
    let mut fields = Fields::with_capacity(1, 32);
    fields.push(b"content-type", b"application/grpc");
    Response { status: respond::CALLED, fields, body: ResponseBody::Message(body), close, record }
}

#[cfg(test)]
mod tests;
