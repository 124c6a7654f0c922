//! The data plane: `accept -> route -> authenticate -> authorize -> record -> forward -> respond`.
//!
//! Open [`pipeline`] first: it is that sentence as code. One worker thread per core runs it on its own single-threaded runtime, with its own
//! listener and its own pool of upstream connections.

mod accept;
mod ascii;
mod client_address;
mod connection;
mod context_headers;
mod cors;
mod decisions;
mod finish;
mod forward;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod headers;
mod http1;
mod http2;
mod identity;
mod interim;
mod io;
mod limits;
mod lines;
mod log;
mod message;
mod metrics;
mod panic;
mod pipeline;
mod plan;
mod proxy_protocol;
mod record;
mod respond;
mod route;
mod spans;
mod ticks;
mod tls;
mod trace;
mod trailers;
mod upstream;
mod websocket;
mod worker;

pub use accept::{adopt, bind, share};
pub use cors::{Cors, CorsOrigins};
pub use decisions::{Answers, Decided, Desk, Headers, Judged, Outcome, Question, Wanted};
pub use finish::FieldRules;
pub use headers::identity_headers;
pub use identity::IdentityCall;
pub use limits::Budget;
pub use log::{LogFormat, LogSink};
pub use metrics::Metrics;
pub use plan::{
    Authentication, Balance, Endpoint, HashKey, IdentityToken, Limits, Listener, Plan, PlanParts, Route,
    Service, Target,
};
pub use route::{Conflict, Found, Router};
pub use spans::{Step, TraceSink, TracedRequest, Work};
pub use tls::{Certificates, ClientCertificates, ListenerTls, ServiceTls};
pub use upstream::endpoint::EndpointState;
pub use upstream::gauges::EndpointGauges;
pub use upstream::registry::Endpoints;
pub use upstream::resolve::Resolve;
pub use upstream::settings::{Circuit, Ejection, HealthCheck, Protocol, Retries, RetryOn};
pub use upstream::upkeep::{Probe, Upkeep};
pub use worker::{Shared, start};
