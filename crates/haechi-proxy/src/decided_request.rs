//! A request with the decision about it, while the request is under way.

use crate::decisions::{Headers, RecordedRoute};
use haechi_authz::{Decision, DenyReason};
use haechi_core::id::RequestId;
use haechi_core::{Caller, CanonicalPath, Host, Timestamp};
use http::Method;
use std::net::IpAddr;
use std::sync::Arc;

/// A request with the decision about it, as its record has them.
pub(crate) struct DecidedRequest<'a> {
    pub(crate) request: RequestId,
    pub(crate) received: Timestamp,
    pub(crate) method: &'a Method,
    pub(crate) host: &'a Host,
    pub(crate) path: &'a CanonicalPath,
    pub(crate) client: IpAddr,
    pub(crate) secure: bool,
    pub(crate) headers: &'a Headers,
    pub(crate) caller: &'a Arc<Caller>,
    pub(crate) decision: &'a Decision,
    pub(crate) route: &'a RecordedRoute,
    /// Why it could not be made.
    pub(crate) unavailable: Option<&'a str>,
    /// Nobody has sent it: somebody asked what would become of it.
    pub(crate) supposed: bool,
}

impl DecidedRequest<'_> {
    /// What it came to, in a word for records.
    pub(crate) fn outcome(&self) -> &'static str {
        match (self.unavailable, self.decision.reason()) {
            (Some(_), _) => "unavailable",
            (None, None) => "allow",
            (None, Some(DenyReason::Error(_))) => "error",
            (None, Some(_)) => "deny",
        }
    }
}
