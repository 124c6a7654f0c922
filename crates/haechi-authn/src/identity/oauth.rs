//! OAuth 2: tokens for machine clients, refreshing, revoking and inspecting tokens (RFC 6749, 7009, 7523, 7662, 8707, 9068).

use super::client_proof::{ExpectedAssertion, PresentedProof};
use super::form::Form;
use super::oauth_error::{OAuthError, OAuthErrorKind};
use super::own_tokens::OwnToken;
use super::provider::{Inner, Provider, RefreshRefused, TokenPair, tokens_expire_at};
use super::tokens::{self, Granted, RefreshToken, Span};
use crate::control::STORE_ANSWERS_WITHIN;
use crate::revocation::DependsOn;
use haechi_core::Secret;
use haechi_core::ports::{ClientProof, ClientRecord, Revoked, Session};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// A request to one of the OAuth 2 endpoints.
#[derive(Debug)]
pub struct OAuthRequest {
    /// The `Authorization` field, as it came.
    pub authorization: Option<Secret<Vec<u8>>>,
    /// The parameters.
    pub form: Form,
    /// Where it came from.
    pub from: IpAddr,
}

/// What a grant gives (RFC 6749 5.1).
#[derive(Clone, Debug)]
pub struct TokenGrant {
    /// The access token.
    pub access_token: Secret<String>,
    /// How long it is valid.
    pub expires_in: Duration,
    /// For the next one, where there is one.
    pub refresh_token: Option<Secret<String>>,
    /// Who has logged in, for the client (OpenID Connect Core 1.0, 2), where it asked for that.
    pub id_token: Option<Secret<String>>,
    /// The scopes of it.
    pub scope: String,
    /// Whom it is for, for the record.
    pub subject: String,
}

impl From<TokenPair> for TokenGrant {
    fn from(pair: TokenPair) -> Self {
        let TokenPair { access_token, refresh_token, expires_in, subject, scope, .. } = pair;
        let (refresh_token, id_token) = (Some(refresh_token), None);
        Self { access_token, expires_in, refresh_token, id_token, scope, subject }
    }
}

impl Provider {
    /// The token endpoint (RFC 6749 3.2).
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn token(&self, request: OAuthRequest) -> Result<TokenGrant, OAuthError> {
        let mut call = self.inner.call();
        // Before anything is read.
        call.token_from(request.from).await?;
        let outcome = self.grant(request).await;
        if outcome.as_ref().is_err_and(|error| error.kind == OAuthErrorKind::Unavailable) {
            call.give_back();
        }
        outcome
    }

    async fn grant(&self, request: OAuthRequest) -> Result<TokenGrant, OAuthError> {
        match request.form.one("grant_type") {
            Some("client_credentials") => {
                let inner = self.inner.clone();
                self.ask(STORE_ANSWERS_WITHIN, async move { inner.client_credentials(&request).await }).await
            }
            Some("refresh_token") => self.refresh_token_grant(request).await,
            Some("authorization_code") => {
                let inner = self.inner.clone();
                self.ask(STORE_ANSWERS_WITHIN, async move { inner.authorization_code(&request).await }).await
            }
            Some(_) => Err(OAuthError::new(OAuthErrorKind::UnsupportedGrantType, "there is no such grant")),
            None => Err(OAuthError::request("`grant_type` is missing")),
        }
    }

    async fn refresh_token_grant(&self, request: OAuthRequest) -> Result<TokenGrant, OAuthError> {
        let token = request.form.one("refresh_token");
        let token = Secret::from(token.ok_or_else(|| OAuthError::request("`refresh_token` is missing"))?);
        let inner = self.inner.clone();
        let presented = token.clone();
        let client: Option<ClientRecord> = self
            .ask(STORE_ANSWERS_WITHIN, async move { inner.client_of_refresh(&request, presented).await })
            .await?;
        let invalid = OAuthError::new(OAuthErrorKind::InvalidGrant, "the refresh token does not hold");
        match self.exchange(token, client).await {
            Ok(pair) => Ok(pair.into()),
            Err(RefreshRefused::Unavailable(reason)) => Err(OAuthError::unavailable(reason)),
            Err(refused) => Err(invalid.because(refused.to_string())),
        }
    }

    /// The revocation endpoint (RFC 7009). What is not known or holds no more is as good as revoked.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn revoke(&self, request: OAuthRequest) -> Result<(), OAuthError> {
        let inner = self.inner.clone();
        self.ask(STORE_ANSWERS_WITHIN, async move { inner.revoke(&request).await }).await
    }

    /// The introspection endpoint (RFC 7662): what the token says, or that it is not active.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn introspect(&self, request: OAuthRequest) -> Result<Value, OAuthError> {
        let inner = self.inner.clone();
        self.ask(STORE_ANSWERS_WITHIN, async move { inner.introspect(&request).await }).await
    }
}

