//! The configuration as it is written: every key once, with its type, its default and what it is for.

mod admin;
mod answers;
mod audit;
mod authenticators;
mod authzen;
mod decision_points;
mod egress;
mod identity;
mod inherited;
mod listener_tls;
mod protected_resources;
mod rate_limits;
mod resilience;
mod routes;
mod services;
mod sinks;
mod telemetry;

pub(super) use admin::{Admin, OperatorRole};
pub(super) use answers::{Cors, Origins, RequestHeaders, ResponseHeaders};
pub(super) use audit::{Audit, AuditCheckpoints};
pub(crate) use audit::{AuditDurability, AuditMode};
pub(super) use authenticators::Authenticator;
pub(super) use authzen::Authzen;
pub(crate) use decision_points::PointType;
pub(super) use decision_points::{DecisionPoint, PointTls};
pub(super) use egress::{Egress, Proxy, address as proxy_address};
pub(super) use identity::{AccessToken, BrowserSession, Identity, RefreshToken, SigningKeys};
pub(super) use inherited::{Inheritance, Inherited, RouteKeys, ServiceKeys};
pub(super) use listener_tls::{Certificate, ClientCertificate, ListenerTls};
pub(super) use protected_resources::ProtectedResource;
pub(super) use rate_limits::CallRate;
pub(super) use resilience::{Ejection, Health, Retries, USUAL_RETRIES};
pub(super) use routes::{Authenticate, Authorize, Clauses, Route, StepUp};
pub(super) use services::{
    ClientCredentials, Exchange, IdentityHeaders, IdentityToken, OwnIdentityHeaders, Service,
    ServiceIdentity, ServiceTls, SubjectTokenType, UpstreamAuth, UpstreamBasic, UpstreamHeader,
};
pub(super) use sinks::Sink;
pub(super) use telemetry::{Telemetry, Traces};

use super::choice::choice;
use super::defaults::{
    self, BodySize, BufferSize, ConnectionCount, Delay, FieldCount, HeadSize, StreamCount, Timeout,
    WorkerCount,
};
use super::read::Named;
use super::record::record;
use super::source::At;
use super::value::{
    AttributeName, ContextHeader, ContextName, FilePath, Identifier, PolicyPattern, RoleName,
};
use haechi_core::AttributeType;
use haechi_proxy::LogFormat;
use haechi_store::Location;
use ipnet::IpNet;
use std::net::SocketAddr;

