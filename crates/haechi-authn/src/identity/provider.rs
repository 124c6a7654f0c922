//! Login, refresh, logout, and the tokens that come of them.

use super::browser_session::BrowserSessionSpans;
use super::client_origins::ClientOrigins;
use super::keyring::Keyring;
use super::limits::{CallLimited, IdentityLimits, IdentityRates, LimitedCall};
use super::passkey::Passkeys;
use super::passkey::ceremony::RelyingParty;
use super::passwords::{PasswordRefused, PasswordVerifier, Shown};
use super::second_factor::{FactorError, SecondFactors};
use super::tokens::{self, MFA_ATTRIBUTE, RefreshToken, Span, TokenLogin, is_enough, is_several};
use crate::control::{Control, STORE_ANSWERS_WITHIN};
use crate::declared::DeclaredAttributes;
use crate::jose::{Algorithm, Signer, SigningFault};
use crate::{RevocationWatch, Unavailable, random};
use haechi_core::ports::{
    ClientRecord, Clients, Exchange, IdentityRecords, Revocations, Revoked, Rotation, Session,
    SessionDetails, Sessions, StoreError, UserRecord, Users, WebSessions,
};
use haechi_core::{AttributeValue, Caller, Clock, Secret, Timestamp};
use serde_json::{Value, json};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Below which path the gate's own calls are answered where the configuration does not say.
pub const DEFAULT_PATH: &str = "/auth";

/// Waiting for the hashing pool and the store together.
pub(super) const LOGIN_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The embedded identity provider. Its calls may be made on any runtime; the work is done on the control runtime.
pub struct Provider {
    pub(super) inner: Arc<Inner>,
    control: Control,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// The `iss` and the `aud` of access tokens.
    pub issuer: Arc<str>,
    /// Below which path the provider answers, without a slash at its end.
    pub path: Arc<str>,
    /// How long an access token is valid.
    pub access_lifetime: Duration,
    /// The longest that an access token of any client may be valid.
    pub longest_lifetime: Duration,
    /// How long after the login a session can be refreshed.
    pub refresh_lifetime: Duration,
    /// For how long after its use a refresh token gives the same next one again; zero for once and no more.
    pub reuse_interval: Duration,
    /// How long a browser stays logged in here.
    pub browser_session: BrowserSessionSpans,
    /// Whether clients may register themselves.
    pub registration: bool,
    /// Whose passkeys people may log in with, where they may.
    pub passkeys: Option<RelyingParty>,
    /// Of which pages the public clients are.
    pub client_origins: Arc<ClientOrigins>,
    /// The attributes that tokens may carry.
    pub declared: Arc<DeclaredAttributes>,
    /// Counts calls.
    pub limits: Arc<IdentityLimits>,
    /// How many calls there may be.
    pub rates: IdentityRates,
}

impl IdentitySettings {
    /// The address of one of the provider's endpoints.
    pub(super) fn endpoint(&self, name: &str) -> String {
        format!("{}{}/{name}", self.issuer.trim_end_matches('/'), self.path)
    }
}

/// Where the provider keeps its facts.
pub struct ProviderStores {
    /// Users.
    pub users: Arc<dyn Users>,
    /// Login sessions.
    pub sessions: Arc<dyn Sessions>,
    /// What was revoked.
    pub revocations: Arc<dyn Revocations>,
    /// Machine clients.
    pub clients: Arc<dyn Clients>,
    /// The provider's own sessions with browsers, beside those of logins at other providers.
    pub web_sessions: Arc<dyn WebSessions>,
    /// Codes and consents.
    pub records: Arc<dyn IdentityRecords>,
}

/// What somebody shows to be a user.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// What the user types.
    pub name: String,
    /// The password.
    pub password: Secret<String>,
    /// A code of the authenticator app, or a recovery code.
    pub code: Option<Secret<String>>,
}

/// What a login or a refresh gives.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// A JWT for the gate.
    pub access_token: Secret<String>,
    /// Works once.
    pub refresh_token: Secret<String>,
    /// How long the access token is valid.
    pub expires_in: Duration,
    /// The user's id, for the record.
    pub subject: String,
    /// The session, for the record.
    pub session: String,
    /// The scopes, where a client was given any.
    pub scope: String,
}

/// Why a login was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefused {
    /// Unknown, wrong, disabled or locked: one answer. The reason is for the operator only.
    #[error("{0}")]
    InvalidCredentials(&'static str),
    /// The password is right, and a code of the second factor is asked for beside it.
    #[error("a code of the second factor is asked for")]
    CodeNeeded,
    /// All that was shown is right, and the password must be changed first.
    #[error("the password must be changed first")]
    ChangeNeeded,
    /// Too many, from this address or for this account.
    #[error("{0}")]
    Limited(CallLimited),
    /// Too many passwords are being verified.
    #[error("the password hashing pool is full")]
    Busy,
    /// Could not find out, for this reason.
    #[error("{0}")]
    Unavailable(String),
}

