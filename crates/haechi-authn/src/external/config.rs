//! What an `external` authenticator is set up with.

use haechi_core::AttributeType;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An `external` authenticator, as meant.
pub struct ExternalConfig {
    /// The name under `authenticators:`.
    pub name: Arc<str>,
    /// Where the service is asked.
    pub url: String,
    /// Whether what is sent has to be UTF-8, as it has to over gRPC.
    pub text_only: bool,
    /// Who vouches for its callers.
    pub issuer: Arc<str>,
    /// The header fields in which a credential may stand, by lower-case name.
    pub headers: Vec<Arc<str>>,
    /// The cookies in which a credential may stand.
    pub cookies: Vec<Arc<str>>,
    /// More header fields that are sent along, by lower-case name.
    pub also_send: Vec<Arc<str>>,
    /// What else the service is told of the request.
    pub tell: Vec<RequestFact>,
    /// What becomes of a request without a credential.
    pub without_credential: WithoutCredential,
    /// Where in an answer the caller stands.
    pub names: AnswerNames,
    /// How values are written.
    pub encoding: ValueEncoding,
    /// What the service says, and which role of ours that is. Where this is given, what is neither here nor declared is dropped.
    pub role_map: Option<BTreeMap<Box<str>, Box<str>>>,
    /// Which of its answers the client gets as they are.
    pub own_answers: OwnAnswers,
    /// An answer is gone by for so long.
    pub cache: Duration,
    /// What has not answered by then is not there.
    pub timeout: Duration,
}

/// The lower-case names of an answer's header fields in which the caller stands.
pub struct AnswerNames {
    /// Who it is.
    pub subject: Box<str>,
    /// Its roles, separated by commas.
    pub roles: Box<str>,
    /// Its scopes, separated by commas or spaces.
    pub scopes: Box<str>,
    /// Its attributes: the name of each, and the field.
    pub attributes: BTreeMap<Box<str>, (Box<str>, AttributeType)>,
}

/// What the service is told of a request, in the fields that forward auth has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFact {
    /// `X-Forwarded-Method`.
    Method,
    /// `X-Forwarded-Proto`.
    Scheme,
    /// `X-Forwarded-Host`.
    Host,
    /// `X-Forwarded-Uri`: the canonical path, and the query.
    Uri,
    /// `X-Forwarded-For`: the client, as far back as trusted proxies vouch for it.
    ClientAddress,
}

/// What becomes of a request without a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutCredential {
    /// It has none, and the service is not asked.
    Absent,
    /// The service is asked all the same.
    Ask,
}

/// How the values of an answer's fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueEncoding {
    /// As they are, in UTF-8.
    Plain,
    /// With percent-escapes, as this gate writes them to backends.
    Percent,
}

/// Which answers of the service the client gets as they are. None where no status is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAnswers {
    /// Of these statuses.
    pub statuses: Vec<u16>,
    /// With these fields.
    pub fields: Vec<PassedField>,
    /// Whether with the body.
    pub body: bool,
}

/// A field of an answer that may be passed to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedField {
    /// `Location`.
    Location,
    /// `Set-Cookie`.
    SetCookie,
    /// `WWW-Authenticate`.
    WwwAuthenticate,
}

impl PassedField {
    /// Its lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::SetCookie => "set-cookie",
            Self::WwwAuthenticate => "www-authenticate",
        }
    }
}

impl RequestFact {
    /// The name of its field.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Method => "x-forwarded-method",
            Self::Scheme => "x-forwarded-proto",
            Self::Host => "x-forwarded-host",
            Self::Uri => "x-forwarded-uri",
            Self::ClientAddress => "x-forwarded-for",
        }
    }
}