impl Inner {
    async fn client_credentials(&self, request: &OAuthRequest) -> Result<TokenGrant, OAuthError> {
        let client = self.client(request, "token").await?;
        if client.proof == ClientProof::Public {
            let told = "a public client gets tokens for people alone";
            return Err(OAuthError::new(OAuthErrorKind::UnauthorizedClient, told));
        }
        let granted = Granted {
            scopes: scopes(&client, request.form.one("scope"))?,
            audiences: audiences(&client, &self.settings.issuer, request.form.all("resource"))?,
        };
        let signer = self.signer().map_err(OAuthError::unavailable)?;
        self.call().token_of(&client.id).await?;
        let lifetime = client.token_lifetime.unwrap_or(self.settings.access_lifetime);
        let span = Span { from: self.clock.now(), lifetime };
        let attributes = self.settings.declared.keep(&client.attributes);
        let token =
            tokens::client_token(&signer, &self.settings.issuer, &client, &attributes, &granted, span);
        Ok(TokenGrant {
            access_token: token.map_err(|fault| OAuthError::unavailable(fault.to_string()))?,
            expires_in: lifetime,
            refresh_token: None,
            id_token: None,
            scope: granted.scopes.join(" "),
            subject: client.id.clone(),
        })
    }

    /// The client that sends the request.
    pub(super) async fn client(
        &self,
        request: &OAuthRequest,
        endpoint: &str,
    ) -> Result<ClientRecord, OAuthError> {
        let authorization = request.authorization.as_ref().map(|field| field.expose().as_slice());
        let proof = PresentedProof::read(authorization, &request.form)?;
        proof.verify(&*self.stores.clients, self.expected(endpoint)).await
    }

    /// The client that sends the request, where it says that there is one.
    async fn client_if_any(
        &self,
        request: &OAuthRequest,
        endpoint: &str,
    ) -> Result<Option<ClientRecord>, OAuthError> {
        let authorization = request.authorization.as_ref().map(|field| field.expose().as_slice());
        match PresentedProof::read(authorization, &request.form)? {
            PresentedProof::Nothing => Ok(None),
            proof => proof.verify(&*self.stores.clients, self.expected(endpoint)).await.map(Some),
        }
    }

    /// The client that refreshes, where the token was given to one. A login's token is no client's; those who send a `client_id` with it because their
    /// library always does are let be.
    async fn client_of_refresh(
        &self,
        request: &OAuthRequest,
        token: Secret<String>,
    ) -> Result<Option<ClientRecord>, OAuthError> {
        let authorization = request.authorization.as_ref().map(|field| field.expose().as_slice());
        let proof = PresentedProof::read(authorization, &request.form)?;
        let now = self.clock.now();
        let session = match RefreshToken::parse(token) {
            Some(token) => self.stores.sessions.of_token(&token.sha256(), now).await?,
            None => None,
        };
        let asked = request.form.one("scope");
        let widened = asked.is_some_and(|asked| {
            let had = session.as_ref().map(|session| &*session.details.scopes).unwrap_or_default();
            asked.split(' ').any(|scope| !had.iter().any(|known| known == scope))
        });
        if widened {
            let told = "a refresh asks for no scope that was not given before";
            return Err(OAuthError::new(OAuthErrorKind::InvalidScope, told));
        }
        let is_bound = session.is_some_and(|session| session.details.client.is_some());
        match proof {
            PresentedProof::Nothing => Ok(None),
            PresentedProof::Public { .. } if !is_bound => Ok(None),
            proof => proof.verify(&*self.stores.clients, self.expected("token")).await.map(Some),
        }
    }

    fn expected(&self, endpoint: &str) -> ExpectedAssertion {
        let audiences = vec![
            self.settings.issuer.to_string(),
            self.settings.endpoint("token"),
            self.settings.endpoint(endpoint),
        ];
        ExpectedAssertion { audiences, now: self.clock.now() }
    }

    async fn revoke(&self, request: &OAuthRequest) -> Result<(), OAuthError> {
        let text = request.form.one("token").ok_or_else(|| OAuthError::request("`token` is missing"))?;
        let client = self.client_if_any(request, "revoke").await?;
        let now = self.clock.now();
        if let Some(token) = RefreshToken::parse(Secret::from(text)) {
            let session = self.stores.sessions.of_token(&token.sha256(), now).await?;
            return match session {
                Some(session)
                    if session.details.client != client.as_ref().map(|client| client.id.clone()) =>
                {
                    Err(not_theirs())
                }
                Some(session) => {
                    self.stores.sessions.end(&session.id, self.longest_tokens_expire_at(now)).await?;
                    Ok(())
                }
                None => Ok(()),
            };
        }
        let Some(token) = self.own(text)? else { return Ok(()) };
        match (&token.client, &client) {
            (Some(owner), Some(client)) if *owner == client.id => {}
            (None, None) => {}
            (Some(_), None) => {
                return Err(OAuthError::client("a client's token is revoked by the client alone"));
            }
            (_, Some(_)) => return Err(not_theirs()),
        }
        // A client's tokens may be valid for longer than those of logins.
        let until = self.tokens_expire_at(now).max(tokens_expire_at(token.expires_at, Duration::ZERO));
        Ok(self.stores.revocations.revoke(&Revoked::Token(token.id), until).await?)
    }

