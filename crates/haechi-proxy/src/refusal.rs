//! Reasons for error responses: why a request is refused. Its status code is chosen in [`crate::respond`].

use crate::limits::Limit;
use crate::lines::HeadFault;
use crate::outcome::RequestOutcome;
use crate::protected_resource::MetadataOf;
use haechi_authn::chain::ChallengeTold;
use haechi_authn::{Challenge, LoginRedirect, ServiceBody, ServiceRefusal};
use http::Method;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Could be read in two ways.
    BadRequest,
    /// A body that is not what the call takes.
    BadBody,
    /// A form, where the call takes JSON.
    FormBody,
    /// An OAuth 2 request that is refused (RFC 6749 5.2).
    OAuthRequest {
        /// The value of `error`.
        error: &'static str,
        /// The value of `error_description`.
        told: &'static str,
    },
    /// A machine client that did not prove who it is (RFC 6749 5.2, `invalid_client`).
    OAuthClient {
        /// The value of `error_description`.
        told: &'static str,
    },
    /// A credential presented in a way that could be read as two.
    AmbiguousCredential,
    /// No route.
    NotFound,
    /// The route's pattern does not take the method.
    MethodNotAllowed(Vec<Method>),
    /// No credential.
    NoCredential {
        challenges: Vec<Arc<Challenge>>,
    },
    /// No credential, of a browser that can be sent to a login.
    Login {
        to: LoginRedirect,
    },
    /// No credential, of a browser that has sent something: it would be lost on the way to a login.
    LoginFirst {
        to: LoginRedirect,
        challenges: Vec<Arc<Challenge>>,
    },
    /// A login that comes to nothing, for a reason that people can do something about.
    LoginRefused {
        /// What they are told.
        told: &'static str,
        /// Where they can try again.
        again: Option<LoginRedirect>,
    },
    /// A login that the provider, or the person, has refused.
    LoginDenied {
        /// Where they can try again.
        again: Option<LoginRedirect>,
    },
    /// A login that is not as the route asks for, whatever the provider was asked.
    LoginInsufficient,
    /// A caller whose login does not do for the route (RFC 9470).
    StepUp {
        challenges: Vec<ChallengeTold>,
        /// Where a browser can log in so that it does.
        again: Option<LoginRedirect>,
    },
    /// A login whose password is right, and that lacks a code of the second factor.
    SecondFactorNeeded,
    /// A login that is right, and whose password must be changed first.
    PasswordChangeNeeded,
    /// A password that may not be one.
    PasswordRefused {
        /// Why not, for the client.
        told: &'static str,
    },
    /// What cannot be done as things stand.
    NotNow {
        /// Why not, for the client.
        told: &'static str,
    },
    /// A login of which the provider says what is not to be believed.
    LoginUntrusted {
        /// Where they can try again.
        again: Option<LoginRedirect>,
    },
    /// Served over `https` alone.
    Redirect {
        location: Box<str>,
    },
    /// A credential that does not hold.
    BadCredential {
        challenges: Vec<ChallengeTold>,
    },
    /// Refused by an authorization service, whose own answer the client gets.
    OfService {
        /// The status that it has chosen.
        status: u16,
        answer: Arc<ServiceRefusal>,
    },
    /// Known, and not allowed. The scopes that the route asks for, when that is what was missing.
    Forbidden {
        scopes: Option<Box<str>>,
        /// Where it is said who gives tokens with them (RFC 9728 5.1).
        metadata: Option<Box<str>>,
    },
    /// Over a rate limit or a quota.
    RateLimited {
        /// When the next may come.
        retry_after: Duration,
    },
    /// It could not be found out.
    CannotTell {
        /// When to try again, where that is known.
        retry_after: Option<Duration>,
    },
    /// For a host that this connection was not opened for.
    Misdirected,
    /// Over a connection whose client certificate is believed no longer.
    CertificateNotBelieved,
    TargetTooLong,
    HeadTooLarge,
    TooManyFields,
    BodyTooLarge,
    /// The client took too long over the head of its request.
    HeadTimeout,
    /// The client took too long over the body of its request.
    RequestTimeout,
    ExpectationFailed,
    /// A WebSocket of another version than 13.
    UpgradeRequired,
    /// The backend refused, broke off, or answered nonsense.
    BadGateway,
    GatewayTimeout,
    NoEndpoint,
    /// There is no room for the request at the moment.
    Overloaded,
    Internal,
}

/// A request that goes no further, and why. There is no answer to it without a reason for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub(crate) refusal: Refusal,
    /// For the record. Never leaves the gate.
    pub(crate) reason: Cow<'static, str>,
    /// The authenticator that refused, for the record as well.
    pub(crate) authenticator: Option<Arc<str>>,
}

impl Refused {
    pub(crate) fn new(refusal: Refusal, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { refusal, reason: reason.into(), authenticator: None }
    }

