//! Who asks, and what the request is that is asked about.

use super::authzen::call::Call;
use super::check;
use crate::client_address::origin;
use crate::http1::head::split_target;
use crate::lines::RequestLines;
use haechi_core::{FieldName, Fields, Host};
use http::Method;
use ipnet::IpNet;
use std::net::IpAddr;

/// Which gateway asks, known by the address that it asks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// nginx, and its ingress controller.
    AuthRequest,
    /// Traefik, Caddy, HAProxy.
    ForwardAuth,
    /// Envoy over HTTP.
    ExtAuthz,
    /// Envoy over gRPC, which says it in a message.
    Check,
    /// Whoever speaks AuthZEN 1.0.
    Authzen(Call),
}

const AUTH_REQUEST: &[u8] = b"/auth_request";
const FORWARD_AUTH: &[u8] = b"/forward_auth";
const EXT_AUTHZ: &[u8] = b"/ext_authz";

/// What gateways say of the request in fields of their own; no field of the request itself.
const SAID: [&[u8]; 5] =
    [b"x-forwarded-method", b"x-forwarded-uri", b"x-original-uri", b"x-original-url", b"x-original-method"];

impl Asker {
    /// Who asks at this path.
    pub(crate) fn of(path: &[u8]) -> Option<Self> {
        match path {
            AUTH_REQUEST => Some(Self::AuthRequest),
            FORWARD_AUTH => Some(Self::ForwardAuth),
            check::PATH => Some(Self::Check),
            _ => {
                let envoy = path.strip_prefix(EXT_AUTHZ).filter(|rest| rest.starts_with(b"/"));
                envoy.map(|_| Self::ExtAuthz).or_else(|| Call::of(path).map(Self::Authzen))
            }
        }
    }

    /// The request that is asked about, as a codec would have read it.
    ///
    /// # Errors
    /// What the gateway does not say, or says in a way that could be read in two. Nothing is supposed in its place: a method, a host or an address that is made up
    /// would be decided about.
    pub(super) fn described(
        self,
        lines: &RequestLines,
        peer: IpAddr,
        trusted: &[IpNet],
    ) -> Result<RequestLines, &'static str> {
        let said = match self {
            Self::AuthRequest => auth_request(lines)?,
            Self::ForwardAuth => forward_auth(lines, peer, trusted)?,
            Self::ExtAuthz => ext_authz(lines)?,
            Self::Check | Self::Authzen(_) => return Err("the question is a message"),
        };
        if !lines.fields.has(FieldName::XForwardedFor) {
            return Err("the question has no `X-Forwarded-For`, so nobody knows the client's address");
        }
        let Said { method, host, path, query, secure } = said;
        let mut fields = lines.fields.clone();
        fields.retain(|field| !belongs_to_question(self, field.known, field.name));
        if let Some(secure) = secure {
            fields.retain(|field| field.known != FieldName::XForwardedProto);
            fields.push(b"x-forwarded-proto", if secure { b"https" } else { b"http" });
        } else if !fields.has(FieldName::XForwardedProto) {
            return Err("the question has no `X-Forwarded-Proto`");
        }
        Ok(RequestLines { method, host, path, query, fields })
    }
}

/// What a gateway says of a request.
struct Said {
    method: Method,
    host: Host,
    path: Box<[u8]>,
    query: Option<Box<str>>,
    /// Whether it came over TLS, where that is not said in `X-Forwarded-Proto`.
    secure: Option<bool>,
}

/// Whether a field is part of the exchange between the two gateways, and not of the request.
fn belongs_to_question(asker: Asker, known: FieldName, name: &[u8]) -> bool {
    match known {
        FieldName::Host | FieldName::ContentLength | FieldName::Expect => true,
        // nginx and Envoy let a client's own through; the host is said in `Host`.
        FieldName::XForwardedHost => asker != Asker::ForwardAuth,
        known if known.is_hop_by_hop() => true,
        _ => SAID.contains(&name),
    }
}

/// `X-Original-Method` and `X-Original-URI` with `Host`; of the ingress controller `X-Original-URL`, which says all.
fn auth_request(lines: &RequestLines) -> Result<Said, &'static str> {
    let method = method(&lines.fields, b"x-original-method", "the question has not one `X-Original-Method`")?;
    let one = |name: &[u8]| {
        lines.fields.sole_named(name).map_err(|_| "the question says twice which address was asked for")
    };
    let (authority, rest) = match (one(b"x-original-uri")?, one(b"x-original-url")?) {
        (Some(uri), None) => (None, uri),
        (None, Some(url)) => (Some(()), url),
        (Some(_), Some(_)) => {
            return Err(
                "the question has both `X-Original-URI` and `X-Original-URL`: one of them may be the client's",
            );
        }
        (None, None) => return Err("the question has no `X-Original-URI`"),
    };
    let (named, path, query) = target(rest)?;
    match (authority, named) {
        (None, None) => Ok(Said { method, host: lines.host.clone(), path, query, secure: None }),
        (Some(()), Some((host, secure))) => Ok(Said { method, host, path, query, secure: Some(secure) }),
        (None, Some(_)) => Err("`X-Original-URI` is not a path"),
        (Some(()), None) => Err("`X-Original-URL` names no host"),
    }
}

/// `X-Forwarded-Method`, `-Uri` and `-Host`.
fn forward_auth(lines: &RequestLines, peer: IpAddr, trusted: &[IpNet]) -> Result<Said, &'static str> {
    let method =
        method(&lines.fields, b"x-forwarded-method", "the question has not one `X-Forwarded-Method`")?;
    let uri = lines.fields.sole_named(b"x-forwarded-uri");
    let uri = uri.ok().flatten().ok_or("the question has not one `X-Forwarded-Uri`")?;
    let (None, path, query) = target(uri)? else { return Err("`X-Forwarded-Uri` is not a path") };
    let host = origin(&lines.fields, peer, false, trusted).host;
    let host = host.ok_or("the question has no valid `X-Forwarded-Host`")?;
    Ok(Said { method, host, path, query, secure: None })
}

/// Envoy asks with the request's own line, behind a prefix.
fn ext_authz(lines: &RequestLines) -> Result<Said, &'static str> {
    let path = lines.path.strip_prefix(EXT_AUTHZ).ok_or("the question names no path")?;
    let (method, host) = (lines.method.clone(), lines.host.clone());
    Ok(Said { method, host, path: path.into(), query: lines.query.clone(), secure: None })
}

fn method(fields: &Fields, name: &[u8], missing: &'static str) -> Result<Method, &'static str> {
    let said = fields.sole_named(name).ok().flatten().ok_or(missing)?;
    Method::from_bytes(said).map_err(|_| "the method that the question names is none")
}

type Target = (Option<(Host, bool)>, Box<[u8]>, Option<Box<str>>);

/// Divides what a gateway says was asked for, as the codec does.
fn target(said: &[u8]) -> Result<Target, &'static str> {
    let text = std::str::from_utf8(said).map_err(|_| "the address that the question names is not ASCII")?;
    let (authority, path, query) =
        split_target(text).map_err(|_| "the address that the question names cannot be routed")?;
    let named = authority.map(|(name, port)| {
        let host = Host::parse(name.as_bytes())
            .map_err(|_| "the address that the question names has no valid host")?;
        Ok::<_, &'static str>((host, port == 443))
    });
    Ok((named.transpose()?, path.as_bytes().into(), query.map(Into::into)))
}
