//! The request that is asked about.

use super::caller::{Who, key_header};
use crate::cli::Failure;
use crate::config::Config;
use haechi_core::id::RequestId;
use haechi_core::{CanonicalPath, Fields, Host, RequestHead, Timestamp};
use http::Method;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// A request that nobody has sent.
#[derive(Clone, Debug)]
pub(crate) struct Inquiry {
    pub(crate) method: Method,
    /// With its query where it has one.
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) client: IpAddr,
    /// Name and value.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) secure: bool,
    /// Now, where it is left out.
    pub(crate) time: Option<Timestamp>,
    pub(crate) who: Who,
    pub(crate) points: Points,
}

/// Where the answers of decision points come from.
#[derive(Clone, Debug)]
pub(crate) enum Points {
    /// They are asked.
    Asked,
    /// They are given; nobody is asked.
    Given(BTreeMap<String, PointAnswer>),
}

/// What a decision point is supposed to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PointAnswer {
    Allow,
    Deny,
    Unavailable,
}

impl Inquiry {
    /// A request without anything that may be left out.
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            host: "localhost".into(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            headers: Vec::new(),
            secure: false,
            time: None,
            who: Who::Nobody,
            points: Points::Asked,
        }
    }

    /// Its head; the inner error is the gate's own refusal.
    pub(super) fn head(
        &self,
        now: Timestamp,
        config: &Config,
    ) -> Result<Result<RequestHead, String>, Failure> {
        let (path, query) = match self.path.split_once('?') {
            Some((path, query)) => (path, Some(query.into())),
            None => (&*self.path, None),
        };
        let path = match CanonicalPath::parse(path.as_bytes()) {
            Ok(path) => path,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        let host = match Host::parse(self.host.as_bytes()) {
            Ok(host) => host,
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        let mut fields = Fields::default();
        for (name, value) in &self.headers {
            fields.push(name.to_ascii_lowercase().as_bytes(), value.as_bytes());
        }
        match &self.who {
            Who::Token(token) => fields.push(b"authorization", format!("Bearer {token}").as_bytes()),
            Who::Key(key) => fields.push(key_header(config)?.as_bytes(), key.as_bytes()),
            Who::Nobody | Who::User(_) | Who::Supposed(_) => {}
        }
        Ok(Ok(RequestHead {
            id: RequestId::from_bits(0),
            received: self.time.unwrap_or(now),
            method: self.method.clone(),
            host,
            path,
            query,
            fields,
            client: self.client,
            peer: (self.client, 0).into(),
            secure: self.secure,
        }))
    }
}