impl LoginRefused {
    /// Whether it could not be found out: nobody's guess, and no login.
    pub(super) const fn is_undecided(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_))
    }
}

/// Why a refresh was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshRefused {
    /// Unknown, expired, of a session that ended, or of a user who may no longer log in.
    #[error("{0}")]
    Invalid(&'static str),
    /// Too many, from this address.
    #[error("{0}")]
    Limited(CallLimited),
    /// Used before: the whole family is revoked now. To the client the same as [`RefreshRefused::Invalid`]; worth a record.
    #[error("a refresh token of session `{session}` was used again")]
    Replayed {
        /// The family.
        session: String,
    },
    /// Could not find out, for this reason.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a logout was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoutRefused {
    /// The caller did not come with a token of this provider.
    #[error("the caller has no session here")]
    NoSession,
    /// The session may still be alive, for this reason.
    #[error("{0}")]
    Unavailable(String),
}

/// Why no identity token was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// The signing keys were not loaded yet.
    #[error("the signing keys are not loaded yet")]
    NoKey,
    /// It could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFault),
}

pub(super) struct Inner {
    pub(super) settings: IdentitySettings,
    pub(super) stores: ProviderStores,
    pub(super) watch: Arc<RevocationWatch>,
    pub(super) verifier: Arc<PasswordVerifier>,
    pub(super) keyring: Arc<Keyring>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Provider {
    /// A provider.
    pub fn new(
        settings: IdentitySettings,
        stores: ProviderStores,
        watch: Arc<RevocationWatch>,
        verifier: Arc<PasswordVerifier>,
        keyring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        control: Control,
    ) -> Self {
        Self { inner: Arc::new(Inner { settings, stores, watch, verifier, keyring, clock }), control }
    }

    /// Begins a session for a user who shows all that is asked for.
    ///
    /// # Errors
    /// [`LoginRefused`]. All `InvalidCredentials` take the same time.
    pub async fn login(&self, shows: Credentials, client: IpAddr) -> Result<TokenPair, LoginRefused> {
        let inner = self.inner.clone();
        let outcome = self.ask(LOGIN_ANSWERS_WITHIN, async move { inner.login(shows, client).await }).await;
        if let Err(refused) = &outcome {
            tracing::info!(%client, reason = %refused, "login refused");
        }
        outcome
    }

    /// Exchanges a refresh token, which came from there, for a new pair. Roles and attributes are read anew.
    ///
    /// # Errors
    /// [`RefreshRefused`].
    pub async fn refresh(&self, token: Secret<String>, from: IpAddr) -> Result<TokenPair, RefreshRefused> {
        let mut call = self.inner.call();
        // Before the store is asked.
        call.token_from(from).await.map_err(RefreshRefused::Limited)?;
        let outcome = self.exchange(token, None).await;
        if matches!(outcome, Err(RefreshRefused::Unavailable(_))) {
            call.give_back();
        }
        outcome
    }

    /// The same of a call that is counted already, of the client to which the token must have been given.
    pub(super) async fn exchange(
        &self,
        token: Secret<String>,
        client: Option<ClientRecord>,
    ) -> Result<TokenPair, RefreshRefused> {
        let inner = self.inner.clone();
        self.ask(LOGIN_ANSWERS_WITHIN, async move { inner.refresh(token, client.as_ref()).await }).await
    }

    /// Ends the caller's session: its refresh token works no more, and its access tokens are revoked.
    ///
    /// # Errors
    /// [`LogoutRefused`].
    pub async fn logout(&self, caller: &Caller) -> Result<(), LogoutRefused> {
        if *caller.issuer != *self.inner.settings.issuer {
            return Err(LogoutRefused::NoSession);
        }
        // A machine client's tokens have no login behind them that could end: this one is revoked.
        let session = caller.session.clone().filter(|session| *session != caller.subject);
        let token = caller.credential_id.clone();
        let inner = self.inner.clone();
        let expires_at = caller.expires_at;
        self.ask(STORE_ANSWERS_WITHIN, async move {
            // The token at hand may have been made under a longer lifetime than is configured now.
            let until = inner.longest_tokens_expire_at(inner.clock.now());
            let until = expires_at.map_or(until, |ends| ends.max(until));
            match (session, token) {
                (Some(session), _) => Ok(inner.stores.sessions.end(&session, until).await.map(drop)?),
                (None, Some(token)) => {
                    let token = Revoked::Token(token.to_string());
                    Ok(inner.stores.revocations.revoke(&token, until).await?)
                }
                (None, None) => Err(LogoutRefused::NoSession),
            }
        })
        .await
    }

    /// Ends a login whose tokens are with nobody but whoever asks.
    ///
    /// # Errors
    /// [`LogoutRefused::Unavailable`].
    pub async fn end_login(&self, pair: &TokenPair) -> Result<(), LogoutRefused> {
        let (inner, session) = (self.inner.clone(), pair.session.clone());
        self.ask(STORE_ANSWERS_WITHIN, async move {
            let until = inner.longest_tokens_expire_at(inner.clock.now());
            Ok(inner.stores.sessions.end(&session, until).await.map(drop)?)
        })
        .await
    }

    /// Signs a token that tells the service `audience` who is calling. Costs one signature; cache it for its lifetime.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub fn identity_token(
        &self,
        caller: &Caller,
        audience: &str,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<String, TokenRefused> {
        let signer = self.inner.keyring.signer().ok_or(TokenRefused::NoKey)?;
        let span = Span { from: now, lifetime };
        Ok(tokens::identity_token(&signer, &self.inner.settings.issuer, caller, audience, span)?)
    }

    /// The signing and verification keys.
    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.inner.keyring
    }

