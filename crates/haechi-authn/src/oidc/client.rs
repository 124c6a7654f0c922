//! An `oidc` authenticator's part beside requests: logins, logouts, and the sessions that come of them.

use super::calls::WebCalls;
use super::config::OidcConfig;
use super::discovery::{Discovery, Metadata};
use super::fault::LoginFault;
use super::kept_tokens::SessionSecret;
use super::login_state::{LoginSeal, Way};
use super::return_to::ReturnTo;
use crate::control::Control;
use crate::effects::opens_a_page;
use crate::identity::Form;
use crate::keys::KeySource;
use crate::{SetCookie, StepUp, Unavailable, random};
use haechi_core::ports::{WebSession, WebSessions};
use haechi_core::{Clock, RequestHead, RoleTable, Timestamp};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Discovery, the code, the keys and `userinfo`, one after the other, each of which takes at most five seconds.
const LOGIN_ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// So many logins and logouts are worked on at once: each may ask the provider, and anybody can begin one.
const MOST_LOGINS: usize = 512;

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
    pub(super) discovery: Discovery<Metadata>,
    seal: OnceLock<Arc<LoginSeal>>,
    /// Logins and logouts that are being worked on.
    logins_under_way: AtomicUsize,
    /// Sessions that are being looked up.
    pub(super) lookups_under_way: AtomicUsize,
    /// The ids of logout tokens that came lately.
    pub(super) logout_tokens: Mutex<VecDeque<String>>,
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
pub(super) struct Browser {
    pub(super) head: RequestHead,
    pub(super) way: Way,
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

    /// Begins a login that must satisfy `asked`, from which the browser comes back to `return_to`.
    ///
    /// # Errors
    /// [`LoginFault`].
    pub async fn start(
        &self,
        head: &RequestHead,
        return_to: Option<&str>,
        asked: StepUp,
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
        let work = async move { inner.start(&browser, return_to, asked).await };
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
pub(crate) struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    pub(crate) fn among(under_way: &'a AtomicUsize, most: usize) -> Result<Self, Unavailable> {
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
    pub(super) fn site(&self) -> String {
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
    pub(super) async fn seal(&self) -> Result<Arc<LoginSeal>, LoginFault> {
        if let Some(seal) = self.seal.get() {
            return Ok(seal.clone());
        }
        let key = self.sessions.login_key(&random::bytes()?).await?;
        let seal = LoginSeal::new(&key, &self.config.name, &self.config.issuer);
        let seal = Arc::new(seal.ok_or_else(|| LoginFault::unavailable("the cryptographic library failed"))?);
        Ok(self.seal.get_or_init(|| seal).clone())
    }

    /// The browser's session, of whichever authenticator.
    pub(super) async fn session(
        &self,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<Option<(WebSession, SessionSecret)>, LoginFault> {
        let name = self.config.cookies.of(browser.way);
        let value = haechi_core::cookies::sole(&browser.head.fields, name.as_bytes()).ok().flatten();
        let Some(secret) = value.and_then(SessionSecret::parse) else { return Ok(None) };
        Ok(self.sessions.by_secret(&secret.sha256(), now).await?.map(|session| (session, secret)))
    }
}
