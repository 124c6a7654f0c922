//! An `oidc` authenticator's part beside requests: logins, logouts, and the sessions that come of them.

use super::calls::WebCalls;
use super::config::{OidcConfig, ResponseMode};
use super::discovery::{Discovery, Metadata};
use super::endpoint::{self, Granted, Refused, shortened};
use super::fault::LoginFault;
use super::id_token::{self, Beside};
use super::kept_tokens::{KeptTokens, SessionSecret};
use super::login_state::{LASTS, LoginSeal, LoginState, Way};
use super::return_to::{ReturnTo, form};
use crate::control::Control;
use crate::effects::opens_a_page;
use crate::identity::Form;
use crate::keys::KeySource;
use crate::{SetCookie, Unavailable, random};
use haechi_core::ports::{EndedByProvider, WebSession, WebSessions};
use haechi_core::{Clock, RequestHead, RoleTable, Timestamp};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Discovery, the code, the keys and `userinfo`, one after the other, each of which takes at most five seconds.
const LOGIN_ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// A login that was over so long ago did help.
const LOOKS_LIKE_A_LOOP: Duration = Duration::from_secs(60);
/// So many logins in a row that do not help are a loop.
const MOST_IN_VAIN: u8 = 3;
/// So many logins and logouts are worked on at once: each may ask the provider, and anybody can begin one.
const MOST_LOGINS: usize = 512;
/// So many logout tokens are remembered, so that none works twice.
const LOGOUT_TOKENS: usize = 4096;

/// What logins are made of.
pub struct OidcParts {
    /// As configured.
    pub config: OidcConfig,
    /// The provider's keys.
    pub keys: Arc<KeySource>,
    /// Asks the provider.
    pub calls: Arc<dyn WebCalls>,
    /// Where sessions are kept.
    pub sessions: Arc<dyn WebSessions>,
    /// The roles and what they include.
    pub roles: Arc<RoleTable>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where providers and the store are asked.
    pub control: Control,
}

/// Logs people in and out. Its calls may be made on any runtime; the work is done on the control runtime.
#[derive(Clone)]
pub struct OidcClient(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) config: OidcConfig,
    pub(super) keys: Arc<KeySource>,
    pub(super) calls: Arc<dyn WebCalls>,
    pub(super) sessions: Arc<dyn WebSessions>,
    pub(super) roles: Arc<RoleTable>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) control: Control,
    pub(super) discovery: Discovery,
    seal: OnceLock<Arc<LoginSeal>>,
    /// Logins and logouts that are being worked on.
    logins_under_way: AtomicUsize,
    /// Sessions that are being looked up.
    pub(super) lookups_under_way: AtomicUsize,
    /// The ids of logout tokens that came lately.
    logout_tokens: Mutex<VecDeque<String>>,
    pub(super) counts: OidcCounts,
}

/// What was counted, for metrics.
#[derive(Debug, Default)]
pub struct OidcCounts {
    /// Sessions that began.
    pub begun: AtomicU64,
    /// Logins that were refused.
    pub refused: AtomicU64,
    /// Logins of which could not be found out whether they are right.
    pub unavailable: AtomicU64,
    /// Sessions that their people ended.
    pub logged_out: AtomicU64,
    /// Sessions that the provider ended, by a logout token or by refusing a refresh.
    pub ended_by_provider: AtomicU64,
    /// Refreshes of tokens that gave new ones.
    pub refreshed: AtomicU64,
    /// Refreshes that came to nothing.
    pub refresh_failed: AtomicU64,
}

/// Where a browser is sent, and the cookies that it gets.
#[derive(Debug)]
pub struct Redirection {
    /// The value of `Location`.
    pub location: String,
    /// The cookies.
    pub cookies: Vec<SetCookie>,
}

/// Somebody who has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    /// Who vouches for the subject.
    pub issuer: String,
    /// Who.
    pub subject: String,
    /// The session's id.
    pub session: String,
}

/// What came of a provider's answer.
#[derive(Debug)]
pub struct CallbackAnswer {
    /// Where the browser goes.
    pub redirection: Redirection,
    /// Who has logged in; `None` where that had happened before.
    pub logged_in: Option<LoggedIn>,
}

/// What a browser sent, as far as it matters to logins: owned, because the work is done elsewhere.
struct Browser {
    head: RequestHead,
    way: Way,
}

impl OidcClient {
    /// Puts the parts together. Nothing is asked yet.
    pub fn new(parts: OidcParts) -> Self {
        let OidcParts { config, keys, calls, sessions, roles, clock, control } = parts;
        let discovery = Discovery::new(config.issuer.clone(), config.allow_http, clock.clone());
        Self(Arc::new(Inner {
            config,
            keys,
            calls,
            sessions,
            roles,
            clock,
            control,
            discovery,
            seal: OnceLock::new(),
            logins_under_way: AtomicUsize::new(0),
            lookups_under_way: AtomicUsize::new(0),
            logout_tokens: Mutex::default(),
            counts: OidcCounts::default(),
        }))
    }

