//! What a login takes: the way to the provider and back, what is believed of its answer, and its tokens, which are refreshed in the same way.

use super::client::{Browser, CallbackAnswer, Inner, LoggedIn, Redirection};
use super::config::ResponseMode;
use super::discovery::Metadata;
use super::endpoint::{self, Granted, Refused, shortened};
use super::fault::LoginFault;
use super::id_token::{self, Beside};
use super::kept_tokens::{KeptTokens, SessionSecret};
use super::login_state::{LASTS, LoginSeal, LoginState};
use super::return_to::ReturnTo;
use crate::identity::Form;
use crate::oidc_parameters::form;
use crate::{SetCookie, StepUp, random};
use haechi_core::Timestamp;
use haechi_core::ports::WebSession;
use serde_json::{Map, Value};
use std::time::Duration;

/// A login that was over so long ago did help.
const LOOKS_LIKE_A_LOOP: Duration = Duration::from_secs(60);
/// So many logins in a row that do not help are a loop.
const MOST_IN_VAIN: u8 = 3;

impl Inner {
    pub(super) async fn start(
        &self,
        browser: &Browser,
        return_to: ReturnTo,
        asked: StepUp,
    ) -> Result<Redirection, LoginFault> {
        let now = self.clock.now();
        let return_to = return_to.outside(&self.config.base);
        let seal = self.seal().await?;
        let (earlier, useless) = seal.all(&browser.head.fields, browser.way, now);
        let in_vain = self.logins_in_vain(browser, &earlier, now).await?;
        if in_vain >= MOST_IN_VAIN {
            return Err(LoginFault::Loop);
        }
        // Before anybody types a password: without keys nothing would come of it.
        self.keys.readiness().map_err(LoginFault::Unavailable)?;
        let metadata = self.discovery.metadata(&*self.calls).await?;
        let redirect_uri = format!("{}{}", browser.site(), self.config.callback_path());
        let login = LoginState::begin(redirect_uri, &return_to, &asked, in_vain, now)?;
        let location = self.authorization_request(&metadata, &login, &asked, now).await?;
        let mut cookies = vec![self.login_cookie(browser, &seal, &login)?];
        let taken_away = useless.iter().filter_map(|name| browser.way.cookie(name, ""));
        cookies.extend(taken_away.map(|cookie| cookie.max_age(Duration::ZERO)));
        Ok(Redirection { location, cookies })
    }

    /// How many logins were over a moment ago and left no session behind.
    async fn logins_in_vain(
        &self,
        browser: &Browser,
        earlier: &[LoginState],
        now: Timestamp,
    ) -> Result<u8, LoginFault> {
        let lately = |login: &&LoginState| login.over && login.age(now) < LOOKS_LIKE_A_LOOP;
        let most = earlier.iter().filter(lately).map(|login| login.in_vain).max().unwrap_or(0);
        if most == 0 || self.session(browser, now).await?.is_some() {
            return Ok(0);
        }
        Ok(most)
    }

    fn login_cookie(
        &self,
        browser: &Browser,
        seal: &LoginSeal,
        login: &LoginState,
    ) -> Result<SetCookie, LoginFault> {
        let sealed =
            seal.seal(login).and_then(|value| browser.way.cookie(&login.cookie_name(browser.way), &value));
        let cookie = sealed.ok_or_else(|| LoginFault::unavailable("the cryptographic library failed"))?;
        let cookie = cookie.max_age(LASTS);
        Ok(match self.config.response_mode {
            ResponseMode::Query => cookie,
            ResponseMode::FormPost => cookie.cross_site(),
        })
    }

