//! Rate limits of a route, as the configuration means them (docs/rate-limits.md).

use haechi_core::rate::{Gcra, Rate};
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// One limit of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What tells it from the others of its route; in `RateLimit` fields.
    pub name: Box<str>,
    /// Who shares one count.
    pub by: LimitBy,
    /// How many requests in how much time.
    pub rate: Rate,
    /// What happens while the nodes cannot count together.
    pub on_failure: OnFailure,
    /// The rate, ready to be counted.
    pub(crate) gcra: Gcra,
    /// Tells it from all others of the process, and is the same after a reload.
    pub(crate) id: u64,
    /// What `RateLimit-Policy` says of it.
    pub(crate) policy: Box<str>,
}

/// Who shares one count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitBy {
    /// The caller, by issuer and subject.
    Subject,
    /// The API key; other callers by their subject.
    Key,
    /// The client's address; an IPv6 /64 is one.
    ClientIp,
    /// All requests of the route.
    Route,
    /// Those with the same value of a header, by its lower-case name.
    Header(Box<str>),
    /// Those with the same value of a parameter of the path.
    Param(Box<str>),
}

/// What happens while the nodes cannot count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Each node counts for itself, with its share of the limit.
    #[default]
    Local,
    /// Nobody is let through.
    Deny,
}

impl LimitBy {
    /// Whether it can be told only once it is known who calls.
    pub const fn needs_caller(&self) -> bool {
        matches!(self, Self::Subject | Self::Key)
    }

    /// The word for it in metrics.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Key => "key",
            Self::ClientIp => "client_ip",
            Self::Route => "route",
            Self::Header(_) => "header",
            Self::Param(_) => "param",
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for LimitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Param(name) => write!(f, "param:{name}"),
            word => f.write_str(word.kind()),
        }
    }
}

impl RateLimit {
    /// The limit `name` of the route `route`. Two limits of a route have different names.
    pub fn new(route: &str, name: String, by: LimitBy, rate: Rate, on_failure: OnFailure) -> Self {
        // Without secrets: a reload finds the counts again. Keys of the table are hashed with some.
        let mut hasher = DefaultHasher::new();
        (route, &name).hash(&mut hasher);
        Self {
            gcra: Gcra::new(&rate),
            id: hasher.finish(),
            policy: policy(&name, rate.requests.get(), rate.per).into(),
            name: name.into(),
            by,
            rate,
            on_failure,
        }
    }
}

/// An item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11, 3). The time is told in whole seconds, or not at all.
pub(crate) fn policy(name: &str, requests: u32, per: Duration) -> String {
    let mut text = format!("\"{name}\";q={requests}");
    if per.subsec_nanos() == 0 {
        // Writing to a `String` does not fail.
        let _ = write!(text, ";w={}", per.as_secs());
    }
    text
}
