//! Access tokens of our own, read outside the way of a request: to tell what one says, and to revoke it.

use super::tokens::ACCESS_TOKEN_TYPE;
use crate::jose::claims::{self, Expected};
use crate::jose::{Compact, TokenFault};
use crate::keys::{Choice, KeySet};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// An access token that one of the gate's keys has signed and that has not expired. It may be revoked.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnToken {
    /// What it says.
    pub claims: Map<String, Value>,
    /// Names it.
    pub id: String,
    /// The session that it is of: a login, or a machine client's.
    pub session: Option<String>,
    /// The machine client that it was given to.
    pub client: Option<String>,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl OwnToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenFault`] for whatever else it is.
    pub fn read(
        token: &str,
        issuer: &str,
        keys: &KeySet,
        uptime: Duration,
        now: Timestamp,
    ) -> Result<Self, TokenFault> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        let said = compact.claims()?;
        claims::check_issuer(&said, issuer)?;
        let keys = keys.keys(uptime, now).ok_or(TokenFault::NoKey)?;
        match keys.choose(header.algorithm, header.kid.as_deref()) {
            Choice::Key(key) if key.verifies(compact.signed(), compact.signature()) => {}
            Choice::Key(_) => return Err(TokenFault::Signature),
            Choice::Unnamed(_) | Choice::Unknown | Choice::None => return Err(TokenFault::NoKey),
        }
        if header.typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
            return Err(TokenFault::Type);
        }
        let expected = Expected { now, leeway: Duration::ZERO, audiences: &[], audience: said.member("aud") };
        let expires_at = claims::check(&said, expected)?;
        let text = |name| Ok::<_, TokenFault>(claims::text(&said, name)?.map(str::to_owned));
        let client = text("client_id")?;
        Ok(Self {
            id: text("jti")?.ok_or(TokenFault::Missing("jti"))?,
            session: text("sid")?.or_else(|| client.clone()),
            client,
            expires_at,
            claims: payload(token).ok_or(TokenFault::Shape)?,
        })
    }

    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// For whom it is.
    pub fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// The claims of a token, whoever made it and whether or not they hold; `None` for what is no JWS in compact form.
pub fn payload(token: &str) -> Option<Map<String, Value>> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