    /// The authenticator's name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    /// As configured.
    pub fn config(&self) -> &OidcConfig {
        &self.0.config
    }

    /// The path at which a login begins.
    pub fn start_path(&self) -> String {
        self.0.config.start_path()
    }

    /// Whether an ID token could be verified now.
    ///
    /// # Errors
    /// Why not.
    pub fn readiness(&self) -> Result<(), String> {
        self.0.keys.readiness()
    }

    /// What was counted.
    pub fn counts(&self) -> &OidcCounts {
        &self.0.counts
    }

    /// Begins a login, from which the browser comes back to `return_to`.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn start(
        &self,
        head: &RequestHead,
        return_to: Option<&str>,
    ) -> Result<Redirection, LoginFault> {
        let return_to = match return_to {
            None => ReturnTo::home(),
            Some(text) => ReturnTo::parse(text).ok_or(LoginFault::ReturnTo)?,
        };
        if !opens_a_page(head) {
            return Err(LoginFault::NotAPage);
        }
        let browser = Browser::of(head)?;
        let _place = Place::among(&self.0.logins_under_way, MOST_LOGINS)?;
        let inner = self.0.clone();
        let work = async move { inner.start(&browser, return_to).await };
        let outcome = self.0.control.ask(LOGIN_ANSWERS_WITHIN, work).await?;
        if let Err(fault) = &outcome {
            self.0.count_fault(fault);
        }
        outcome
    }

    /// Takes a provider's answer.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn callback(&self, head: &RequestHead, answer: Form) -> Result<CallbackAnswer, LoginFault> {
        let browser = Browser::of(head)?;
        let _place = Place::among(&self.0.logins_under_way, MOST_LOGINS)?;
        let inner = self.0.clone();
        let work = async move { inner.callback(&browser, &answer).await };
        let outcome = self.0.control.ask(LOGIN_ANSWERS_WITHIN, work).await?;
        match &outcome {
            Ok(CallbackAnswer { logged_in: Some(_), .. }) => count(&self.0.counts.begun),
            Ok(_) => {}
            Err(fault) => self.0.count_fault(fault),
        }
        outcome
    }

    /// Ends the browser's session with this authenticator, if it has one. Where the browser goes for the provider to end its own, if it does, and who it was.
    ///
    /// # Errors
    /// [`LoginFault::Unavailable`], where the session may still be alive.
    pub async fn logout(&self, head: &RequestHead) -> Result<Option<(Option<String>, LoggedIn)>, LoginFault> {
        let Ok(browser) = Browser::of(head) else { return Ok(None) };
        let _place = Place::among(&self.0.logins_under_way, MOST_LOGINS)?;
        let inner = self.0.clone();
        let work = async move { inner.logout(&browser).await };
        let outcome = self.0.control.ask(LOGIN_ANSWERS_WITHIN, work).await?;
        if matches!(outcome, Ok(Some(_))) {
            count(&self.0.counts.logged_out);
        }
        outcome
    }

    /// The cookies that take a browser's cookies of this authenticator away.
    pub fn forget(&self, head: &RequestHead) -> Vec<SetCookie> {
        let Some(way) = Way::of(head) else { return Vec::new() };
        way.cookie(self.0.config.cookies.of(way), "")
            .into_iter()
            .map(|cookie| cookie.max_age(Duration::ZERO))
            .collect()
    }

    /// Ends the sessions that a provider's logout token names (Back-Channel Logout 1.0, 2.5): their ids.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn backchannel_logout(&self, token: String) -> Result<Vec<String>, LoginFault> {
        let _place = Place::among(&self.0.logins_under_way, MOST_LOGINS)?;
        let inner = self.0.clone();
        let work = async move { inner.backchannel_logout(&token).await };
        let ended = self.0.control.ask(LOGIN_ANSWERS_WITHIN, work).await??;
        self.0.counts.ended_by_provider.fetch_add(ended.len() as u64, Ordering::Relaxed);
        Ok(ended)
    }
}

