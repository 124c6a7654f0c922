//! The result of asking one authenticator, or a chain of them.

use haechi_core::Caller;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The outcome of an attempt to establish who is calling. Not tried is never tried-and-failed, and neither is we-could-not-check.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// The request carries no credential for this authenticator.
    Absent,
    /// It carries one, and it does not hold.
    Rejected(Rejection),
    /// It carries one, and whether it holds could not be found out.
    Unavailable(Unavailable),
    /// It holds.
    Verified(Arc<Caller>),
}

/// Why a credential does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the client is told.
    pub fault: Fault,
    /// What the operator is told, without any part of the credential. Never leaves the gate.
    pub reason: Cow<'static, str>,
    /// Whether the credential was meant for this authenticator at all.
    pub matched: CredentialMatch,
    /// What a service that was asked wants the client to be told instead.
    pub own: Option<Arc<ServiceRefusal>>,
}

/// An answer of an authorization service that the client gets as it is. Whatever of it was not configured is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRefusal {
    /// The status code: none that lets anything through.
    pub status: u16,
    /// Header fields, by lower-case name.
    pub fields: Vec<(&'static str, Box<[u8]>)>,
    /// The body, where it is passed on.
    pub body: Option<ServiceBody>,
}

/// A body that an authorization service has chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceBody {
    /// What it says that it is.
    pub content_type: Box<[u8]>,
    /// The body.
    pub bytes: Vec<u8>,
}

/// How sure it is that a rejected credential was meant for the authenticator that rejects it, least sure first. Of several rejections, the
/// operator is told the surest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialMatch {
    /// It is for somebody else: a token of another issuer, a user who is not known here.
    Other,
    /// Nothing says for whom it is.
    #[default]
    Unknown,
    /// It names the issuer, or a user, of this authenticator.
    Named,
    /// The issuer's key has signed it.
    Signed,
    /// It was signed for an audience of ours.
    Addressed,
}

/// The kinds of rejection that a client can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The credential is presented in a way that could be read as two (RFC 6750 `invalid_request`): no other way in is tried.
    InvalidRequest,
    /// A token that is malformed, expired, revoked, or for somebody else (RFC 6750 `invalid_token`).
    InvalidToken,
    /// A token that holds, shown without a proof of possession that does (RFC 9449 `invalid_dpop_proof`).
    InvalidProof,
    /// A name and password, or a key, that are not right.
    InvalidCredentials,
    /// A credential that holds, of somebody who may not do this.
    Forbidden,
}

/// Why it could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What the operator is told. Never leaves the gate.
    pub reason: Cow<'static, str>,
    /// How long a client does well to wait before it tries again, where that is known.
    pub retry_after: Option<Duration>,
}

impl Unavailable {
    /// Nobody knows for how long.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }

    /// To be tried again after `wait`.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

impl Attempt {
    /// Its result in a word, as metrics and traces have it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Rejected(_) => "rejected",
            Self::Unavailable(_) => "unavailable",
            Self::Verified(_) => "verified",
        }
    }

    /// Why nobody was verified although a credential came, for the operator. Never leaves the gate.
    pub const fn reason(&self) -> Option<&Cow<'static, str>> {
        match self {
            Self::Rejected(Rejection { reason, .. }) | Self::Unavailable(Unavailable { reason, .. }) => {
                Some(reason)
            }
            Self::Absent | Self::Verified(_) => None,
        }
    }

    /// A token that does not hold.
    pub fn invalid_token(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::rejected(Fault::InvalidToken, reason.into())
    }

    /// A proof of possession that does not hold.
    pub fn invalid_proof(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::rejected(Fault::InvalidProof, reason.into())
    }

    /// A name and password, or a key, that are not right.
    pub fn invalid_credentials(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::rejected(Fault::InvalidCredentials, reason.into())
    }

    /// A credential presented ambiguously.
    pub fn invalid_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::rejected(Fault::InvalidRequest, reason.into())
    }

    const fn rejected(fault: Fault, reason: Cow<'static, str>) -> Self {
        Self::Rejected(Rejection { fault, reason, matched: CredentialMatch::Unknown, own: None })
    }

    /// The same rejection, of a credential of which so much is known.
    #[must_use]
    pub fn matched(mut self, matched: CredentialMatch) -> Self {
        if let Self::Rejected(rejection) = &mut self {
            rejection.matched = matched;
        }
        self
    }

    /// Could not find out.
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(Unavailable::new(reason))
    }
}