record! {
    "the configuration"
    /// The configuration of Haechi, an API gateway that decides who is calling and what they may do.
    struct Config {
        /// The addresses that clients connect to.
        required listeners as "listeners": Vec<At<Listener>>,
        /// The admin API, and the probes `/livez`, `/readyz`, `/metrics`. There is none where this is left out.
        optional admin as "admin": Admin,
        /// The addresses of proxies in front of the gate. Only these may tell the client's address (`X-Forwarded-For`, `Forwarded`).
        default trusted_proxies as "trusted_proxies": Vec<At<IpNet>> = Vec::new(),
        /// Where users, sessions and API keys are kept: `sqlite:` and a file.
        optional store as "store": At<Location>,
        /// A Redis or Valkey in which several nodes count together and tell each other of changes.
        optional shared_state as "shared_state": At<haechi_shared::Location>,
        /// The embedded identity provider: users in the store, login, JWTs.
        optional identity as "identity": At<Identity>,
        /// The attributes that a caller may have, each with its type; filled from claims.
        default caller_attributes as "caller_attributes": Named<AttributeName, AttributeType> = Named(Vec::new()),
        /// Request headers that policies may read, as `context.headers.NAME`. One that is sent twice, in another spelling, or with anything but visible ASCII and the space is answered 400.
        default context_headers as "context_headers": Named<ContextName, At<ContextHeader>> = Named(Vec::new()),
        /// Named ways to establish who is calling.
        default authenticators as "authenticators": Named<Identifier, Authenticator> = Named(Vec::new()),
        /// The roles that routes ask for, and which roles each includes.
        default roles as "roles": Named<RoleName, RoleBody> = Named(Vec::new()),
        /// The resources of which clients are told where to get tokens for them (RFC 9728).
        default protected_resources as "protected_resources": Vec<At<ProtectedResource>> = Vec::new(),
        /// Cedar policy files. `*` stands for any part of a file's name; a pattern that no file matches is an error.
        optional policies as "policies": Vec<At<PolicyPattern>>,
        /// Cedar policy files that are evaluated beside those in force. Where they differ, that is recorded; they are never enforced.
        optional shadow_policies as "shadow_policies": Vec<At<PolicyPattern>>,
        /// Files with properties, as `haechi prove` reads them. A policy is put into the store only where they all hold then, which the program cvc5 proves.
        default properties as "properties": Vec<At<FilePath>> = Vec::new(),
        /// Deciders outside the gate, which routes ask as well.
        default decision_points as "decision_points": Named<Identifier, DecisionPoint> = Named(Vec::new()),
        /// What routes and services have unless they say otherwise.
        optional defaults as "defaults": Defaults,
        /// More files with services, routes, authenticators, roles, policies and decision points: `conf.d/*.yaml`. `*` stands for any part of a file's name. A name may be given once in all files.
        optional include as "include": At<Vec<String>>,
        /// Named sets of backend endpoints.
        default services as "services": Named<Identifier, Service> = Named(Vec::new()),
        /// What may be asked for, who may ask, and which service answers. The most specific pattern wins, whatever the order.
        default routes as "routes": Vec<At<Route>> = Vec::new(),
        /// How the gate fetches keys and exports traces: through which proxy.
        optional egress as "egress": Egress,
        /// What the gate tells others of the requests that it serves.
        optional telemetry as "telemetry": At<Telemetry>,
        /// The record of what was decided and done. There is none where this is left out.
        optional audit as "audit": At<Audit>,
        /// One line for each request.
        section access_log as "access_log": AccessLog,
        /// What a client may take of the gate's memory and time.
        section limits as "limits": Limits,
        /// How a changed configuration comes into force.
        section reload as "reload": Reload,
        /// How the gate ends.
        section drain as "drain": Drain,
        /// How many worker threads forward requests. One for each core where this is left out.
        optional workers as "workers": At<WorkerCount>,
    }
}

record! {
    "`defaults`"
    /// What routes and services have unless they say otherwise. Who may pass has no default.
    struct Defaults {
        /// What routes have unless they say otherwise.
        optional route as "route": Inheritance<RouteKeys>,
        /// What services have unless they say otherwise.
        optional service as "service": Inheritance<ServiceKeys>,
    }
}

record! {
    "a listener"
    /// An address that clients connect to.
    struct Listener {
        /// An IP address and a port: `0.0.0.0:8080`. A port of 0 is a free one, which is logged at start.
        required bind as "bind": At<SocketAddr>,
        /// What it is for, where it is not for what `routes` say.
        optional kind as "type": At<ListenerType>,
        /// Speaks TLS: certificates, and which clients must show one.
        optional tls as "tls": At<ListenerTls>,
        /// Connections begin with a PROXY header (version 1 or 2) that tells the client's address. Only `trusted_proxies` may connect.
        optional proxy_protocol as "proxy_protocol": At<bool>,
        /// Answers every request with where it is over `https` (308), and does nothing else.
        optional redirect as "redirect": At<Redirect>,
        /// With `type: authorizer`: answers questions by AuthZEN 1.0 as well, of whoever proves by a token or a certificate that they may ask.
        optional authzen as "authzen": At<Authzen>,
    }
}

choice! {
    "what a listener is for"
    /// What a listener is for, where it is not for what `routes` say.
    pub(crate) enum ListenerType {
        /// `/livez`, `/readyz` and `/metrics`, without a credential, and nothing else.
        Probes = "probes",
        /// Other gateways ask here whether requests of theirs may go on. Only `trusted_proxies` may ask.
        Authorizer = "authorizer",
    }
}

choice! {
    "where a listener sends requests"
    /// Where a listener sends requests.
    pub(crate) enum Redirect {
        /// The same address over `https`, on the port of the listener that speaks TLS.
        Https = "https",
    }
}

