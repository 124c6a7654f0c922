//! The authorization endpoint (RFC 6749 3.1): from a client's request over login and consent to a code.

use super::authorization::{Authorization, asks_for_consent, read};
use super::browser_session::{BrowserSession, BrowserSessions, password_mark};
use super::codes::{CodeFor, Codes};
use super::consent;
use super::form::Form;
use super::interaction::{BrowserAnswer, BrowserOutcome, Happened, Interaction, PageKind, Problem, Stop};
use super::passwords::Shown;
use super::provider::{Credentials, Inner, LOGIN_ANSWERS_WITHIN, LoginRefused, Provider};
use super::ticket::{Goal, Proved, Stage, Ticket};
use super::tokens::acr_of;
use super::visit::Visit;
use crate::Unavailable;
use crate::control::STORE_ANSWERS_WITHIN;
use haechi_core::Secret;
use haechi_core::ports::UserRecord;
use std::time::Duration;

impl Provider {
    /// A client's authorization request, as it stands in the query.
    pub async fn authorize(&self, visit: Visit, query: String) -> BrowserOutcome {
        let inner = self.inner.clone();
        let visit = Box::pin(async move { inner.authorize(visit, &query).await });
        self.browse(STORE_ANSWERS_WITHIN, visit).await
    }

    /// What a person sends with a page's form.
    pub async fn submit(&self, visit: Visit, form: Form) -> BrowserOutcome {
        let inner = self.inner.clone();
        let visit = Box::pin(async move { inner.submit(visit, &form).await });
        self.browse(LOGIN_ANSWERS_WITHIN, visit).await
    }

    pub(super) async fn browse(
        &self,
        limit: Duration,
        visit: impl Future<Output = BrowserOutcome> + Send + 'static,
    ) -> BrowserOutcome {
        let asked: Result<BrowserOutcome, Unavailable> =
            self.ask(limit, async move { Ok(visit.await) }).await;
        asked.unwrap_or_else(|unavailable| BrowserOutcome {
            answer: BrowserAnswer::Unavailable(unavailable.reason.into_owned()),
            happened: Vec::new(),
        })
    }
}

impl Inner {
    pub(super) fn browser_sessions(&self) -> BrowserSessions<'_> {
        BrowserSessions {
            sessions: &*self.stores.web_sessions,
            users: &*self.stores.users,
            passkeys: self.passkeys(),
            verifier: &self.verifier,
            issuer: &self.settings.issuer,
            spans: self.settings.browser_session,
        }
    }

    pub(super) async fn authorize(&self, visit: Visit, query: &str) -> BrowserOutcome {
        let mut interaction = match Interaction::begin(self, visit).await {
            Ok(interaction) => interaction,
            Err(stop) => return stopped(stop),
        };
        let answer = interaction.authorize(query).await;
        interaction.outcome(answer)
    }

    async fn submit(&self, visit: Visit, form: &Form) -> BrowserOutcome {
        let mut interaction = match Interaction::begin(self, visit).await {
            Ok(interaction) => interaction,
            Err(stop) => return stopped(stop),
        };
        let answer = interaction.submit(form).await;
        interaction.outcome(answer)
    }
}

/// Whether it could not be found out: nobody's guess, and no login.
pub(super) fn is_undecided(outcome: &Result<BrowserAnswer, Stop>) -> bool {
    match outcome {
        Ok(answer) | Err(Stop::Answer(answer)) => matches!(answer, BrowserAnswer::Unavailable(_)),
        Err(Stop::Login(refused)) => refused.is_undecided(),
    }
}

pub(super) fn stopped(stop: Stop) -> BrowserOutcome {
    let answer = match stop {
        Stop::Answer(answer) => answer,
        Stop::Login(refused) => BrowserAnswer::unavailable(refused),
    };
    BrowserOutcome { answer, happened: Vec::new() }
}

