//! Logout at the provider (OpenID Connect RP-Initiated Logout 1.0): of the browser's session, and of what clients were given in it.

use super::authorization::OFFLINE_ACCESS;
use super::authorize::stopped;
use super::browser_session::BrowserSession;
use super::form::Form;
use super::id_token_hint::IdTokenHint;
use super::interaction::{BrowserAnswer, BrowserOutcome, Happened, Interaction, PageKind, Stop};
use super::provider::{Inner, Provider};
use super::redirect_uri::RedirectUri;
use super::ticket::{Goal, Stage};
use super::visit::Visit;
use crate::control::STORE_ANSWERS_WITHIN;
use haechi_core::ports::{ClientRecord, StoreError};

/// The most sessions of one user that are looked through.
const MOST: usize = 1000;

impl Provider {
    /// A client, or a person, asks for a logout.
    pub async fn end_session(&self, visit: Visit, parameters: Form) -> BrowserOutcome {
        let inner = self.inner.clone();
        let visit = Box::pin(async move { inner.end_session(visit, &parameters).await });
        self.browse(STORE_ANSWERS_WITHIN, visit).await
    }
}

impl Inner {
    async fn end_session(&self, visit: Visit, parameters: &Form) -> BrowserOutcome {
        let mut interaction = match Interaction::begin(self, visit).await {
            Ok(interaction) => interaction,
            Err(stop) => return stopped(stop),
        };
        let answer = interaction.end_session(parameters).await;
        interaction.outcome(answer)
    }

    fn hint(&self, text: &str) -> Option<IdTokenHint> {
        let keys = self.keyring.verifying();
        IdTokenHint::read(text, &self.settings.issuer, &keys.load(), self.clock.uptime(), self.clock.now())
    }

    /// Ends a browser's session and what clients were given in it, but for what was to last beyond it (`offline_access`).
    pub(super) async fn end_browser_login(&self, session: &str, user: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.stores.web_sessions.end(session).await?;
        for given in self.stores.sessions.list(Some(user), now, MOST).await? {
            let lasts = given.details.scopes.iter().any(|scope| scope == OFFLINE_ACCESS);
            if given.details.browser.as_deref() == Some(session) && !lasts {
                self.stores.sessions.end(&given.id, self.longest_tokens_expire_at(now)).await?;
            }
        }
        Ok(())
    }
}

impl Interaction<'_> {
    async fn end_session(&mut self, parameters: &Form) -> Result<BrowserAnswer, Stop> {
        let told = "the logout that the application asks for is not one of this provider";
        let hint = match parameters.one("id_token_hint") {
            None => None,
            Some(text) => Some(self.inner.hint(text).ok_or_else(|| BrowserAnswer::refused(told))?),
        };
        let named = parameters.one("client_id");
        if let (Some(hint), Some(named)) = (&hint, named)
            && hint.client != named
        {
            return Err(BrowserAnswer::refused(told).into());
        }
        let client = match hint.as_ref().map(|hint| hint.client.as_str()).or(named) {
            Some(id) => self.inner.stores.clients.by_id(id).await?,
            None => None,
        };
        let to = self.leads_to(client.as_ref(), parameters)?;
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        let Some(session) = session else { return self.logged_out(to) };
        let fits = hint.is_some_and(|hint| {
            hint.subject == session.user.id && hint.session.as_deref() == Some(&session.id)
        });
        if fits {
            return self.end(&session, to).await;
        }
        // A link of another site logs nobody out by itself.
        let goal = Goal::Logout;
        let stage = Stage::Logout { session: session.id.clone(), to: to.clone() };
        let mut page = self.page(PageKind::Logout, goal, stage)?;
        page.username.clone_from(&session.user.name);
        page.leads_to = to.and_then(|to| RedirectUri::parse(&to).ok()).map(|to| to.origin().to_owned());
        Ok(BrowserAnswer::Page(Box::new(page)))
    }

    /// Where the browser goes afterwards: where the client has registered, and nowhere else.
    fn leads_to(&self, client: Option<&ClientRecord>, parameters: &Form) -> Result<Option<String>, Stop> {
        let Some(text) = parameters.one("post_logout_redirect_uri") else { return Ok(None) };
        let told = "the application does not say where to send you to after the logout, or not where it has registered";
        let refused = || Stop::Answer(BrowserAnswer::refused(told));
        let asked = RedirectUri::parse(text).map_err(|_| refused())?;
        let known = client.map(|client| &client.login.post_logout_redirect_uris);
        let admits = |known: &String| RedirectUri::parse(known).is_ok_and(|known| known.admits(&asked));
        if !known.is_some_and(|known| known.iter().any(admits)) {
            return Err(refused());
        }
        let state: Vec<(&str, &str)> =
            parameters.one("state").map(|state| ("state", state)).into_iter().collect();
        Ok(Some(asked.with(&state)))
    }

    pub(super) async fn confirmed_logout(
        &mut self,
        shown_for: &str,
        to: Option<String>,
    ) -> Result<BrowserAnswer, Stop> {
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        match session.filter(|session| session.id == shown_for) {
            Some(session) => self.end(&session, to).await,
            None => self.logged_out(to),
        }
    }

    async fn end(&mut self, session: &BrowserSession, to: Option<String>) -> Result<BrowserAnswer, Stop> {
        self.inner.end_browser_login(&session.id, &session.user.id).await?;
        self.happened.push(Happened::done("logout", &session.user.id, Some(&session.id)));
        self.logged_out(to)
    }

    fn logged_out(&mut self, to: Option<String>) -> Result<BrowserAnswer, Stop> {
        self.cookies.extend(self.visit.forget_session());
        if let Some(location) = to {
            return Ok(self.see_other(location));
        }
        let goal = Goal::Logout;
        let page = self.page(PageKind::LoggedOut, goal, Stage::Password)?;
        Ok(BrowserAnswer::Page(Box::new(page)))
    }
}