/// A place among those of whom only so many are worked on at once.
pub(super) struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    pub(super) fn among(under_way: &'a AtomicUsize, most: usize) -> Result<Self, Unavailable> {
        let place = Self(under_way);
        if under_way.fetch_add(1, Ordering::Relaxed) < most {
            Ok(place)
        } else {
            Err(Unavailable::new("too many logins or sessions are being looked at"))
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Browser {
    fn of(head: &RequestHead) -> Result<Self, LoginFault> {
        let way = Way::of(head).ok_or(LoginFault::Insecure)?;
        Ok(Self { head: head.clone(), way })
    }

    /// Scheme, host and port under which the browser knows this site.
    fn site(&self) -> String {
        let scheme = if self.head.secure { "https" } else { "http" };
        let port = self.head.host.port().map_or_else(String::new, |port| format!(":{port}"));
        format!("{scheme}://{}{port}", self.head.host.name())
    }
}

impl Inner {
    fn count_fault(&self, fault: &LoginFault) {
        let counts = &self.counts;
        count(match fault {
            LoginFault::Unavailable(_) => &counts.unavailable,
            _ => &counts.refused,
        });
    }

    /// What logins are sealed with: made once for all nodes.
    async fn seal(&self) -> Result<Arc<LoginSeal>, LoginFault> {
        if let Some(seal) = self.seal.get() {
            return Ok(seal.clone());
        }
        let key = self.sessions.login_key(&random::bytes()?).await?;
        let seal = LoginSeal::new(&key, &self.config.name, &self.config.issuer);
        let seal = Arc::new(seal.ok_or_else(|| LoginFault::unavailable("the cryptographic library failed"))?);
        Ok(self.seal.get_or_init(|| seal).clone())
    }

    async fn start(&self, browser: &Browser, return_to: ReturnTo) -> Result<Redirection, LoginFault> {
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
        let login = LoginState::begin(redirect_uri, &return_to, in_vain, now)?;
        let location = self.authorization_request(&metadata, &login, now).await?;
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
        now: Timestamp,
    ) -> Result<String, LoginFault> {
        let config = &self.config;
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
        parameters.extend(config.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
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

    async fn callback(&self, browser: &Browser, answer: &Form) -> Result<CallbackAnswer, LoginFault> {
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
        self.caller(&session, None).map_err(|fault| LoginFault::untrusted(format!("ID token: {fault}")))?;
        Ok((session, secret))
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

    /// The browser's session, of whichever authenticator.
    async fn session(
        &self,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Option<(WebSession, SessionSecret)>, LoginFault> {
        let name = self.config.cookies.of(browser.way);
        let value = haechi_core::cookies::sole(&browser.head.fields, name.as_bytes()).ok().flatten();
        let Some(secret) = value.and_then(SessionSecret::parse) else { return Ok(None) };
        Ok(self.sessions.by_secret(&secret.sha256(), now).await?.map(|session| (session, secret)))
    }

    async fn logout(&self, browser: &Browser) -> Result<Option<(Option<String>, LoggedIn)>, LoginFault> {
        let now = self.clock.now();
        let found = self.session(browser, now).await?;
        let Some((session, secret)) =
            found.filter(|(session, _)| *session.authenticator == *self.config.name)
        else {
            return Ok(None);
        };
        self.sessions.end(&session.id).await?;
        let tokens =
            session.tokens.as_ref().and_then(|sealed| KeptTokens::open(sealed, &secret, &session.id));
        let page = if self.config.provider_logout { self.end_session_page(tokens).await } else { None };
        let who = LoggedIn { issuer: session.issuer, subject: session.subject, session: session.id };
        Ok(Some((page, who)))
    }

    /// Where the provider ends its own session (RP-Initiated Logout 1.0, 2). Ours has ended already: a provider that is away keeps nobody logged in here.
    async fn end_session_page(&self, tokens: Option<KeptTokens>) -> Option<String> {
        let metadata = self.discovery.metadata(&*self.calls).await.ok()?;
        let page = metadata.end_session_endpoint.as_ref()?;
        let hint = tokens.and_then(|tokens| tokens.id);
        let mut parameters = vec![("client_id", &*self.config.client_id)];
        // A longer address is refused by many servers; the hint saves people a question, no more.
        if let Some(hint) = hint.as_deref().filter(|hint| hint.len() <= 4096) {
            parameters.push(("id_token_hint", hint));
        }
        if let Some(after) = &self.config.after_logout {
            parameters.push(("post_logout_redirect_uri", after));
        }
        let join = if page.contains('?') { '&' } else { '?' };
        Some(format!("{page}{join}{}", form(&parameters)))
    }

    async fn backchannel_logout(&self, token: &str) -> Result<Vec<String>, LoginFault> {
        let claims = id_token::check_logout(&self.config, &self.keys, token, self.clock.now()).await?;
        let repeated = {
            let seen = self.logout_tokens.lock().unwrap_or_else(PoisonError::into_inner);
            seen.contains(&claims.id)
        };
        if repeated {
            return Err(LoginFault::untrusted("logout token: it came before"));
        }
        let ended = self
            .sessions
            .end_by_provider(EndedByProvider {
                authenticator: &self.config.name,
                issuer: &self.config.issuer,
                subject: claims.subject.as_deref(),
                provider_session: claims.session.as_deref(),
            })
            .await?;
        // Only what was done is remembered: a provider whose call failed comes again.
        let mut seen = self.logout_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= LOGOUT_TOKENS {
            seen.pop_front();
        }
        seen.push_back(claims.id);
        Ok(ended)
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
        let claims = Value::Object(claims).to_string();
        Ok(Some(WebSession {
            claims,
            tokens: Some(sealed),
            refresh_at,
            version: session.version.saturating_add(1),
            ..session.clone()
        }))
    }
}
