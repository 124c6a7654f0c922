//! Why an OAuth 2 request is refused.

use super::form::FormError;
use super::limits::CallLimited;
use crate::Unavailable;
use haechi_core::ports::StoreError;
use std::borrow::Cow;

/// The errors of RFC 6749 5.2, RFC 8707 2, and one for what could not be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthErrorKind {
    /// A parameter is missing, repeated or malformed, or the client proves who it is in more than one way.
    InvalidRequest,
    /// The client did not prove who it is.
    InvalidClient,
    /// The refresh token does not hold.
    InvalidGrant,
    /// The client may not do this.
    UnauthorizedClient,
    /// No such grant.
    UnsupportedGrantType,
    /// More than the client was granted.
    InvalidScope,
    /// For whom the client may not ask for tokens.
    InvalidTarget,
    /// What a client says of itself cannot be (RFC 7591 3.2.2).
    InvalidClientMetadata,
    /// An address that nobody may be sent to (RFC 7591 3.2.2).
    InvalidRedirectUri,
    /// Too many, from this address or by this client.
    Limited,
    /// Could not find out.
    Unavailable,
}

impl OAuthErrorKind {
    /// The value of `error`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            // RFC 6749 has none for what is 429.
            Self::Limited | Self::Unavailable => "temporarily_unavailable",
        }
    }
}

/// A refusal, what the client is told, and what the operator is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", kind.code())]
pub struct OAuthError {
    /// Which.
    pub kind: OAuthErrorKind,
    /// The value of `error_description`.
    pub told: &'static str,
    /// Why, for the record. Never leaves the gate.
    pub reason: Cow<'static, str>,
    /// The limit that is used up, where it is one.
    pub limited: Option<Box<CallLimited>>,
}

impl OAuthError {
    /// With one text for both.
    pub(super) const fn new(kind: OAuthErrorKind, told: &'static str) -> Self {
        Self { kind, told, reason: Cow::Borrowed(told), limited: None }
    }

    /// With a reason for the record.
    pub(super) fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    pub(super) const fn request(told: &'static str) -> Self {
        Self::new(OAuthErrorKind::InvalidRequest, told)
    }

    /// One answer for an unknown client, a wrong secret and an assertion that does not hold.
    pub(super) fn client(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(OAuthErrorKind::InvalidClient, "the client did not prove who it is").because(reason)
    }

    pub(super) fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(OAuthErrorKind::Unavailable, "this cannot be found out at the moment").because(reason)
    }
}

impl From<CallLimited> for OAuthError {
    fn from(limited: CallLimited) -> Self {
        let told = "too many tokens are asked for";
        let error = Self::new(OAuthErrorKind::Limited, told).because(limited.to_string());
        Self { limited: Some(Box::new(limited)), ..error }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<Unavailable> for OAuthError {
    fn from(unavailable: Unavailable) -> Self {
        Self::unavailable(unavailable.reason)
    }
}

impl From<FormError> for OAuthError {
    fn from(error: FormError) -> Self {
        Self::request(match error {
            FormError::Malformed => "the body is not a form",
            FormError::Repeated => "a parameter stands more than once",
        })
    }
}