    pub(crate) fn by(self, authenticator: Option<Arc<str>>) -> Self {
        Self { authenticator, ..self }
    }

    /// The same, of which challenges to `Bearer` say where the resource's metadata are (RFC 9728 5.1).
    pub(crate) fn telling(mut self, metadata: Option<MetadataOf<'_>>) -> Self {
        let Some(address) = metadata.map(|metadata| metadata.address()) else { return self };
        let told = |challenge: &mut Arc<Challenge>| {
            if challenge.is_bearer() {
                *challenge = Arc::new((**challenge).clone().with("resource_metadata", &address));
            }
        };
        match &mut self.refusal {
            Refusal::NoCredential { challenges } | Refusal::LoginFirst { challenges, .. } => {
                challenges.iter_mut().for_each(told);
            }
            Refusal::BadCredential { challenges } | Refusal::StepUp { challenges, .. } => {
                challenges.iter_mut().for_each(|(challenge, _)| told(challenge));
            }
            Refusal::Forbidden { metadata, .. } => *metadata = Some(address),
            _ => {}
        }
        self
    }

    /// Why, for the operator.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Refusal {
    /// It could not be found out, and nobody knows for how long.
    pub(crate) const CANNOT_TELL: Self = Self::CannotTell { retry_after: None };

    /// The stable name of the problem, for the answer, the record and the metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::BadRequest => "ambiguous-request",
            Self::BadBody | Self::FormBody => "bad-body",
            Self::OAuthRequest { .. } => "oauth-request",
            Self::OAuthClient { .. } => "oauth-client",
            Self::AmbiguousCredential => "invalid-request",
            Self::NotFound => "no-route",
            Self::MethodNotAllowed(_) => "method-not-allowed",
            Self::Login { .. } => "login",
            Self::LoginFirst { .. } => "login-first",
            Self::LoginRefused { .. } => "login-refused",
            Self::LoginDenied { .. } => "login-denied",
            Self::LoginInsufficient => "login-insufficient",
            Self::StepUp { .. } => "step-up",
            Self::SecondFactorNeeded => "second-factor-needed",
            Self::PasswordChangeNeeded => "password-change-needed",
            Self::PasswordRefused { .. } => "password-refused",
            Self::NotNow { .. } => "conflict",
            Self::LoginUntrusted { .. } => "login-untrusted",
            Self::Redirect { .. } => "redirect",
            Self::NoCredential { .. } => "not-authenticated",
            Self::BadCredential { .. } => "invalid-credentials",
            Self::OfService { .. } => "refused-by-service",
            Self::Forbidden { .. } => "forbidden",
            Self::RateLimited { .. } => "rate-limited",
            Self::CannotTell { .. } => "cannot-tell",
            Self::Misdirected | Self::CertificateNotBelieved => "misdirected-request",
            Self::TargetTooLong => "target-too-long",
            Self::HeadTooLarge | Self::TooManyFields => "head-too-large",
            Self::BodyTooLarge => "body-too-large",
            Self::HeadTimeout | Self::RequestTimeout => "request-timeout",
            Self::ExpectationFailed => "expectation-failed",
            Self::UpgradeRequired => "websocket-version",
            Self::BadGateway => "bad-gateway",
            Self::GatewayTimeout => "gateway-timeout",
            Self::NoEndpoint => "no-endpoint",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// What the client is told. Nothing about which policy, role or key was missing.
    pub(crate) const fn detail(&self) -> &'static str {
        match self {
            Self::BadRequest => "the request is ambiguous and was not forwarded",
            Self::BadBody => "the body is not what this call takes",
            Self::FormBody => {
                "the body is a form, and this call takes JSON (`content-type: application/json`)"
            }
            Self::OAuthRequest { .. } => "the request for a token is refused",
            Self::OAuthClient { .. } => "the client did not prove who it is",
            Self::AmbiguousCredential => "more than one credential, or a credential where none may stand",
            Self::NotFound => "nothing is served at this address",
            Self::MethodNotAllowed(_) => "this address does not take this method",
            Self::NoCredential { .. } => "credentials are needed",
            Self::Login { .. } => "log in first",
            Self::LoginFirst { .. } => "log in first, then send this again: it was not kept",
            Self::LoginRefused { told, .. } => told,
            Self::LoginDenied { .. } => "the login was refused, or given up",
            Self::LoginInsufficient => {
                "this page needs a newer or stronger login than the login provider has made; it was asked for one"
            }
            Self::StepUp { .. } => "a newer or stronger login is needed",
            Self::SecondFactorNeeded => "a code of the second factor is needed",
            Self::PasswordChangeNeeded => "the password must be changed first",
            Self::NotNow { told } | Self::PasswordRefused { told } => told,
            Self::LoginUntrusted { .. } => "the login provider's answer cannot be trusted",
            Self::Redirect { .. } => "this address is served over https",
            Self::BadCredential { .. } => "the credentials are not valid",
            Self::OfService { .. } => "the authorization service refuses this request",
            Self::Forbidden { .. } => "this caller may not do this",
            Self::RateLimited { .. } => "too many requests; try again later",
            Self::CannotTell { .. } => "this cannot be decided at the moment; try again",
            Self::Misdirected => "this connection was opened for another host; open one for this host",
            Self::CertificateNotBelieved => {
                "the client certificate of this connection is not accepted; open another one"
            }
            Self::TargetTooLong => "the target is over 8 KiB",
            Self::HeadTooLarge | Self::TooManyFields => "the header fields are over the limit",
            Self::BodyTooLarge => "the body is over the limit",
            Self::HeadTimeout | Self::RequestTimeout => "the request took too long to arrive",
            Self::ExpectationFailed => "only `100-continue` can be expected",
            Self::UpgradeRequired => "only WebSocket version 13 is spoken here",
            Self::BadGateway => "the service behind this address failed",
            Self::GatewayTimeout => "the service behind this address did not answer in time",
            Self::NoEndpoint => "no instance of the service is available",
            Self::Overloaded => "the gateway is overloaded; try again later",
            Self::Internal => "the gate failed on this request",
        }
    }

    /// What the access log calls it.
    pub(crate) const fn outcome(&self) -> RequestOutcome {
        match self {
            Self::Redirect { .. } => RequestOutcome::Redirected,
            Self::NotFound | Self::MethodNotAllowed(_) => RequestOutcome::Unrouted,
            Self::NoCredential { .. }
            | Self::Login { .. }
            | Self::LoginFirst { .. }
            | Self::LoginRefused { .. }
            | Self::LoginDenied { .. }
            | Self::LoginUntrusted { .. }
            | Self::LoginInsufficient
            | Self::StepUp { .. }
            | Self::SecondFactorNeeded
            | Self::PasswordChangeNeeded
            | Self::BadCredential { .. }
            | Self::OAuthClient { .. } => RequestOutcome::Unauthenticated,
            Self::OfService { status: 403, .. } | Self::Forbidden { .. } => RequestOutcome::Denied,
            Self::OfService { .. } => RequestOutcome::Unauthenticated,
            Self::RateLimited { .. } => RequestOutcome::Limited,
            Self::CannotTell { .. } => RequestOutcome::Unavailable,
            Self::BadGateway
            | Self::GatewayTimeout
            | Self::NoEndpoint
            | Self::Overloaded
            | Self::Internal => RequestOutcome::Failed,
            _ => RequestOutcome::Refused,
        }
    }

    /// The body that OAuth 2 has for it: `error` and `error_description`.
    pub(crate) const fn oauth(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::OAuthRequest { error, told } => Some((error, told)),
            Self::OAuthClient { told } => Some(("invalid_client", told)),
            _ => None,
        }
    }

    /// The body that an authorization service has chosen.
    pub(crate) fn body(&self) -> Option<&ServiceBody> {
        match self {
            Self::OfService { answer, .. } => answer.body.as_ref(),
            _ => None,
        }
    }

    /// Where a browser can log in, for a page that says so.
    pub(crate) const fn login(&self) -> Option<&LoginRedirect> {
        match self {
            Self::LoginFirst { to, .. } => Some(to),
            Self::LoginRefused { again, .. }
            | Self::LoginDenied { again }
            | Self::StepUp { again, .. }
            | Self::LoginUntrusted { again } => again.as_ref(),
            _ => None,
        }
    }

    /// The limit that it stands for.
    pub(crate) const fn limit(&self) -> Option<Limit> {
        match self {
            Self::TargetTooLong => Some(Limit::Target),
            Self::HeadTooLarge => Some(Limit::Head),
            Self::TooManyFields => Some(Limit::Fields),
            Self::BodyTooLarge => Some(Limit::Body),
            Self::HeadTimeout => Some(Limit::HeaderRead),
            Self::RequestTimeout => Some(Limit::BodyStall),
            _ => None,
        }
    }

    /// Whether the connection closes after it: what could be read in two ways leaves it unclear where the next request begins.
    pub(crate) const fn closes(&self) -> bool {
        matches!(
            self,
            Self::BadRequest
                | Self::TargetTooLong
                | Self::HeadTooLarge
                | Self::TooManyFields
                | Self::BodyTooLarge
                | Self::HeadTimeout
                | Self::RequestTimeout
                | Self::ExpectationFailed
                | Self::CertificateNotBelieved
        )
    }
}

impl From<HeadFault> for Refusal {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::TargetTooLong => Self::TargetTooLong,
            HeadFault::TooLarge => Self::HeadTooLarge,
            HeadFault::TooManyFields => Self::TooManyFields,
            HeadFault::Expect => Self::ExpectationFailed,
            HeadFault::Malformed
            | HeadFault::BareLf
            | HeadFault::Target
            | HeadFault::Host
            | HeadFault::Framing
            | HeadFault::Spelling => Self::BadRequest,
        }
    }
}