    /// The address of the provider's login page (RFC 6749 4.1.1, RFC 7636 4.3, OpenID Connect Core 1.0, 3.1.2.1), pushed where it takes that.
    async fn authorization_request(
        &self,
        metadata: &Metadata,
        login: &LoginState,
        asked: &StepUp,
        now: Timestamp,
    ) -> Result<String, LoginFault> {
        let config = &self.config;
        let wanted = [("acr_values", asked.acr_values()), ("max_age", asked.max_age())];
        let wanted: Vec<(&str, &str)> =
            wanted.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let (scope, challenge) = (config.scopes.join(" "), login.challenge());
        let mut parameters: Vec<(&str, &str)> = vec![
            ("response_type", "code"),
            ("client_id", &config.client_id),
            ("redirect_uri", &login.redirect_uri),
            ("scope", &scope),
            ("state", &login.state),
            ("nonce", &login.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if config.response_mode == ResponseMode::FormPost {
            parameters.push(("response_mode", "form_post"));
        }
        // What the route asks for goes before what is asked for at every login.
        let usual = config.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        parameters.extend(usual.filter(|(name, _)| wanted.iter().all(|(known, _)| known != name)));
        parameters.extend(&wanted);
        let query = match &metadata.pushed_authorization_request_endpoint {
            None => form(&parameters),
            Some(endpoint) => {
                let uri = endpoint::push(config, metadata, &*self.calls, endpoint, &parameters, now).await?;
                form(&[("client_id", &config.client_id), ("request_uri", &uri)])
            }
        };
        let page = &metadata.authorization_endpoint;
        let join = if page.contains('?') { '&' } else { '?' };
        Ok(format!("{page}{join}{query}"))
    }

    pub(super) async fn callback(
        &self,
        browser: &Browser,
        answer: &Form,
    ) -> Result<CallbackAnswer, LoginFault> {
        let now = self.clock.now();
        let state =
            answer.one("state").ok_or_else(|| LoginFault::Malformed("it has no `state`".to_owned()))?;
        let seal = self.seal().await?;
        let login = seal.find(&browser.head.fields, browser.way, state, now).ok_or(LoginFault::Unknown)?;
        if login.over {
            return self.again(browser, &login, now).await;
        }
        let metadata = self.discovery.metadata(&*self.calls).await?;
        self.check_issuer(answer, &metadata)?;
        if let Some(error) = answer.one("error") {
            return Err(LoginFault::Denied(shortened(error)));
        }
        let code = answer.one("code").ok_or_else(|| LoginFault::Malformed("it has no `code`".to_owned()))?;
        let (session, secret) = self.log_in(&metadata, &login, code, now).await?;
        self.end_other(browser, &session, now).await?;
        self.sessions.begin(&session).await?;
        let name = self.config.cookies.of(browser.way);
        let cookie = browser.way.cookie(name, secret.expose());
        let cookie =
            cookie.ok_or_else(|| LoginFault::unavailable("the session's cookie cannot be written"))?;
        let over = self.login_cookie(browser, &seal, &login.finished(now))?;
        let location = login.return_to().as_str().to_owned();
        let logged_in = LoggedIn { issuer: session.issuer, subject: session.subject, session: session.id };
        Ok(CallbackAnswer {
            redirection: Redirection { location, cookies: vec![cookie, over] },
            logged_in: Some(logged_in),
        })
    }

    /// The back button shows the provider's page once more: who is logged in goes on, and who is not begins anew. The answer itself is not looked at.
    async fn again(
        &self,
        browser: &Browser,
        login: &LoginState,
        now: Timestamp,
    ) -> Result<CallbackAnswer, LoginFault> {
        let to = login.return_to();
        let location = match self.session(browser, now).await? {
            Some(_) => to.as_str().to_owned(),
            None => format!("{}?return_to={}", self.config.start_path(), to.encoded()),
        };
        Ok(CallbackAnswer { redirection: Redirection { location, cookies: Vec::new() }, logged_in: None })
    }

    /// The answer is this provider's, and no other's who was mixed up with it (RFC 9207 2.4).
    fn check_issuer(&self, answer: &Form, metadata: &Metadata) -> Result<(), LoginFault> {
        match answer.one("iss") {
            Some(issuer) if issuer == &*self.config.issuer => Ok(()),
            Some(_) => Err(LoginFault::untrusted("the answer's `iss` names another provider")),
            None if metadata.names_itself => Err(LoginFault::untrusted(
                "the answer has no `iss`, and the provider says that its answers have one",
            )),
            None => Ok(()),
        }
    }

    /// Exchanges the code, and believes what comes of it only after all checks.
    async fn log_in(
        &self,
        metadata: &Metadata,
        login: &LoginState,
        code: &str,
        now: Timestamp,
    ) -> Result<(WebSession, SessionSecret), LoginFault> {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &*login.redirect_uri),
            ("code_verifier", &*login.verifier),
        ];
        let granted = endpoint::token(&self.config, metadata, &*self.calls, &parameters, now).await?;
        let token = granted.id_token.as_ref();
        let token = token.ok_or_else(|| LoginFault::untrusted("token endpoint: `id_token` is missing"))?;
        let access_token = granted.access_token.expose();
        let nonce = Some(&*login.nonce);
        let beside = Beside { nonce, subject: None, access_token, code: Some(code) };
        let now = self.clock.now();
        let claims = id_token::check(&self.config, &self.keys, token.expose(), beside, now).await?;
        let all = self.joined(metadata, &claims.subject, claims.all, &granted).await?;
        let (secret, id) = (SessionSecret::generate()?, random::id()?);
        let (tokens, refresh_at) = self.kept(&granted, None, &secret, &id, now)?;
        let expires_at = now.plus(self.config.absolute);
        let session = WebSession {
            id,
            secret_sha256: secret.sha256(),
            authenticator: self.config.name.to_string(),
            issuer: self.config.issuer.to_string(),
            subject: claims.subject,
            provider_session: claims.session,
            claims: Value::Object(all).to_string(),
            tokens: Some(tokens),
            refresh_at,
            version: 0,
            created_at: now,
            seen_at: now,
            idle_until: now.plus(self.config.idle).min(expires_at),
            expires_at,
        };
        // What cannot become a caller becomes no session.
        let caller = self.caller(&session, None);
        let caller = caller.map_err(|fault| LoginFault::untrusted(format!("ID token: {fault}")))?;
        let asked = login.asked().ok_or(LoginFault::Unknown)?;
        if !asked.is_satisfied_by(&caller.login, now) {
            return Err(LoginFault::Insufficient(asked.why_not(&caller.login, now)));
        }
        Ok((session, secret))
    }