    /// Below which path the provider answers, without a slash at its end.
    pub fn path(&self) -> &Arc<str> {
        &self.inner.settings.path
    }

    /// Of which pages the public clients are.
    pub fn client_origins(&self) -> &Arc<ClientOrigins> {
        &self.inner.settings.client_origins
    }

    /// The `iss` of the tokens made here.
    pub fn issuer(&self) -> &Arc<str> {
        &self.inner.settings.issuer
    }

    /// OpenID Connect Discovery 1.0 and RFC 8414 2, with what there is.
    pub fn discovery_document(&self) -> Value {
        let settings = &self.inner.settings;
        let issuer = &*settings.issuer;
        let algorithms: Vec<&str> = Algorithm::asymmetric().iter().map(Algorithm::name).collect();
        let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        // A login's tokens are no client's: whoever holds one may refresh and revoke it.
        let or_none = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": settings.endpoint("authorize"),
            "userinfo_endpoint": settings.endpoint("userinfo"),
            "end_session_endpoint": settings.endpoint("end_session"),
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["openid", "profile", "offline_access"],
            "prompt_values_supported": ["none", "login", "consent"],
            "ui_locales_supported": ["en", "ko"],
            "acr_values_supported": [tokens::ACR_PASSWORD, tokens::ACR_SEVERAL],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid", "preferred_username"
            ],
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "claims_parameter_supported": false,
            "jwks_uri": format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
            "token_endpoint": settings.endpoint("token"),
            "revocation_endpoint": settings.endpoint("revoke"),
            "introspection_endpoint": settings.endpoint("introspect"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
            "token_endpoint_auth_methods_supported": or_none,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": or_none,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.inner.keyring.algorithm().name()],
        });
        if let (true, Some(document)) = (settings.registration, document.as_object_mut()) {
            document.insert("registration_endpoint".to_owned(), settings.endpoint("register").into());
        }
        document
    }

    pub(super) async fn ask<T: Send + 'static, E: From<Unavailable> + Send + 'static>(
        &self,
        limit: Duration,
        question: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        self.control.ask(limit, question).await?
    }
}

