//! Decisions that were made lately, kept by each worker for whoever asks about one of them.
//!
//! A request's record is moved in here when the request is over; nothing is copied, and nobody waits. The control side asks at the
//! [`DecisionQueries`], which workers look at in passing.

mod queries;
mod ring;

pub(crate) use queries::QueryReader;
pub use queries::{Answers, DecisionQueries, Question, Wanted};
pub(crate) use ring::DecisionRings;

use haechi_authz::{Decision, FactSource};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Caller, CanonicalPath, Host, Outcome, PathPattern, Timestamp};
use http::Method;
use std::net::IpAddr;
use std::sync::Arc;

/// A decision with the request and the caller that it was about. Credentials, cookies, bodies and query values have no place in it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Why it could not be made, where a decision point could not tell.
    pub unavailable: Option<Box<str>>,
    /// When the head of the request was complete.
    pub received: Timestamp,
    /// The request, as answers, logs and backends have it.
    pub request: RequestId,
    /// Its method.
    pub method: Method,
    /// The host that it named.
    pub host: Host,
    /// Its canonical path.
    pub path: CanonicalPath,
    /// The client, as far back as trusted proxies vouch for it.
    pub client: IpAddr,
    /// Whether the client came over TLS, as far back as trusted proxies vouch for it.
    pub secure: bool,
    /// The request headers that policies may read and that are no credential: the name in policies, and the value.
    pub headers: Headers,
    /// The route, as it was then.
    pub route: Arc<RecordedRoute>,
    /// Who was calling.
    pub caller: Arc<Caller>,
    /// Nobody has sent the request, nor shown a credential: somebody asked what would become of it (AuthZEN).
    pub supposed: bool,
}

/// Names in policies, and values.
pub type Headers = Box<[(Box<str>, Box<str>)]>;

/// What a record needs of a route, also when the route is long gone.
#[derive(Clone, Debug)]
pub struct RecordedRoute {
    /// The configured name.
    pub name: Arc<str>,
    /// Its pattern, for the path parameters.
    pub pattern: PathPattern,
    /// Its labels.
    pub labels: Vec<Arc<str>>,
}

impl Decided {
    /// What it came to.
    pub fn outcome(&self) -> Outcome {
        match &self.unavailable {
            Some(_) => Outcome::Unavailable,
            None => Outcome::of(self.decision.is_allowed()),
        }
    }

    /// Its place among all decisions.
    pub const fn moment(&self) -> (Timestamp, DecisionId) {
        (self.received, self.decision.id)
    }

    /// About how many bytes it keeps from being freed. What a caller's words take is bounded by its credential.
    fn weight(&self) -> usize {
        let Caller { subject, roles, scopes, attributes, .. } = &*self.caller;
        let words = roles.len() + scopes.len() + attributes.len();
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>()
            + self.path.as_str().len()
            + self.host.name().len()
            + subject.len()
            + 64 * words
            + headers
    }
}

/// As it was at that request, whatever is configured by now.
impl FactSource for Decided {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn route(&self) -> &str {
        &self.route.name
    }

    fn labels(&self) -> &[Arc<str>] {
        &self.route.labels
    }

    fn host(&self) -> &str {
        self.host.name()
    }

    fn path(&self) -> &str {
        self.path.as_str()
    }

    fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.route.pattern.values(self.path.as_str())
    }

    fn header(&self, name: &str) -> Result<Option<&str>, String> {
        Ok(self.headers.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value))
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| &**name)
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn received(&self) -> Timestamp {
        self.received
    }

    fn is_secure(&self) -> bool {
        self.secure
    }
}

/// What shadow policies would have done, in a word for metrics.
pub(crate) fn direction(decision: &Decision) -> Option<&'static str> {
    let shadow = decision.shadow.as_ref()?;
    Some(if shadow.is_allowed() { "deny_to_allow" } else { "allow_to_deny" })
}