    /// The browser's session before this one ends when it was somebody else's. The same person's stays until it is idle: other tabs still use it in what
    /// they have sent, and a new login is a new session all the same.
    async fn end_other(
        &self,
        browser: &Browser,
        next: &WebSession,
        now: Timestamp,
    ) -> Result<(), LoginFault> {
        if let Some((before, _)) = self.session(browser, now).await?
            && (&before.issuer, &before.subject) != (&next.issuer, &next.subject)
        {
            self.sessions.end(&before.id).await?;
        }
        Ok(())
    }

    /// Refreshes the tokens of a session once. `Ok(None)` where the provider refuses: the session is over there.
    pub(super) async fn refresh(
        &self,
        session: &WebSession,
        tokens: &KeptTokens,
        secret: &SessionSecret,
    ) -> Result<Option<WebSession>, LoginFault> {
        let Some(refresh_token) = tokens.refresh.as_deref() else { return Ok(None) };
        let metadata = self.discovery.metadata(&*self.calls).await?;
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let now = self.clock.now();
        let granted = match endpoint::token(&self.config, &metadata, &*self.calls, &parameters, now).await {
            Ok(granted) => granted,
            Err(Refused::By(error)) if error == "invalid_grant" => return Ok(None),
            // The gate itself is refused: that says nothing of the person.
            Err(Refused::By(error)) => {
                return Err(LoginFault::Unavailable(format!("the token endpoint says `{error}`")));
            }
            Err(Refused::Fault(fault)) => return Err(fault),
        };
        let now = self.clock.now();
        let claims = match &granted.id_token {
            Some(token) => {
                let access_token = granted.access_token.expose();
                let beside =
                    Beside { nonce: None, subject: Some(&session.subject), access_token, code: None };
                id_token::check(&self.config, &self.keys, token.expose(), beside, now).await?.all
            }
            None => serde_json::from_str(&session.claims)
                .map_err(|fault| LoginFault::unavailable(fault.to_string()))?,
        };
        let claims = self.joined(&metadata, &session.subject, claims, &granted).await?;
        let (sealed, refresh_at) = self.kept(&granted, Some(tokens), secret, &session.id, now)?;
        let claims = Value::Object(of_the_login(claims, &session.claims)).to_string();
        Ok(Some(WebSession {
            claims,
            tokens: Some(sealed),
            refresh_at,
            version: session.version.saturating_add(1),
            ..session.clone()
        }))
    }

