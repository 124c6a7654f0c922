//! The configuration as it is meant: typed and checked, no text left to parse.

mod admin;
mod admin_policies;
mod answers;
mod audit;
mod authenticator;
mod authzen;
mod built_in;
mod careless;
mod decision_points;
mod egress;
mod exchange;
mod expiry;
mod guarded;
mod identity;
mod identity_headers;
mod names;
mod overlap;
mod policies;
mod property;
mod protected_resources;
mod rate_limits;
mod resilience;
mod resolve;
mod restart;
mod route;
mod service;
mod shared_state;
mod sinks;
mod telemetry;
mod tls;
mod token_server;
mod upstream_auth;

pub(crate) use admin::{Admin, OperatorRole, ProbeListener};
pub(crate) use admin_policies::vocabulary as admin_vocabulary;
pub(crate) use audit::Audit;
pub(crate) use authenticator::Authenticator;
pub(crate) use built_in::BuiltInRoute;
pub(crate) use decision_points::DecisionPoint;
pub(crate) use egress::Egress;
pub(crate) use exchange::Exchange;
pub(crate) use expiry::{CertificateFacts, CertificateFile};
pub(crate) use identity::Identity;
pub(crate) use policies::PolicyFiles;
pub(crate) use route::{Authenticate, Route};
pub(crate) use service::{Endpoint, Service};
pub(crate) use sinks::{Sink, SyslogServer};
pub(crate) use telemetry::Traces;
pub(crate) use tls::ServiceTls;
pub(crate) use token_server::TokenEndpoint;
pub(crate) use upstream_auth::{OwnToken, UpstreamAuth};

pub(crate) use super::written::PointType;
pub(crate) use property::Property;
pub(super) use resolve::resolve;
pub(in crate::config) use route::asked_login;

use super::report::Report;
use super::store_policies::StorePolicies;
use crate::config::read::Definitions;
use haechi_audit::Bundle;
use haechi_authz::Compiled;
use haechi_core::{AttributeType, RoleTable};
use haechi_proxy::{Limits, LogFormat, ProtectedResource};
use haechi_store::Location;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration, in which every name that is used is declared.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// At least one, no two on one address (but for port 0).
    pub listeners: Vec<Listener>,
    /// The listeners for probes.
    pub probes: Vec<ProbeListener>,
    /// The admin API.
    pub admin: Option<Admin>,
    /// Who may tell the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Where users, sessions and API keys are kept.
    pub store: Option<Location>,
    /// What nodes count together in.
    pub shared_state: Option<haechi_shared::Location>,
    /// The embedded identity provider.
    pub identity: Option<Identity>,
    /// The declared attributes of callers.
    pub caller_attributes: BTreeMap<Box<str>, AttributeType>,
    /// The declared roles and the built-in ones.
    pub roles: RoleTable,
    /// What it may name of what is defined elsewhere.
    pub definitions: Definitions,
    /// By name.
    pub authenticators: BTreeMap<Arc<str>, Authenticator>,
    /// By name.
    pub decision_points: BTreeMap<Arc<str>, DecisionPoint>,
    /// By name.
    pub services: BTreeMap<Arc<str>, Service>,
    /// In the order written; no two can win the same request.
    pub routes: Vec<Route>,
    /// The routes that the gate brings itself. Their indices follow those of `routes`, here and wherever routes are counted.
    pub built_in: Vec<BuiltInRoute>,
    /// The resources of which clients are told where to get tokens for them.
    pub protected_resources: Vec<ProtectedResource>,
    /// What decides, by the indices of the routes.
    pub policies: Arc<Compiled>,
    /// What is evaluated beside it and never enforced; with the same vocabulary.
    pub shadow_policies: Option<Arc<Compiled>>,
    /// The texts that `policies` and `shadow_policies` were compiled of, as far as they stand in files.
    pub policy_files: PolicyFiles,
    /// Those that the store adds to both.
    pub stored: StorePolicies,
    /// What must be true of the policies, whoever changes them by call.
    pub properties: Arc<[Property]>,
    /// The files that say so.
    pub property_files: Vec<PathBuf>,
    /// Which proxies the gate goes through for itself.
    pub egress: Egress,
    /// Where traces go.
    pub traces: Option<Traces>,
    /// The record of what was decided and done.
    pub audit: Option<Audit>,
    /// The configuration with its files and without secrets, as the trail keeps it.
    pub bundle: Arc<Bundle>,
    /// One line for each request.
    pub access_log: AccessLog,
    /// What a client may take, and each worker's part of what they share.
    pub limits: Limits,
    /// Whether a changed file is reloaded without being asked.
    pub watch: bool,
    /// How the gate ends: between not being ready any more and closing the listeners. `limits.grace` follows.
    pub drain_delay: Duration,
    /// How many worker threads forward requests.
    pub workers: NonZeroUsize,
    /// The certificates that it names.
    pub certificates: Vec<CertificateFile>,
    /// What is odd but holds.
    pub warnings: Report,
    /// The files that it names and was read from, beside its own: certificates, keys, key sets, users,
    /// policies, `${file:…}`; and the patterns that it names policies with.
    pub files: BTreeSet<PathBuf>,
}

impl Config {
    /// The files on whose content this configuration depends, beside its own: when one of them changes, it is to be read again.
    pub(crate) fn watched_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The roles that authenticators know: those that there are, and those that make operators.
    pub(crate) fn roles_of_callers(&self) -> RoleTable {
        let more = self.admin.iter().flat_map(Admin::roles).map(|one| one.role.clone());
        self.roles.clone().knowing(more)
    }

    /// Takes note of the ports that were bound, by listener.
    pub(crate) fn note_ports(&mut self, ports: impl IntoIterator<Item = u16>) {
        self.listeners.iter_mut().zip(ports).for_each(|(listener, port)| listener.port = port);
    }

    /// How the connections of a listener begin, and where it sends requests.
    pub(crate) fn opening(&self, listener: &Listener) -> haechi_proxy::Listener {
        let port = |to: Option<usize>| to.and_then(|to| self.listeners.get(to)).map_or(443, |to| to.port);
        haechi_proxy::Listener { redirect: listener.redirect.map(port), ..listener.opening.clone() }
    }

    /// The names of all routes, the built-in ones last.
    pub(crate) fn route_names(&self) -> Vec<&str> {
        self.policies.vocabulary().routes.iter().map(|route| &*route.name).collect()
    }
}

/// An address that clients connect to.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// Port 0 stands for a free one.
    pub bind: SocketAddr,
    /// The port that is bound, once it is.
    pub port: u16,
    /// Answers every request with where it is over `https`: on the listener with this index, or, where none speaks TLS here, on 443.
    pub redirect: Option<Option<usize>>,
    /// How connections begin.
    pub opening: haechi_proxy::Listener,
}

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessLog {
    /// How a line is written.
    pub format: LogFormat,
    /// Where it goes.
    pub target: LogTarget,
    /// Where it is sent besides.
    pub sinks: Vec<Sink>,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Nowhere.
    Off,
    /// To the end of a file.
    File(PathBuf),
}