impl Inner {
    /// One call, to be counted.
    pub(super) fn call(&self) -> LimitedCall<'_> {
        self.settings.limits.call(&self.settings.rates)
    }

    /// What was shown, if it is right: the one way in which a login asks for it, over the API and on a page. Counts; whoever asks gives that back
    /// where the login could not be decided in the end.
    pub(super) async fn check_password(
        &self,
        shows: Credentials,
        client: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<Shown, LoginRefused> {
        // Before anything is read or hashed.
        call.login_from(client).await.map_err(LoginRefused::Limited)?;
        let Credentials { name, password, code } = shows;
        Ok(self.verifier.verify_within(&name, (password, code), client, call).await?)
    }

    /// The same of a code alone, of a user who has shown the password on the page before.
    pub(super) async fn check_code(
        &self,
        user: &UserRecord,
        code: Secret<String>,
        client: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<Shown, LoginRefused> {
        call.login_from(client).await.map_err(LoginRefused::Limited)?;
        Ok(self.verifier.verify_code(user, code, client, call).await?)
    }

    /// All that is asked for, at once.
    pub(super) async fn check_all(
        &self,
        shows: Credentials,
        client: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<Shown, LoginRefused> {
        let shown = self.check_password(shows, client, call).await?;
        if shown.lacks_code {
            return Err(LoginRefused::CodeNeeded);
        }
        if self.verifier.must_change(&shown.user) { Err(LoginRefused::ChangeNeeded) } else { Ok(shown) }
    }

    pub(super) fn factors(&self) -> &SecondFactors {
        self.verifier.factors()
    }

    pub(super) fn passkeys(&self) -> Passkeys {
        Passkeys::new(self.stores.records.clone())
    }

    async fn login(&self, shows: Credentials, client: IpAddr) -> Result<TokenPair, LoginRefused> {
        let mut call = self.call();
        let outcome = match self.check_all(shows, client, &mut call).await {
            Ok(shown) => self.log_in(shown).await,
            Err(refused) => Err(refused),
        };
        if outcome.as_ref().is_err_and(LoginRefused::is_undecided) {
            call.give_back();
        }
        outcome
    }

    /// Begins a session for a user who has shown all that is asked for.
    pub(super) async fn log_in(&self, shown: Shown) -> Result<TokenPair, LoginRefused> {
        let (verified, methods) = (shown.user, shown.methods);
        let missing = || LoginRefused::Unavailable("cannot read random bytes from the system".into());
        let refresh = RefreshToken::generate().ok_or_else(missing)?;
        let now = self.clock.now();
        let session = Session {
            id: random::id().map_err(|_| missing())?,
            user_id: verified.id.clone(),
            token_sha256: refresh.sha256(),
            expires_at: now.plus(self.settings.refresh_lifetime),
            created_at: now,
            chain_key: Some(random::bytes().map_err(|_| missing())?),
            details: SessionDetails {
                authenticated_at: Some(now.as_seconds()),
                methods,
                ..SessionDetails::default()
            },
        };
        let signer = self.signer().map_err(LoginRefused::Unavailable)?;
        self.stores.sessions.begin(&session).await?;
        // What an operator took away before the session began did not end it: look again, now that it has begun.
        let user = self.stores.users.by_id(&verified.id).await?;
        let has_more = self.factors().standing(&verified.id, now).await?.is_on;
        let stays = |user: &UserRecord| {
            !user.disabled
                && user.password_hash == verified.password_hash
                && is_enough(&session.details.methods, has_more)
                && !self.verifier.must_change(user)
        };
        let Some(user) = user.filter(stays) else {
            self.stores.sessions.end(&session.id, self.tokens_expire_at(now)).await?;
            return Err(LoginRefused::InvalidCredentials("the user was changed meanwhile"));
        };
        self.pair(&signer, &user, &session, None, refresh, now)
            .map_err(|e| LoginRefused::Unavailable(e.to_string()))
    }

    async fn refresh(
        &self,
        token: Secret<String>,
        client: Option<&ClientRecord>,
    ) -> Result<TokenPair, RefreshRefused> {
        let presented = RefreshToken::parse(token).ok_or(RefreshRefused::Invalid("not a refresh token"))?;
        self.check_bound(&presented, client).await?;
        // Before the token is used up: without a key there will be no new pair.
        let signer = self.signer().map_err(RefreshRefused::Unavailable)?;
        let now = self.clock.now();
        let next = self.next(&presented, now).await?;
        let (presented, next_sha256) = (presented.sha256(), next.sha256());
        let reuse_interval = self.settings.reuse_interval;
        let exchange = Exchange { presented: &presented, next: &next_sha256, now, reuse_interval };
        let session = match self.stores.sessions.rotate(exchange).await? {
            Rotation::Rotated(session) | Rotation::Repeated(session) => session,
            Rotation::Replayed { session } => return Err(RefreshRefused::Replayed { session }),
            Rotation::Unknown => {
                return Err(RefreshRefused::Invalid("no such refresh token, or its session ended"));
            }
        };
        let user = self.stores.users.by_id(&session.user_id).await?;
        let Some(user) = user.filter(|user| !user.disabled) else {
            self.stores.sessions.end(&session.id, self.longest_tokens_expire_at(now)).await?;
            return Err(RefreshRefused::Invalid("the user is disabled or deleted"));
        };
        if self.verifier.must_change(&user) {
            return Err(RefreshRefused::Invalid("the password must be changed first"));
        }
        self.pair(&signer, &user, &session, client, next, now)
            .map_err(|e| RefreshRefused::Unavailable(e.to_string()))
    }

    /// A token that a client was given is that client's, and one of a login is no client's (RFC 9700 4.14.2). Looked at before the token is used up: who
    /// comes with another's ends nothing.
    async fn check_bound(
        &self,
        presented: &RefreshToken,
        client: Option<&ClientRecord>,
    ) -> Result<(), RefreshRefused> {
        let session = self.stores.sessions.of_token(&presented.sha256(), self.clock.now()).await?;
        let owner = session.and_then(|session| session.details.client);
        match (owner, client) {
            (None, None) => Ok(()),
            (Some(owner), Some(client)) if owner == client.id => Ok(()),
            (None, Some(_)) => Err(RefreshRefused::Invalid("a login's refresh token came from a client")),
            (Some(_), _) => Err(RefreshRefused::Invalid("the refresh token was given to another client")),
        }
    }

    /// The refresh token after this one: random, or, where one may be presented again for a moment, the same for whoever presents it.
    async fn next(&self, presented: &RefreshToken, now: Timestamp) -> Result<RefreshToken, RefreshRefused> {
        if !self.settings.reuse_interval.is_zero() {
            let session = self.stores.sessions.of_token(&presented.sha256(), now).await?;
            if let Some(key) = session.and_then(|session| session.chain_key) {
                return Ok(presented.next(&key));
            }
        }
        let missing = || RefreshRefused::Unavailable("cannot read random bytes from the system".into());
        RefreshToken::generate().ok_or_else(missing)
    }

    pub(super) fn pair(
        &self,
        signer: &Signer,
        user: &UserRecord,
        session: &Session,
        client: Option<&ClientRecord>,
        refresh: RefreshToken,
        now: Timestamp,
    ) -> Result<TokenPair, SigningFault> {
        let IdentitySettings { issuer, access_lifetime, declared, .. } = &self.settings;
        let lifetime = client.and_then(|client| client.token_lifetime).unwrap_or(*access_lifetime);
        let span = Span { from: now, lifetime };
        let mut attributes = declared.keep(&user.attributes);
        // Of how somebody has logged in, the login alone tells.
        let has_shown_more = AttributeValue::Bool(is_several(&session.details.methods));
        attributes.extend(declared.keep(&[(MFA_ATTRIBUTE.into(), has_shown_more)].into()));
        let login = TokenLogin { user, attributes: &attributes, session, client };
        Ok(TokenPair {
            access_token: tokens::access_token(signer, issuer, &login, span)?,
            refresh_token: refresh.into_text(),
            expires_in: lifetime,
            subject: user.id.clone(),
            session: session.id.clone(),
            scope: session.details.scopes.join(" "),
        })
    }

    pub(super) fn signer(&self) -> Result<Arc<Signer>, String> {
        self.keyring.signer().ok_or_else(|| TokenRefused::NoKey.to_string())
    }

    /// The same of tokens of clients, each of which may have a lifetime of its own.
    pub(super) fn longest_tokens_expire_at(&self, now: Timestamp) -> Timestamp {
        tokens_expire_at(now, self.settings.longest_lifetime.max(self.settings.access_lifetime))
    }

    /// No access token made until `now` is valid after this, at a leeway of up to ten minutes.
    pub(super) fn tokens_expire_at(&self, now: Timestamp) -> Timestamp {
        tokens_expire_at(now, self.settings.access_lifetime)
    }
}

/// When all access tokens made until `now` have expired, with ten minutes of room for leeway.
pub fn tokens_expire_at(now: Timestamp, access_lifetime: Duration) -> Timestamp {
    const LEEWAY: Duration = Duration::from_secs(10 * 60);
    now.plus(access_lifetime).plus(LEEWAY)
}

impl From<PasswordRefused> for LoginRefused {
    fn from(refused: PasswordRefused) -> Self {
        match refused {
            PasswordRefused::Wrong(reason) => Self::InvalidCredentials(reason),
            PasswordRefused::Mismatch => Self::InvalidCredentials("wrong password"),
            PasswordRefused::Limited(limited) => Self::Limited(limited),
            PasswordRefused::NoSuchUser => Self::InvalidCredentials("no such user"),
            PasswordRefused::Busy => Self::Busy,
            PasswordRefused::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<FactorError> for LoginRefused {
    fn from(error: FactorError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

macro_rules! could_not_find_out {
    ($($refused:ident),*) => { $(
        impl From<StoreError> for $refused {
            fn from(error: StoreError) -> Self {
                Self::Unavailable(error.to_string())
            }
        }

        impl From<Unavailable> for $refused {
            fn from(unavailable: Unavailable) -> Self {
                Self::Unavailable(unavailable.reason.into_owned())
            }
        }
    )* };
}

could_not_find_out!(LoginRefused, RefreshRefused, LogoutRefused);

#[cfg(test)]
pub(super) mod tests;
