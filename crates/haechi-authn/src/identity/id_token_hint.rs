//! An ID token of ours that a client sends back (OpenID Connect Core 1.0, 3.1.2.1; RP-Initiated Logout 1.0, 2): who it was about. It may have expired.

use super::tokens::IDENTITY_TOKEN_TYPE;
use crate::jose::Compact;
use crate::jose::claims;
use crate::keys::{Choice, KeySet};
use haechi_core::Timestamp;
use std::time::Duration;

/// Whom an ID token of ours was about, and for.
pub(super) struct IdTokenHint {
    pub(super) subject: String,
    pub(super) client: String,
    pub(super) session: Option<String>,
}

impl IdTokenHint {
    /// Reads it; `None` for whatever one of our keys has not signed as an ID token.
    pub(super) fn read(
        text: &str,
        issuer: &str,
        keys: &KeySet,
        uptime: Duration,
        now: Timestamp,
    ) -> Option<Self> {
        let compact = Compact::split(text).ok()?;
        let header = compact.header().ok()?;
        if header.typ.as_deref() != Some(IDENTITY_TOKEN_TYPE) {
            return None;
        }
        match keys.keys(uptime, now)?.choose(header.algorithm, header.kid.as_deref()) {
            Choice::Key(key) if key.verifies(compact.signed(), compact.signature()) => {}
            Choice::Key(_) | Choice::Unnamed(_) | Choice::Unknown | Choice::None => return None,
        }
        let said = compact.claims().ok()?;
        claims::check_issuer(&said, issuer).ok()?;
        let text = |name| claims::text(&said, name).ok().flatten().map(str::to_owned);
        Some(Self { subject: text("sub")?, client: text("aud")?, session: text("sid") })
    }
}