    /// The claims of the ID token, then those of `userinfo`, then the scopes that were granted.
    async fn joined(
        &self,
        metadata: &Metadata,
        subject: &str,
        mut all: Map<String, Value>,
        granted: &Granted,
    ) -> Result<Map<String, Value>, LoginFault> {
        if self.config.userinfo {
            let endpoint = metadata.userinfo_endpoint.as_deref();
            let endpoint =
                endpoint.ok_or_else(|| LoginFault::unavailable("the provider has no `userinfo_endpoint`"))?;
            let more = endpoint::userinfo(&*self.calls, endpoint, &granted.access_token, subject).await?;
            for (name, value) in more {
                all.entry(name).or_insert(value);
            }
        }
        if !all.contains_key("scope") {
            // What is left unsaid is what was asked for (RFC 6749 5.1).
            let scope = granted.scope.clone().unwrap_or_else(|| self.config.scopes.join(" "));
            all.insert("scope".to_owned(), scope.into());
        }
        Ok(all)
    }

    /// The tokens as they are kept, and when they want to be refreshed. A refresh token that was not replaced stays.
    fn kept(
        &self,
        granted: &Granted,
        before: Option<&KeptTokens>,
        secret: &SessionSecret,
        id: &str,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Option<Timestamp>), LoginFault> {
        let exposed =
            |token: &Option<haechi_core::Secret<String>>| token.as_ref().map(|token| token.expose().clone());
        let refresh = exposed(&granted.refresh_token).or_else(|| before?.refresh.clone());
        let ends = granted.expires_in.map(|lasts| now.plus(lasts));
        let refresh_at = granted.expires_in.filter(|_| refresh.is_some()).map(|lasts| {
            // In good time before they end.
            now.plus(lasts.saturating_sub((lasts / 5).min(Duration::from_secs(60))))
        });
        let tokens = KeptTokens {
            access: granted.access_token.expose().clone(),
            refresh,
            id: exposed(&granted.id_token).or_else(|| before?.id.clone()),
            access_ends: ends.map(Timestamp::as_millis),
            scope: granted.scope.clone().or_else(|| before?.scope.clone()),
        };
        let sealed = tokens.seal(secret, id);
        Ok((sealed.ok_or_else(|| LoginFault::unavailable("the cryptographic library failed"))?, refresh_at))
    }
}

/// The claims after a refresh, with `acr` and `auth_time` as they were at the login: nobody has logged in since (OpenID Connect Core 1.0, 12.2).
fn of_the_login(mut claims: Map<String, Value>, before: &str) -> Map<String, Value> {
    let before: Map<String, Value> = serde_json::from_str(before).unwrap_or_default();
    for name in ["acr", "auth_time"] {
        claims.remove(name);
        claims.extend(before.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    claims
}
