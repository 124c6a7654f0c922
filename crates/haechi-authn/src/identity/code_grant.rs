//! The token endpoint's `authorization_code` grant (RFC 6749 4.1.3, RFC 7636 4.5, OpenID Connect Core 1.0, 3.1.3).

use super::authorization::{OFFLINE_ACCESS, OPENID};
use super::browser_session::password_mark;
use super::codes::{CodeError, CodeGrant, Codes, Redeemed};
use super::oauth::{OAuthRequest, TokenGrant};
use super::oauth_error::{OAuthError, OAuthErrorKind};
use super::provider::Inner;
use super::tokens::{self, IdTokenFor, RefreshToken, Span};
use crate::jose::Signer;
use crate::random;
use haechi_core::Timestamp;
use haechi_core::ports::{ClientRecord, Session, SessionDetails, UserRecord};

impl From<CodeError> for OAuthError {
    fn from(error: CodeError) -> Self {
        Self::unavailable(error.to_string())
    }
}

fn invalid(reason: impl Into<String>) -> OAuthError {
    OAuthError::new(OAuthErrorKind::InvalidGrant, "the code does not hold").because(reason.into())
}

impl Inner {
    pub(super) async fn authorization_code(&self, request: &OAuthRequest) -> Result<TokenGrant, OAuthError> {
        let needed = |name| {
            let missing = || OAuthError::request("`code`, `redirect_uri` and `code_verifier` are needed");
            request.form.one(name).ok_or_else(missing)
        };
        let (code, redirect_uri, verifier) =
            (needed("code")?, needed("redirect_uri")?, needed("code_verifier")?);
        let client = self.client(request, "token").await?;
        let signer = self.signer().map_err(OAuthError::unavailable)?;
        self.call().token_of(&client.id).await?;
        let now = self.clock.now();
        let missing = |_| OAuthError::unavailable("cannot read random bytes from the system");
        let id = random::id().map_err(missing)?;
        let codes = Codes(&*self.stores.records);
        let grant = match codes.redeem(code, &client.id, &id, now).await? {
            Redeemed::First(grant) => *grant,
            Redeemed::Replayed(session) => {
                // Two have the code: what came of it is nobody's any more (RFC 6749 4.1.2, RFC 9700 4.5.3).
                self.stores.sessions.end(&session, self.longest_tokens_expire_at(now)).await?;
                return Err(invalid(format!("the code was used before; session `{session}` is ended")));
            }
            Redeemed::Unknown => return Err(invalid("no such code, or it is too old, or another client's")),
        };
        let user = self.user_of_code(&grant, redirect_uri, verifier).await?;
        let refresh = RefreshToken::generate().ok_or_else(|| missing(random::RandomnessError))?;
        let session = self.session_of_code(id, &grant, &client, &refresh, now)?;
        self.stores.sessions.begin(&session).await?;
        // What was taken away, and a replay, before the session began did not end it: look again, now that it has begun.
        let again = self.stores.users.by_id(&user.id).await?;
        let stays = again.is_some_and(|user| self.still_holds(&user, &grant));
        if !stays || codes.was_replayed(code, now).await? {
            self.stores.sessions.end(&session.id, self.longest_tokens_expire_at(now)).await?;
            return Err(invalid("the code was used again, or the user was changed meanwhile"));
        }
        self.tokens_of_code(&signer, &grant, &user, &client, &session, refresh, now)
    }

    /// Whether the user may have what the code was given for.
    fn still_holds(&self, user: &UserRecord, grant: &CodeGrant) -> bool {
        !user.disabled && password_mark(user) == grant.password && !self.verifier.must_change(user)
    }

    async fn user_of_code(
        &self,
        grant: &CodeGrant,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<UserRecord, OAuthError> {
        if grant.redirect_uri != redirect_uri {
            return Err(invalid("another redirect URI than the code was asked for with"));
        }
        if !grant.is_proved_by(verifier) {
            return Err(invalid("the verifier is not the one behind the challenge (PKCE)"));
        }
        let user = self.stores.users.by_id(&grant.user).await?;
        let user = user.filter(|user| self.still_holds(user, grant));
        user.ok_or_else(|| invalid("the user is disabled or deleted, or has another password"))
    }

    fn session_of_code(
        &self,
        id: String,
        grant: &CodeGrant,
        client: &ClientRecord,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> Result<Session, OAuthError> {
        // Without `offline_access` nobody is given the refresh token: it lasts as long as the access token does.
        let offline = grant.scopes.iter().any(|scope| scope == OFFLINE_ACCESS);
        let access = client.token_lifetime.unwrap_or(self.settings.access_lifetime);
        let lasts = if offline { self.settings.refresh_lifetime.max(access) } else { access };
        let missing = |_| OAuthError::unavailable("cannot read random bytes from the system");
        Ok(Session {
            id,
            user_id: grant.user.clone(),
            token_sha256: refresh.sha256(),
            expires_at: now.plus(lasts),
            created_at: now,
            chain_key: Some(random::bytes().map_err(missing)?),
            details: SessionDetails {
                client: Some(client.id.clone()),
                scopes: grant.scopes.clone(),
                audiences: grant.audiences.clone(),
                authenticated_at: Some(grant.authenticated_at),
                methods: grant.methods.clone(),
                browser: Some(grant.browser.clone()),
            },
        })
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is what a grant is made of")]
    fn tokens_of_code(
        &self,
        signer: &Signer,
        grant: &CodeGrant,
        user: &UserRecord,
        client: &ClientRecord,
        session: &Session,
        refresh: RefreshToken,
        now: Timestamp,
    ) -> Result<TokenGrant, OAuthError> {
        let fault = |fault: crate::jose::SigningFault| OAuthError::unavailable(fault.to_string());
        let pair = self.pair(signer, user, session, Some(client), refresh, now).map_err(fault)?;
        let has = |scope: &str| grant.scopes.iter().any(|known| known == scope);
        let mut granted = TokenGrant::from(pair);
        if has(OPENID) {
            let what = IdTokenFor {
                user,
                session,
                client,
                nonce: grant.nonce.as_deref(),
                access_token: granted.access_token.expose(),
            };
            let span = Span { from: now, lifetime: self.settings.access_lifetime };
            let token = tokens::id_token(signer, &self.settings.issuer, &what, span).map_err(fault)?;
            granted.id_token = Some(token);
        }
        if !has(OFFLINE_ACCESS) {
            granted.refresh_token = None;
        }
        Ok(granted)
    }
}
