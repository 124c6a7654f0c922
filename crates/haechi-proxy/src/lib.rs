//! The data plane: `accept -> route -> limit -> authenticate -> limit -> authorize -> record -> forward -> respond`.
//!
//! Open [`pipeline`] first: it is that sentence as code. One worker thread per core runs it on its own single-threaded runtime, with its own
//! listener and its own pool of upstream connections.

mod accept;
mod ascii;
mod audit;
mod authorizer;
mod batches;
mod client_address;
mod connection;
mod context_headers;
mod cross_site;
mod decide;
mod decided_request;
mod decisions;
mod dry_run;
mod finish;
mod forward;
mod forwarding;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod head_sink;
mod headers;
mod held_body;
mod http1;
mod http2;
mod identity_headers;
mod identity_provider;
mod interim;
mod io;
mod judge;
mod language;
mod limits;
mod lines;
mod listen;
mod log;
mod logins;
mod metrics;
mod outcome;
mod panic;
mod pipeline;
mod plan;
mod preflight;
mod protected_resource;
mod proxy_protocol;
mod rate_limit;
mod record;
mod refusal;
mod rejudge;
mod reply;
mod request_body;
mod respond;
mod response;
mod response_fields;
mod route;
mod settings;
mod signed_body;
mod spans;
mod subprotocols;
mod supposed;
mod ticks;
mod tls;
mod trace;
mod trailers;
mod transport;
mod upstream;
mod watchers;
mod websocket;
mod whole_body;
mod whole_seconds;
mod worker;

pub use authorizer::{CHECK_PATH, CheckAnswer, CheckQuestion};
pub use batches::{BatchSender, batch_channel};
pub use decisions::{Answers, Decided, DecisionQueries, Headers, Question, RecordedRoute, Wanted};
pub use dry_run::{DryOutcome, DryRequest, DryRun};
pub use identity_headers::{IdentityHeaders, IdentityNames, OwnNames};
pub use identity_provider::passkey_script;
pub use judge::Observer;
pub use limits::Budget;
pub use listen::{adopt, bind, share};
pub use log::{LogFormat, LogSink};
pub use logins::Logins;
pub use metrics::{Metrics, declare_metrics};
pub use plan::{Plan, PlanParts};
pub use protected_resource::{METADATA_PATH, ProtectedResource};
pub use rate_limit::{CountedLimit, RateLimiter};
pub use refusal::Refused;
pub use route::{Conflict, Found, Router};
pub use settings::{
    AccessToken, AssumedContext, Authentication, AuthenticatorClaims, Authzen, Balance, CacheControl,
    CallerTokens, Circuit, Cors, CorsOrigins, CredentialValue, Ejection, Endpoint, EndpointIndex, FieldRules,
    HashKey, HealthCheck, IdentityCall, IdentityToken, Keepalive, LimitBy, Limits, Listener, ListenerIndex,
    OnFailure, OriginPattern, Protocol, RateLimit, Retries, RetryOn, Route, RouteSettings, Service,
    ServiceCredential, ServiceIndex, ServiceSettings, Target, UpstreamHost,
};
pub use spans::{Step, StepKind, TraceSink, TracedRequest};
pub use tls::{
    Authorities, AuthorityError, BelievedClients, Certificates, ClientCertificates, ForwardedVerifier,
    ListenerTls, RevocationListError, RevocationLists, ServiceTls,
};
pub use upstream::endpoint::EndpointState;
pub use upstream::gauges::EndpointGauges;
pub use upstream::registry::Endpoints;
pub use upstream::resolve::Resolve;
pub use upstream::upkeep::{Probe, Upkeep};
pub use watchers::{DecisionWatch, DecisionWatchers};
pub use worker::Shared;
pub use worker::run::start;