    async fn introspect(&self, request: &OAuthRequest) -> Result<Value, OAuthError> {
        let client = self.client(request, "introspect").await?;
        let text = request.form.one("token").ok_or_else(|| OAuthError::request("`token` is missing"))?;
        let now = self.clock.now();
        if let Some(token) = RefreshToken::parse(Secret::from(text)) {
            let sha256 = token.sha256();
            let session = self.stores.sessions.of_token(&sha256, now).await?;
            let working = session.filter(|session| session.token_sha256 == sha256);
            let seen = working.filter(|session| {
                session.details.client.as_ref() == Some(&client.id)
                    || self.may_see(&client, &[&self.settings.issuer])
            });
            return Ok(seen.map_or_else(inactive, |session| self.refresh_token_facts(&session)));
        }
        let Some(token) = self.own(text)? else { return Ok(inactive()) };
        let theirs = token.client.as_ref() == Some(&client.id);
        if !theirs && !self.may_see(&client, &token.audiences()) {
            return Ok(inactive());
        }
        let view = self.watch.view();
        if !self.watch.is_fresh(&view) {
            return Err(OAuthError::unavailable("cannot read revocations from the store recently enough"));
        }
        let depends_on = DependsOn::token(Some(&token.id), token.session.as_deref());
        Ok(if view.is_revoked(&depends_on) { inactive() } else { facts(&token) })
    }

    /// A client sees tokens that are for it.
    fn may_see(&self, client: &ClientRecord, audiences: &[&str]) -> bool {
        audiences.iter().any(|audience| client.audiences.iter().any(|theirs| theirs == audience))
    }

    fn refresh_token_facts(&self, session: &Session) -> Value {
        let mut facts = json!({
            "active": true,
            "token_type": "refresh_token",
            "iss": &*self.settings.issuer,
            "sub": session.user_id,
            "exp": session.expires_at.as_seconds(),
        });
        if let (Some(client), Some(facts)) = (&session.details.client, facts.as_object_mut()) {
            facts.insert("client_id".into(), client.as_str().into());
            facts.insert("scope".into(), session.details.scopes.join(" ").into());
        }
        facts
    }

    /// An access token of ours; `None` for whatever else it is.
    pub(super) fn own(&self, token: &str) -> Result<Option<OwnToken>, OAuthError> {
        let keys = self.keyring.verifying();
        if self.keyring.signer().is_none() {
            return Err(OAuthError::unavailable("the signing keys are not loaded yet"));
        }
        let (uptime, now) = (self.clock.uptime(), self.clock.now());
        Ok(OwnToken::read(token, &self.settings.issuer, &keys.load(), uptime, now).ok())
    }
}

fn not_theirs() -> OAuthError {
    OAuthError::new(OAuthErrorKind::UnauthorizedClient, "the token was not given to this client")
}

fn inactive() -> Value {
    json!({ "active": false })
}

/// What RFC 7662 2.2 has names for, and the roles.
fn facts(token: &OwnToken) -> Value {
    let mut told = Map::new();
    told.insert("active".into(), true.into());
    told.insert("token_type".into(), "Bearer".into());
    for name in [
        "iss",
        "sub",
        "aud",
        "client_id",
        "scope",
        "iat",
        "exp",
        "jti",
        "sid",
        "roles",
        "auth_time",
        "acr",
        "amr",
    ] {
        if let Some(value) = token.claims.get(name) {
            told.insert(name.into(), value.clone());
        }
    }
    if let Some(name) = token.claims.get("preferred_username") {
        told.insert("username".into(), name.clone());
    }
    Value::Object(told)
}

/// What was asked for, or all that was granted where nothing was.
fn scopes(client: &ClientRecord, asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(client.scopes.clone()) };
    let mut granted = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        if !client.scopes.iter().any(|known| known == scope) {
            let told = "the client was not granted all of these scopes";
            let reason = format!("client `{}` asked for a scope that it was not granted", client.id);
            return Err(OAuthError::new(OAuthErrorKind::InvalidScope, told).because(reason));
        }
        if !granted.iter().any(|known| known == scope) {
            granted.push(scope.to_owned());
        }
    }
    Ok(granted)
}

/// For whom the token is: whom the client asks for and may, or the gate.
fn audiences<'a>(
    client: &ClientRecord,
    issuer: &str,
    asked: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, OAuthError> {
    let mut granted: Vec<String> = Vec::new();
    for resource in asked {
        if resource != issuer && !client.audiences.iter().any(|known| known == resource) {
            let told = "the client may not ask for tokens for this resource";
            let reason = format!("client `{}` asked for a token for somebody else", client.id);
            return Err(OAuthError::new(OAuthErrorKind::InvalidTarget, told).because(reason));
        }
        if !granted.iter().any(|known| known == resource) {
            granted.push(resource.to_owned());
        }
    }
    if granted.is_empty() {
        granted.push(issuer.to_owned());
    }
    Ok(granted)
}

#[cfg(test)]
mod tests;
