//! An `external` authenticator as it is written.

use crate::config::choice::choice;
use crate::config::read::{Defs, Named, Reader, Value};
use crate::config::record::record;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::{
    AskedAddress, AttributeName, BoundedDuration, ContextHeader, FilePath, ForeignName, HeaderName, RoleName,
};
use crate::config::yaml::Node;
use haechi_core::FieldName;
use haechi_core::token::is_token;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer is gone by: at most an hour.
type CacheTime = BoundedDuration<0, 3_600_000>;
/// How long an answer may take: from 50 ms to 10 s.
type AnswerTime = BoundedDuration<50, 10_000>;

const CACHE: CacheTime = BoundedDuration(Duration::ZERO);
const TIMEOUT: AnswerTime = BoundedDuration(Duration::from_secs(1));

record! {
    "an `external` authenticator"
    tag "type" = "external"
    /// An authorization service that is asked about each request (forward auth): 2xx lets it through.
    struct External {
        /// Where the service is asked: with `GET` at `https://`, or by Envoy's `ext_authz` v3 at `grpcs://host:port` (`grpc://` without TLS).
        required url as "url": At<AskedAddress>,
        /// The headers in which a credential may stand. It is sent to the service as it is, and no further. `[authorization]` where this is left out.
        optional headers as "headers": At<Vec<At<CredentialField>>>,
        /// The cookies in which a credential may stand. No other cookie is sent.
        optional cookies as "cookies": At<Vec<At<CookieName>>>,
        /// More headers that are sent along as the client sent them.
        optional also_send as "also_send": At<Vec<At<SentHeader>>>,
        /// What else the service is told of the request, in `X-Forwarded-*`. All of it where this is left out.
        optional tell as "tell": At<Vec<At<Fact>>>,
        /// What becomes of a request without a credential.
        default without_credential as "without_credential": Without = Without::Absent,
        /// The header of an answer that says who it is.
        default subject as "subject": HeaderName = HeaderName("x-auth-subject".into()),
        /// The header of an answer with the roles, separated by commas.
        default roles as "roles": HeaderName = HeaderName("x-auth-roles".into()),
        /// The header of an answer with the scopes, separated by commas or spaces.
        default scopes as "scopes": HeaderName = HeaderName("x-auth-scopes".into()),
        /// Declared caller attributes, and the headers of an answer that fill them.
        optional attributes as "attributes": At<Named<AttributeName, At<HeaderName>>>,
        /// How the values of these headers are written.
        default encoding as "encoding": Encoding = Encoding::Plain,
        /// Who vouches for its callers. The service's address where this is left out.
        optional issuer as "issuer": At<String>,
        /// What the service says in roles, and which role of ours that is. What is neither here nor declared is dropped.
        optional role_map as "role_map": At<Named<ForeignName, At<RoleName>>>,
        /// Which answers that let nobody through the client gets as they are. None where this is left out: 401 and 403 become ours.
        optional own_answers as "own_answers": At<OwnAnswers>,
        /// How long an answer is gone by, for requests of which the same would be asked. Each is asked about where this is `0s`.
        default cache as "cache": CacheTime = CACHE,
        /// What has not answered by then is not there.
        default timeout as "timeout": AnswerTime = TIMEOUT,
        /// How an `https://` address is spoken to. The certificate is verified, always.
        optional tls as "tls": At<ServiceTls>,
        /// Sends credentials over plain `http` to another machine.
        default allow_http as "allow_http": bool = false,
    }
}

record! {
    "`own_answers` of an `external` authenticator"
    /// Which answers of an authorization service the client gets as they are.
    struct OwnAnswers {
        /// Answers with these statuses.
        required statuses as "statuses": At<Vec<At<OwnStatus>>>,
        /// With these of their headers, and no others.
        default headers as "headers": Vec<OwnHeader> = Vec::new(),
        /// Whether with their body, of at most 64 KiB.
        default body as "body": bool = false,
    }
}