record! {
    "a role"
    /// A role.
    struct RoleBody {
        /// Roles that whoever holds this one holds too.
        default includes as "includes": Vec<At<RoleName>> = Vec::new(),
    }
}

record! {
    "`access_log`"
    /// The access log.
    struct AccessLog {
        /// How a line is written.
        default format as "format": LogFormat = LogFormat::Json,
        /// `stdout`, `stderr`, `off`, or a file, to whose end lines are added.
        default target as "target": String = "stdout".to_owned(),
        /// Syslog servers and OTLP collectors that every line is sent to as well.
        default sinks as "sinks": Vec<At<Sink>> = Vec::new(),
    }
}

record! {
    "`limits`"
    /// What a client may take of the gate's memory and time.
    struct Limits {
        /// The size of a request's head. More is answered 431.
        default head as "head": HeadSize = defaults::HEAD,
        /// The size of the head of a backend's answer. More is answered 502.
        default response_head as "response_head": HeadSize = defaults::RESPONSE_HEAD,
        /// How many header fields a request may have. More is answered 431.
        default fields as "fields": FieldCount = defaults::FIELDS,
        /// The size of a request's body; a route's `max_body` goes before it. More is answered 413.
        default body as "body": BodySize = defaults::BODY,
        /// How long a TLS handshake may take, or a PROXY header.
        default handshake as "handshake": Timeout = defaults::HANDSHAKE,
        /// How long a request's head may take to arrive.
        default header_read as "header_read": Timeout = defaults::HEADER_READ,
        /// How long a connection may stay open between requests.
        default idle as "idle": Timeout = defaults::IDLE,
        /// How long a request's body may stand still.
        default body_stall as "body_stall": Timeout = defaults::BODY_STALL,
        /// How long a client may take no byte of an answer.
        default write_stall as "write_stall": Timeout = defaults::WRITE_STALL,
        /// How long a WebSocket may stay open without a byte in either direction. Its peers may keep it open with pings.
        default websocket_idle as "websocket_idle": Timeout = defaults::WEBSOCKET_IDLE,
        /// How many client connections may be open at once, over all listeners. 14,000, or what a quarter of the memory holds at 16 KiB each, where this is left out.
        optional connections as "connections": ConnectionCount,
        /// How many of them one client address may have; of an IPv6 address its first 64 bits count. Addresses in `trusted_proxies` are exempt. Three quarters of the default of `connections` where this is left out.
        optional connections_per_address as "connections_per_address": ConnectionCount,
        /// How much memory connections may hold in buffers, over all workers. Where this is left out: 16 MiB for each worker and at least 64 MiB, but no more than an eighth of the memory that the process may use (its control group's limit, or the machine's).
        optional buffers as "buffers": BufferSize,
        /// How many streams a client may have open at once on an HTTP/2 connection. One more is refused.
        default http2_streams as "http2_streams": StreamCount = defaults::HTTP2_STREAMS,
        /// How many streams a client may reset in a second. More end the connection.
        default http2_resets as "http2_resets": StreamCount = defaults::HTTP2_RESETS,
        /// How many `SETTINGS` frames a client may send in a second. More end the connection.
        default http2_settings as "http2_settings": StreamCount = defaults::HTTP2_SETTINGS,
    }
}

record! {
    "`reload`"
    /// How a changed configuration comes into force. SIGHUP and the admin call reload it in any case.
    struct Reload {
        /// Looks once a second whether the configuration, or a file that it names, has changed, and reloads it then.
        default watch as "watch": bool = true,
    }
}

record! {
    "`drain`"
    /// How the gate ends on SIGTERM and SIGINT, and after an upgrade.
    struct Drain {
        /// For how long connections are still taken while `/readyz` already answers 503, so that load balancers can look away first.
        default delay as "delay": Delay = defaults::DRAIN_DELAY,
        /// For how long requests in flight may go on once no more connections are taken. Then they are cut off.
        default grace as "grace": Timeout = defaults::DRAIN_GRACE,
    }
}
