//! What operators do with access tokens that the gate has given: look into one, and put an end to it.

use super::keyring::Keyring;
use super::own_tokens::{OwnToken, payload};
use super::provider::tokens_expire_at;
use haechi_core::ports::{Change, Revocations, Revoked, SigningKeys, StoreError};
use haechi_core::{Clock, Timestamp};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// How many changes are read at once.
const CHANGES_AT_ONCE: usize = 10_000;

/// What it works with.
pub struct TokenDesk {
    /// A keyring with nothing loaded, and who vouches by its keys; `None` without an identity provider.
    pub identity: Option<(Keyring, Arc<str>)>,
    /// Where the keys are.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// What was revoked.
    pub revocations: Arc<dyn Revocations>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// No access token is valid for longer.
    pub longest: Duration,
}

/// What a token says, and whether it works.
#[derive(Clone, Debug)]
pub struct InspectedToken {
    /// Why it does not work; `None` where it does.
    pub reason: Option<String>,
    /// What it says, whether that holds or not.
    pub claims: Map<String, Value>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum TokenDeskError {
    /// It has another form.
    #[error("this is no access token: it is not three parts in base64url with claims")]
    NoToken,
    /// It is a refresh token.
    #[error("this is a refresh token; end its login with `haechi session end`")]
    Refresh,
    /// It is nothing that could be revoked.
    #[error("this is neither a token nor a `jti`, which is 32 hex digits")]
    Neither,
    /// Another issuer gave it.
    #[error(
        "the token is of another issuer: only the issuer can revoke it, and this store knows nothing of it"
    )]
    OtherIssuer,
    /// It has no name.
    #[error("the token has no `jti` to revoke it by")]
    NoId,
    /// The keys could not be loaded.
    #[error("{0}")]
    Keys(String),
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenDesk {
    /// What a token says, and whether it works.
    ///
    /// # Errors
    /// [`TokenDeskError`].
    pub async fn inspect(&self, token: &str) -> Result<InspectedToken, TokenDeskError> {
        let claims = payload(token).ok_or(TokenDeskError::NoToken)?;
        Ok(InspectedToken { reason: self.verdict(token).await?, claims })
    }

    /// Which token it is, by its `jti`, and until when it must be known to be revoked; it may be given by its `jti` as well. Nothing is changed.
    ///
    /// # Errors
    /// [`TokenDeskError`].
    pub fn named(&self, token: &str) -> Result<(String, Timestamp), TokenDeskError> {
        let longest = tokens_expire_at(self.clock.now(), self.longest);
        if token.starts_with("hr_") {
            return Err(TokenDeskError::Refresh);
        }
        if !token.contains('.') {
            let is_id = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
            return is_id.then(|| (token.to_owned(), longest)).ok_or(TokenDeskError::Neither);
        }
        let claims = payload(token).ok_or(TokenDeskError::NoToken)?;
        let issuer = self.identity.as_ref().map(|(_, issuer)| &**issuer);
        if claims.get("iss").and_then(Value::as_str) != issuer {
            return Err(TokenDeskError::OtherIssuer);
        }
        let id = claims.get("jti").and_then(Value::as_str).ok_or(TokenDeskError::NoId)?;
        let ends = claims.get("exp").and_then(Value::as_i64).map(Timestamp::from_seconds);
        let until = ends.map_or(longest, |ends| longest.max(tokens_expire_at(ends, Duration::ZERO)));
        Ok((id.to_owned(), until))
    }

    /// Revokes what [`TokenDesk::named`] has named.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke(&self, id: &str, until: Timestamp) -> Result<(), StoreError> {
        self.revocations.revoke(&Revoked::Token(id.to_owned()), until).await
    }

    async fn verdict(&self, token: &str) -> Result<Option<String>, TokenDeskError> {
        let Some((keyring, issuer)) = &self.identity else {
            return Ok(Some("no `identity` is configured that could have made it".to_owned()));
        };
        if !self.signing_keys.list().await?.is_empty() {
            keyring.reload().await.map_err(|error| TokenDeskError::Keys(error.to_string()))?;
        }
        let keys = keyring.verifying();
        match OwnToken::read(token, issuer, &keys.load(), self.clock.uptime(), self.clock.now()) {
            Err(fault) => Ok(Some(fault.to_string())),
            Ok(token) => Ok(self.is_revoked(&token).await?.then(|| "it or its login was revoked".to_owned())),
        }
    }

    async fn is_revoked(&self, token: &OwnToken) -> Result<bool, StoreError> {
        let mut since = 0;
        loop {
            let page = self.revocations.changes_since(since, CHANGES_AT_ONCE).await?;
            let ours = |change: &Change| match change {
                Change::Revoked { what: Revoked::Token(id), .. } => *id == token.id,
                Change::Revoked { what: Revoked::Session(id), .. } => Some(id) == token.session.as_ref(),
                _ => false,
            };
            if page.changes.iter().any(ours) {
                return Ok(true);
            }
            if page.epoch >= page.newest || page.epoch <= since {
                return Ok(false);
            }
            since = page.epoch;
        }
    }
}