impl Interaction<'_> {
    pub(super) async fn request(&mut self, query: &str) -> Result<Authorization, Stop> {
        let issuer = &self.inner.settings.issuer;
        match read(&*self.inner.stores.clients, issuer, query).await {
            Ok(request) => Ok(request),
            Err(fault) => Err(self.answer_fault(fault).into()),
        }
    }

    async fn authorize(&mut self, query: &str) -> Result<BrowserAnswer, Stop> {
        let request = self.request(query).await?;
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        self.proceed(&request, session, false).await
    }

    /// On from here: to the login, to the consent, or back with a code. `fresh` says that the login was part of this.
    async fn proceed(
        &mut self,
        request: &Authorization,
        session: Option<BrowserSession>,
        fresh: bool,
    ) -> Result<BrowserAnswer, Stop> {
        let age = session.as_ref().map(|session| self.now.since(session.authenticated_at));
        let too_old = request.max_age.zip(age).is_some_and(|(most, age)| age > Duration::from_secs(most));
        let weak = |session: &BrowserSession| !request.is_satisfied_by(acr_of(&session.methods));
        if fresh && session.as_ref().is_some_and(weak) {
            let told = "the login is not as strong as the application asks for";
            return Ok(self.refuse(request, "unmet_authentication_requirements", told));
        }
        let session = session.filter(|session| fresh || !(request.prompt.login || too_old || weak(session)));
        let Some(session) = session else {
            if request.prompt.none {
                return Ok(self.refuse(
                    request,
                    "login_required",
                    "nobody is logged in, or not lately enough",
                ));
            }
            let name = request.login_hint.clone().unwrap_or_default();
            return self.login_page(Goal::Authorize(request.query.clone()), name, None).await;
        };
        let known = !request.prompt.consent
            && (!asks_for_consent(&request.client)
                || consent::is_given(&*self.inner.stores.records, &session.user.id, request, self.now)
                    .await?);
        if known {
            return self.give_code(request, &session).await;
        }
        if request.prompt.none {
            return Ok(self.refuse(request, "consent_required", "nobody has been asked yet"));
        }
        let kind = PageKind::Consent {
            scopes: request.scopes.clone(),
            registered: request.client.login.registered,
            sent_to: request.redirect_uri.origin().to_owned(),
        };
        let stage = Stage::Consent { session: session.id.clone() };
        let mut page = self.page_for(kind, request, stage)?;
        page.username.clone_from(&session.user.name);
        Ok(BrowserAnswer::Page(Box::new(page)))
    }

    fn refuse(&mut self, request: &Authorization, error: &'static str, told: &'static str) -> BrowserAnswer {
        let parameters = [("error", error), ("error_description", told)];
        let location = request.back().with(&self.inner.settings.issuer, &parameters);
        self.see_other(location)
    }

    async fn give_code(
        &mut self,
        request: &Authorization,
        session: &BrowserSession,
    ) -> Result<BrowserAnswer, Stop> {
        let password = password_mark(&session.user);
        let for_what = CodeFor {
            client: &request.client.id,
            redirect_uri: request.redirect_uri.as_str(),
            challenge: &request.challenge,
            nonce: request.nonce.as_deref(),
            user: &session.user.id,
            password: &password,
            scopes: &request.scopes,
            audiences: &request.audiences,
            authenticated_at: session.authenticated_at,
            methods: &session.methods,
            browser: &session.id,
        };
        let code = Codes(&*self.inner.stores.records).give(for_what, self.now).await?;
        self.happened.push(Happened::done("code.issue", &session.user.id, Some(&session.id)));
        let location = request.back().with(&self.inner.settings.issuer, &[("code", code.expose())]);
        Ok(self.see_other(location))
    }

    /// The page that asks for name and password, on the way to `goal`.
    pub(super) async fn login_page(
        &mut self,
        goal: Goal,
        name: String,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let mut page = self.page_on_the_way(PageKind::Login, goal, Stage::Password).await?;
        self.ask_for_passkey(&mut page, None);
        page.username = name;
        page.problem = problem;
        Ok(BrowserAnswer::Page(Box::new(page)))
    }

    async fn submit(&mut self, form: &Form) -> Result<BrowserAnswer, Stop> {
        let ticket = form.one("ticket").and_then(|text| self.seal.open(text));
        let Some(ticket) = ticket else {
            return Err(BrowserAnswer::refused("this form is not one of ours").into());
        };
        if !self.visit.is_ours {
            let told = "this form was sent from another site";
            self.happened.push(Happened::refused("login", told.to_owned()));
            return Err(BrowserAnswer::refused(told).into());
        }
        // Nothing is taken of a form that lay about, or that another browser was shown; it is shown again.
        if !ticket.is_alive(self.now) || !self.visit.has_tie(&ticket.tie) {
            return self.again(ticket.goal, Problem::Form).await;
        }
        self.step(ticket, form).await
    }

    pub(super) async fn again(&mut self, goal: Goal, problem: Problem) -> Result<BrowserAnswer, Stop> {
        self.login_page(goal, String::new(), Some(problem)).await
    }

    async fn step(&mut self, ticket: Ticket, form: &Form) -> Result<BrowserAnswer, Stop> {
        let Ticket { goal, stage, .. } = ticket;
        if form.one("action") == Some("cancel") {
            return self.cancel(goal).await;
        }
        match stage {
            Stage::Password if form.one("action") == Some("passkey") => self.passkey(goal, None, form).await,
            Stage::Password => self.password(goal, form).await,
            Stage::Code { user, password } => self.code(goal, (&user, &password), form).await,
            Stage::NewPasskey { session, name } => self.new_passkey(goal, (&session, &name), form).await,
            Stage::NewPassword { user, proved } => self.must_change(goal, (&user, proved), form).await,
            Stage::Own { session } => self.submit_own(goal, &session, form).await,
            Stage::Consent { session } => self.consent(goal, &session, form).await,
            Stage::Logout { session, to } => self.confirmed_logout(&session, to).await,
        }
    }

    async fn cancel(&mut self, goal: Goal) -> Result<BrowserAnswer, Stop> {
        match goal {
            Goal::Authorize(query) => {
                let request = self.request(&query).await?;
                Ok(self.refuse(&request, "access_denied", "the login was given up"))
            }
            Goal::Logout => Err(BrowserAnswer::refused("the logout was given up").into()),
            Goal::Own(page) => Ok(self.see_other(self.inner.own_address(page))),
        }
    }

    /// Name and password: the same way as `POST /auth/login`.
    async fn password(&mut self, goal: Goal, form: &Form) -> Result<BrowserAnswer, Stop> {
        let name = form.one("username").unwrap_or_default().to_owned();
        let password = Secret::from(form.one("password").unwrap_or_default());
        let mut call = self.inner.call();
        let shows = Credentials { name: name.clone(), password, code: None };
        let outcome = match self.inner.check_password(shows, self.visit.from, &mut call).await {
            Ok(shown) if shown.lacks_code => self.code_page(goal, &shown.user, None).await,
            Ok(shown) => self.logged_in(goal, shown).await,
            Err(refused @ LoginRefused::InvalidCredentials(_)) => {
                self.happened.push(Happened::refused("login", refused.to_string()));
                self.login_page(goal, name, Some(Problem::Credentials)).await
            }
            Err(refused) => Err(refused.into()),
        };
        if is_undecided(&outcome) {
            call.give_back();
        }
        outcome
    }

    /// The page that asks for a code of the second factor.
    pub(super) async fn code_page(
        &mut self,
        goal: Goal,
        user: &UserRecord,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let stage = Stage::Code { user: user.id.clone(), password: password_mark(user) };
        let has_app = self.inner.factors().standing(&user.id, self.now).await?.has_app;
        let mut page = self.page_on_the_way(PageKind::Code { has_app }, goal, stage).await?;
        let known = self.inner.passkeys().credentials(&user.id, self.now).await?;
        if !known.is_empty() {
            self.ask_for_passkey(&mut page, Some(&known));
        }
        page.username.clone_from(&user.name);
        page.problem = problem;
        Ok(BrowserAnswer::Page(Box::new(page)))
    }

    /// A code, of whoever has shown the password on the page before; counted as a password is.
    async fn code(
        &mut self,
        goal: Goal,
        (user, password): (&str, &str),
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        let user = self.inner.stores.users.by_id(user).await?;
        let Some(user) = user.filter(|user| password_mark(user) == password) else {
            return self.again(goal, Problem::Form).await;
        };
        if form.one("action") == Some("passkey") {
            return self.passkey(goal, Some(&user), form).await;
        }
        let code = Secret::from(form.one("code").unwrap_or_default());
        let mut call = self.inner.call();
        let outcome = match self.inner.check_code(&user, code, self.visit.from, &mut call).await {
            Ok(shown) => self.logged_in(goal, shown).await,
            Err(refused @ LoginRefused::InvalidCredentials(_)) => {
                self.happened.push(Happened::refused("login", refused.to_string()));
                self.code_page(goal, &user, Some(Problem::Code)).await
            }
            Err(refused) => Err(refused.into()),
        };
        if is_undecided(&outcome) {
            call.give_back();
        }
        outcome
    }

    /// All was shown: the session begins, under a new id. Whoever must change the password does so first.
    pub(super) async fn logged_in(&mut self, goal: Goal, shown: Shown) -> Result<BrowserAnswer, Stop> {
        if self.inner.verifier.must_change(&shown.user) {
            self.happened.push(Happened::refused("login", "the password must be changed first".to_owned()));
            return self.must_change_page(goal, &shown, None).await;
        }
        let sessions = self.inner.browser_sessions();
        let Shown { user, methods, passkey, .. } = shown;
        let proved = Proved { password: password_mark(&user), methods, passkey };
        let (session, cookie) = sessions.begin(&self.visit, user, &proved, self.now).await?;
        self.cookies.extend(cookie);
        self.happened.push(Happened::done("login", &session.user.id, Some(&session.id)));
        match goal {
            Goal::Authorize(query) => {
                let request = self.request(&query).await?;
                self.proceed(&request, Some(session), true).await
            }
            goal => match self.inner.own_goal(&goal) {
                Some(address) => Ok(self.see_other(address)),
                None => Err(BrowserAnswer::refused("this form is not one of ours").into()),
            },
        }
    }

    async fn consent(&mut self, goal: Goal, shown_to: &str, form: &Form) -> Result<BrowserAnswer, Stop> {
        let Goal::Authorize(query) = goal else {
            return Err(BrowserAnswer::refused("this form is not one of ours").into());
        };
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        // Somebody else has logged in meanwhile, or nobody is: nothing is given in another's name.
        let Some(session) = session.filter(|session| session.id == shown_to) else {
            return self.again(Goal::Authorize(query), Problem::Form).await;
        };
        let request = self.request(&query).await?;
        if form.one("action") != Some("allow") {
            self.happened.push(Happened::refused("consent.grant", "the person refused".to_owned()));
            return Ok(self.refuse(&request, "access_denied", "the person refused"));
        }
        consent::give(&*self.inner.stores.records, &session.user.id, &request, self.now).await?;
        self.happened.push(Happened::done("consent.grant", &session.user.id, Some(&session.id)));
        self.give_code(&request, &session).await
    }
}