record! {
    "`tls` of an `external` authenticator"
    /// How an authorization service with `https://` is spoken to.
    struct ServiceTls {
        /// A PEM file with the authorities to believe, instead of the system's.
        required ca as "ca": At<FilePath>,
    }
}

choice! {
    "something that a service is told"
    /// What a service is told of a request.
    pub(crate) enum Fact {
        /// `X-Forwarded-Method`.
        Method = "method",
        /// `X-Forwarded-Proto`.
        Scheme = "scheme",
        /// `X-Forwarded-Host`.
        Host = "host",
        /// `X-Forwarded-Uri`: the canonical path and the query.
        Uri = "uri",
        /// `X-Forwarded-For`.
        ClientIp = "client_ip",
    }
}

choice! {
    "what becomes of a request without a credential"
    /// What becomes of a request without a credential.
    pub(crate) enum Without {
        /// It has none, and the service is not asked.
        Absent = "absent",
        /// The service is asked all the same.
        Ask = "ask",
    }
}

choice! {
    "how values are written"
    /// How the values of an answer's headers are written.
    pub(crate) enum Encoding {
        /// As they are, in UTF-8.
        Plain = "plain",
        /// With percent-escapes, as this gate tells backends.
        Percent = "percent",
    }
}

/// A status that a service may answer the client with: none that lets anybody through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnStatus(pub(crate) u16);

impl OwnStatus {
    const ALL: [u16; 6] = [302, 303, 307, 401, 403, 429];
}

impl Value for OwnStatus {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let what = "a status that lets nobody through";
        let text = reader.scalar(what, node)?;
        let known = text.parse().ok().filter(|status| Self::ALL.contains(status));
        if known.is_none() {
            let fault = Fault::new(node.span, format!("`{text}` is not {what}"));
            return reader.fault(fault.help("write 302, 303, 307, 401, 403 or 429"));
        }
        known.map(Self)
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "enum": Self::ALL })
    }
}

choice! {
    "a header that a service may answer the client with"
    /// A header that a service may answer the client with.
    pub(crate) enum OwnHeader {
        /// Where a browser is sent.
        Location = "location",
        /// A cookie, of a login under way for instance.
        SetCookie = "set-cookie",
        /// What invites to log in.
        WwwAuthenticate = "www-authenticate",
    }
}

/// The lower-case name of a header in which a credential may stand: `authorization`, or one that means nothing to the gate.
#[derive(Clone, Debug)]
pub(crate) struct CredentialField(pub(crate) Arc<str>);

impl Value for CredentialField {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a header that can carry a credential", node, |text| {
            let name = text.to_ascii_lowercase();
            match FieldName::of(name.as_bytes()) {
                _ if !is_token(name.as_bytes()) => {
                    Err("a header's name is letters, digits and `-`, such as `X-Api-Key`".into())
                }
                FieldName::Authorization | FieldName::Other => Ok(Self(name.into())),
                FieldName::Cookie => Err("name the cookies under `cookies`".into()),
                _ => {
                    Err("this header has a meaning of its own, or backends believe it; choose another".into())
                }
            }
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        HeaderName::schema(defs)
    }
}

/// The lower-case name of a header that may be sent along: one that passes the gate as it came.
#[derive(Clone, Debug)]
pub(crate) struct SentHeader(pub(crate) Box<str>);

impl Value for SentHeader {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a header that can be sent along", node, |text| {
            if text.eq_ignore_ascii_case("host") {
                return Err("the service is told the host by `tell: [host]`".into());
            }
            ContextHeader::parse(text).map(|ContextHeader(name)| Self(name))
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        HeaderName::schema(defs)
    }
}

/// The name of a cookie, which is compared byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct CookieName(pub(crate) Arc<str>);

impl Value for CookieName {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a cookie's name", node, |text| {
            if is_token(text.as_bytes()) {
                Ok(Self(text.into()))
            } else {
                Err("a cookie's name is a token, such as `session`".into())
            }
        })
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$|\$\{" })
    }
}
