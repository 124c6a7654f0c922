//! What the configuration means to the data plane: values without behaviour of their own.

pub(crate) mod authzen;
pub(crate) mod cors;
pub(crate) mod index;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod origin;
pub(crate) mod rate_limit;
pub(crate) mod resilience;
pub(crate) mod response_headers;
pub(crate) mod route;
pub(crate) mod service;
pub(crate) mod service_credential;

pub use authzen::{AssumedContext, AuthenticatorClaims, Authzen};
pub use cors::{Cors, CorsOrigins};
pub use index::{EndpointIndex, ListenerIndex, ServiceIndex};
pub use limits::Limits;
pub use listener::Listener;
pub use origin::OriginPattern;
pub(crate) use rate_limit::policy as limit_policy;
pub use rate_limit::{LimitBy, OnFailure, RateLimit};
pub use resilience::{Circuit, Ejection, HealthCheck, Keepalive, Protocol, Retries, RetryOn};
pub use response_headers::FieldRules;
pub use route::{Authentication, CacheControl, IdentityCall, Route, RouteSettings, Target};
pub(crate) use service::DEFAULT_IDLE_TIMEOUT;
pub use service::{Balance, Endpoint, HashKey, IdentityToken, Service, ServiceSettings, UpstreamHost};
pub use service_credential::{AccessToken, CallerTokens, CredentialValue, ServiceCredential};
