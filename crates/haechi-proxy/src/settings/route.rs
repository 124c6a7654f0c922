//! A route, as the configuration means it.

use super::cors::Cors;
use super::index::ServiceIndex;
use super::origin::OriginPattern;
use super::rate_limit::RateLimit;
use super::response_headers::FieldRules;
use haechi_authn::{Authenticator, StepUp};
use haechi_authz::HeaderChanges;
use haechi_core::{CanonicalPath, Irregular, MethodSet, PathPattern};
use std::sync::Arc;
use std::time::Duration;

/// A route: what it matches, who may pass, where it leads.
pub struct Route {
    /// The configured name.
    pub name: Arc<str>,
    /// The path pattern.
    pub pattern: PathPattern,
    /// Hosts in canonical form, without ports; any host when empty.
    pub hosts: Vec<Box<str>>,
    /// The methods.
    pub methods: MethodSet,
    /// Who is asked.
    pub authentication: Authentication,
    /// Where it leads.
    pub target: Target,
    /// Ambiguous path spellings that the backend is known to read as we do.
    pub allow_in_path: Irregular,
    /// What is done with a request that passes, and with its answer.
    pub settings: RouteSettings,
}

/// What is done with a request that passes, and with its answer. By default nothing in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSettings {
    /// The most bytes of a request's body, instead of [`Limits::body`](super::Limits::body).
    pub max_body: Option<u64>,
    /// Whether credentials that were verified here travel on.
    pub forward_credentials: bool,
    /// Removed from the front of the path before forwarding.
    pub strip_prefix: Option<Box<str>>,
    /// Put before the path when forwarding.
    pub add_prefix: Option<Box<str>>,
    /// Instead of the service's [`ServiceSettings::timeout`](super::ServiceSettings::timeout).
    pub timeout: Option<Duration>,
    /// Instead of the service's [`ServiceSettings::idle_timeout`](super::ServiceSettings::idle_timeout).
    pub idle_timeout: Option<Duration>,
    /// Which pages of other sites may read the answers; browsers' own rule where there is none.
    pub cors: Option<Cors>,
    /// What changes in the heads of requests that the backend receives; decision points have the last word.
    pub request_headers: HeaderChanges,
    /// The other sites, as browsers write them in `Origin`, whose pages may write here and open a WebSocket with a caller's cookie.
    pub origins: Vec<OriginPattern>,
    /// What changes in the heads of answers.
    pub response_headers: Option<FieldRules>,
    /// What becomes of `Cache-Control` in the service's answers to callers who are known.
    pub cache_control: CacheControl,
    /// What the login behind a credential must satisfy.
    pub step_up: Arc<StepUp>,
    /// How many requests are let through; all of them hold.
    pub rate_limits: Vec<RateLimit>,
}

/// What becomes of `Cache-Control` in the service's answers to callers who are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheControl {
    /// `private` is added unless the service has said which caches may keep the answer.
    #[default]
    Private,
    /// It stays as the service has it.
    Unchanged,
}

/// The authenticators of a route.
#[derive(Clone)]
pub enum Authentication {
    /// Any one of them.
    Any(Vec<Arc<dyn Authenticator>>),
    /// All of them.
    All(Vec<Arc<dyn Authenticator>>),
}

impl Authentication {
    /// The authenticators in order.
    pub fn authenticators(&self) -> &[Arc<dyn Authenticator>] {
        match self {
            Self::Any(list) | Self::All(list) => list,
        }
    }
}

/// Where a route leads.
pub enum Target {
    /// To the service with this index.
    Service(ServiceIndex),
    /// To the embedded identity provider.
    Identity(IdentityCall),
    /// Nowhere: it is there for other gateways, which ask and forward themselves.
    Nowhere,
}

/// A call of the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityCall {
    /// `POST /auth/login`
    Login,
    /// `GET` or `POST /auth/account`: a page of what the account has.
    Account,
    /// `GET` or `POST /auth/sessions`: the caller's own logins, in JSON.
    Sessions,
    /// `GET` or `POST /auth/totp`: the caller's own second factor.
    SecondFactor,
    /// `GET` or `POST /auth/passkeys`: a page of one's own passkeys.
    Passkeys,
    /// `GET /auth/passkey-HASH.js`: what pages with passkeys run.
    PasskeyScript,
    /// `GET` or `POST /auth/password`: the caller's own password.
    Password,
    /// `POST /auth/refresh`
    Refresh,
    /// `POST /auth/logout`
    Logout,
    /// `GET /auth/me`
    Me,
    /// `POST /auth/token` (RFC 6749 3.2)
    Token,
    /// `POST /auth/revoke` (RFC 7009)
    Revoke,
    /// `POST /auth/introspect` (RFC 7662)
    Introspect,
    /// `GET` or `POST /auth/authorize` (RFC 6749 3.1)
    Authorize,
    /// `GET` or `POST /auth/userinfo` (OpenID Connect Core 1.0, 5.3)
    Userinfo,
    /// `GET` or `POST /auth/end_session` (OpenID Connect RP-Initiated Logout 1.0)
    EndSession,
    /// `POST /auth/register` (RFC 7591)
    Register,
    /// `GET /.well-known/jwks.json`
    Jwks,
    /// `GET /.well-known/openid-configuration`
    Discovery,
    /// `GET /auth/oidc`: where to log in, of several.
    LoginChoice,
    /// `GET /auth/oidc/NAME/start`
    LoginStart,
    /// `GET` or `POST /auth/oidc/NAME/callback`
    LoginCallback,
    /// `POST /auth/oidc/NAME/backchannel_logout`
    BackchannelLogout,
    /// `GET /auth/logout`
    BrowserLogout,
    /// `GET /.well-known/oauth-protected-resource[/PREFIX]` (RFC 9728)
    ProtectedResource,
}

impl Route {
    /// Whether the backend is known to read the path as we do. What could end a path is in doubt only where any rest is taken.
    pub fn allows(&self, path: &CanonicalPath) -> bool {
        let end = if self.pattern.takes_any_rest() { Irregular::NONE } else { Irregular::ENCODED_DELIMITER };
        path.irregular().within(self.allow_in_path.union(end))
    }

    /// A route of any method of which nothing else is said.
    pub fn new(name: &str, pattern: PathPattern, authentication: Authentication, target: Target) -> Self {
        Self {
            name: name.into(),
            pattern,
            hosts: Vec::new(),
            methods: MethodSet::any(),
            authentication,
            target,
            allow_in_path: Irregular::NONE,
            settings: RouteSettings::default(),
        }
    }
}
