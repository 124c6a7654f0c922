//! The request that is asked about.

use super::caller::{CallerArgument, key_header};
use super::token_in::TokenIn;
use crate::config::Config;
use crate::inspect::InspectError;
use haechi_core::path::as_sent;
use haechi_core::{Outcome, Timestamp};
use haechi_proxy::DryRequest;
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
    pub(crate) who: CallerArgument,
    /// What decision points are supposed to say, where they are not asked.
    pub(crate) points: BTreeMap<String, Outcome>,
}

/// The headers that carry a token in this place.
fn placed(token: &str, place: &TokenIn) -> Vec<(String, String)> {
    let field = |name: &str, value: String| (name.to_owned(), value);
    match place {
        TokenIn::Bearer => vec![field("authorization", format!("Bearer {token}"))],
        TokenIn::Header(name) => vec![field(name, token.to_owned())],
        TokenIn::Cookie(name) => vec![field("cookie", format!("{name}={token}"))],
        TokenIn::WebSocketProtocol(prefix) => vec![
            field("connection", "Upgrade".into()),
            field("upgrade", "websocket".into()),
            field("sec-websocket-version", "13".into()),
            field("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==".into()),
            field("sec-websocket-protocol", format!("{prefix}{token}")),
        ],
    }
}

impl Inquiry {
    /// A request without anything that may be left out.
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path: as_sent(&path),
            host: "localhost".into(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            headers: Vec::new(),
            secure: false,
            time: None,
            who: CallerArgument::Nobody,
            points: BTreeMap::new(),
        }
    }

    /// Its headers, `Host` and the credential among them.
    pub(super) fn headers(&self, config: &Config) -> Result<Vec<(String, String)>, InspectError> {
        let mut headers = vec![("host".to_owned(), self.host.clone())];
        headers.extend(self.headers.iter().cloned());
        match &self.who {
            CallerArgument::Token(token, Some(place)) => headers.extend(placed(token, place)),
            CallerArgument::Token(token, None) => {
                let elsewhere = config.authenticators.values();
                headers.extend(elsewhere.filter_map(|known| known.settings.token_field(token)));
                headers.push(("authorization".into(), format!("Bearer {token}")));
            }
            CallerArgument::Key(key) => headers.push((key_header(config)?.to_string(), key.clone())),
            CallerArgument::Nobody | CallerArgument::User(_) | CallerArgument::Supposed(_) => {}
        }
        Ok(headers)
    }

    /// As a client would send it, at `now` where no other time is given.
    pub(super) fn request<'a>(&'a self, headers: &'a [(String, String)], now: Timestamp) -> DryRequest<'a> {
        DryRequest {
            method: self.method.as_str(),
            target: &self.path,
            headers,
            peer: (self.client, 0).into(),
            secure: self.secure,
            time: self.time.unwrap_or(now),
            now,
        }
    }
}
