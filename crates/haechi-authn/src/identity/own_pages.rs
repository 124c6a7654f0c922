//! The pages on which people see to their own account: password, second factor, logins, and what they have let applications have.

use super::authorize::stopped;
use super::browser_session::{BrowserSession, password_mark};
use super::form::Form;
use super::interaction::{BrowserAnswer, BrowserOutcome, Happened, Interaction, PageKind, Problem, Stop};
use super::new_password::ChangeRefused;
use super::own_factor::FactorRefused;
use super::passwords::Shown;
use super::provider::{Credentials, Inner, LOGIN_ANSWERS_WITHIN, LoginRefused, Provider};
use super::second_factor::NewFactor;
use super::ticket::{Goal, OwnPage, Proved, Stage};
use super::tokens::{is_enough, methods_of};
use super::visit::Visit;
use crate::hashing::PasswordFault;
use haechi_core::Secret;

impl Provider {
    /// One of the pages of a person's own account.
    pub async fn own_page(&self, visit: Visit, page: OwnPage) -> BrowserOutcome {
        let inner = self.inner.clone();
        let visit = Box::pin(async move { inner.own_page(visit, page).await });
        self.browse(LOGIN_ANSWERS_WITHIN, visit).await
    }
}

impl Inner {
    async fn own_page(&self, visit: Visit, page: OwnPage) -> BrowserOutcome {
        let mut interaction = match Interaction::begin(self, visit).await {
            Ok(interaction) => interaction,
            Err(stop) => return stopped(stop),
        };
        let answer = interaction.own_page(page, None).await;
        interaction.outcome(answer)
    }
}

impl Interaction<'_> {
    /// The page, of whoever is logged in; else the login on the way to it.
    pub(super) async fn own_page(
        &mut self,
        page: OwnPage,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        match session {
            Some(session) => self.show_own(page, &session, problem).await,
            None => self.login_page(Goal::Own(page), String::new(), problem).await,
        }
    }

    pub(super) async fn show_own(
        &mut self,
        page: OwnPage,
        session: &BrowserSession,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let user = &session.user;
        let kind = match page {
            OwnPage::Account => PageKind::Account(Box::new(self.account(session).await?)),
            OwnPage::Password => PageKind::NewPassword { asks_current: true },
            OwnPage::SecondFactor => {
                let whose = (&*user.id, &*user.name, &*self.inner.settings.issuer);
                let waits = self.inner.factors().pending(whose, self.now).await?;
                self.second_factor_page(&user.id, waits).await?
            }
            OwnPage::Passkeys => PageKind::Passkeys(self.inner.passkeys().of(&user.id, self.now).await?),
        };
        self.own(page, kind, session, problem)
    }

    pub(super) fn own(
        &mut self,
        page: OwnPage,
        kind: PageKind,
        session: &BrowserSession,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let stage = Stage::Own { session: session.id.clone() };
        let mut shown = self.page(kind, Goal::Own(page), stage)?;
        shown.username.clone_from(&session.user.name);
        shown.problem = problem;
        Ok(BrowserAnswer::Page(Box::new(shown)))
    }

    /// What was sent with the form of such a page, which was shown in the session of this id.
    pub(super) async fn submit_own(
        &mut self,
        goal: Goal,
        shown_in: &str,
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        let Goal::Own(page) = goal else {
            return Err(BrowserAnswer::refused("this form is not one of ours").into());
        };
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        let Some(session) = session.filter(|session| session.id == shown_in) else {
            return self.own_page(page, Some(Problem::Form)).await;
        };
        match page {
            OwnPage::Account => self.submit_account(&session, form).await,
            OwnPage::Password => self.submit_password(&session, form).await,
            OwnPage::SecondFactor => self.submit_factor(&session, form).await,
            OwnPage::Passkeys => self.submit_passkeys(&session, form).await,
        }
    }

    /// The password once more: whoever finds a browser open changes nothing. What else there is to show was shown in the session.
    pub(super) async fn password_again(
        &mut self,
        session: &BrowserSession,
        form: &Form,
        action: &'static str,
    ) -> Result<Option<Shown>, Stop> {
        let password = Secret::from(form.one("password").unwrap_or_default());
        let mut call = self.inner.call();
        let shows = Credentials { name: session.user.name.clone(), password, code: None };
        match self.inner.check_password(shows, self.visit.from, &mut call).await {
            // Of the name that somebody else has by now.
            Ok(shown) if shown.user.id != session.user.id => Ok(None),
            Ok(shown) => {
                let (methods, passkey) = (session.methods.clone(), session.passkey.clone());
                Ok(Some(Shown { methods, passkey, lacks_code: false, ..shown }))
            }
            Err(refused @ LoginRefused::InvalidCredentials(_)) => {
                self.happened.push(Happened::refused(action, refused.to_string()));
                Ok(None)
            }
            Err(refused) => {
                if refused.is_undecided() {
                    call.give_back();
                }
                Err(refused.into())
            }
        }
    }

    async fn submit_password(
        &mut self,
        session: &BrowserSession,
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        let Some(shown) = self.password_again(session, form, "password.change").await? else {
            return self.show_own(OwnPage::Password, session, Some(Problem::Current)).await;
        };
        let before = form.one("password").unwrap_or_default().to_owned();
        match self.new_password(&before, &shown, form).await? {
            Ok(shown) => self.logged_in(Goal::Own(OwnPage::Account), shown).await,
            Err(problem) => self.show_own(OwnPage::Password, session, Some(problem)).await,
        }
    }

    /// The password that the form has twice, in place of the one of before.
    async fn new_password(
        &mut self,
        before: &str,
        shown: &Shown,
        form: &Form,
    ) -> Result<Result<Shown, Problem>, Stop> {
        let new = form.one("new_password").unwrap_or_default();
        if Some(new) != form.one("repeated") {
            return Ok(Err(Problem::Repeated));
        }
        if new == before {
            return Ok(Err(Problem::Password(PasswordFault::Same)));
        }
        match self.inner.replace_password(&shown.user, Secret::from(new)).await {
            Ok(user) => {
                self.happened.push(Happened::done("password.change", &user.id, None));
                Ok(Ok(Shown { user, ..shown.clone() }))
            }
            Err(ChangeRefused::Password(fault)) => Ok(Err(Problem::Password(fault))),
            Err(ChangeRefused::Login(refused)) => Err(refused.into()),
        }
    }

    /// The page that asks for another password, of whoever has shown all that is asked for and may not go on with the one that they have.
    pub(super) async fn must_change_page(
        &mut self,
        goal: Goal,
        shown: &Shown,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let (methods, passkey) = (shown.methods.clone(), shown.passkey.clone());
        let proved = Proved { password: password_mark(&shown.user), methods, passkey };
        let stage = Stage::NewPassword { user: shown.user.id.clone(), proved };
        let kind = PageKind::NewPassword { asks_current: false };
        let mut page = self.page_on_the_way(kind, goal, stage).await?;
        page.username.clone_from(&shown.user.name);
        page.problem = problem;
        Ok(BrowserAnswer::Page(Box::new(page)))
    }

    pub(super) async fn must_change(
        &mut self,
        goal: Goal,
        (user, proved): (&str, Proved),
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        let user = self.inner.stores.users.by_id(user).await?;
        let user = user.filter(|user| !user.disabled && password_mark(user) == proved.password);
        let Some(user) = user else { return self.again(goal, Problem::Form).await };
        // What was shown was shown with the second factor as it stands.
        let has_more = self.inner.factors().standing(&user.id, self.now).await?.is_on;
        if !is_enough(&proved.methods, has_more) {
            return self.again(goal, Problem::Form).await;
        }
        let Proved { methods, passkey, .. } = proved;
        let shown = Shown { user, methods, passkey, lacks_code: false };
        if self.inner.is_current(&shown.user, form.one("new_password").unwrap_or_default()).await? {
            return self.must_change_page(goal, &shown, Some(Problem::Password(PasswordFault::Same))).await;
        }
        match self.new_password("", &shown, form).await? {
            Ok(shown) => self.logged_in(goal, shown).await,
            Err(problem) => self.must_change_page(goal, &shown, Some(problem)).await,
        }
    }

    async fn submit_factor(&mut self, session: &BrowserSession, form: &Form) -> Result<BrowserAnswer, Stop> {
        let page = OwnPage::SecondFactor;
        let user = &*session.user.id;
        if form.one("action") == Some("confirm") {
            let code = form.one("code").unwrap_or_default();
            let Some(codes) = self.inner.factors().confirm(user, code, self.now).await? else {
                return self.show_own(page, session, Some(Problem::FirstCode)).await;
            };
            self.happened.push(Happened::done("second_factor.enable", user, Some(&session.id)));
            return self.shown_codes(session, codes, true).await;
        }
        let Some(_) = self.password_again(session, form, "second_factor").await? else {
            return self.show_own(page, session, Some(Problem::Current)).await;
        };
        match form.one("action") {
            Some("enrol") => {
                let whose = (user, &*session.user.name, &*self.inner.settings.issuer);
                let new = self.inner.factors().begin(whose, self.now).await?;
                self.happened.push(Happened::done("second_factor.begin", user, Some(&session.id)));
                let kind = self.second_factor_page(user, Some(new)).await?;
                self.own(page, kind, session, None)
            }
            Some("codes") => match self.inner.factors().renew_recovery(user, self.now).await? {
                Some(codes) => {
                    let action = "second_factor.recovery_codes";
                    self.happened.push(Happened::done(action, user, Some(&session.id)));
                    self.own(page, PageKind::RecoveryCodes(codes), session, None)
                }
                None => self.show_own(page, session, None).await,
            },
            Some("passkey") => self.require_passkey(session).await,
            Some("disable") => match self.inner.remove_factor(user).await {
                Ok(()) => {
                    self.happened.push(Happened::done("second_factor.disable", user, Some(&session.id)));
                    let session = self.begin_anew(session, false).await?;
                    self.show_own(page, &session, None).await
                }
                Err(FactorRefused::ShortPassword) => {
                    self.show_own(page, session, Some(Problem::ShortPassword)).await
                }
                Err(FactorRefused::Login(refused)) => Err(refused.into()),
                Err(_) => self.show_own(page, session, None).await,
            },
            _ => Err(BrowserAnswer::refused("this form is not one of ours").into()),
        }
    }

    async fn second_factor_page(&self, user: &str, setting_up: Option<NewFactor>) -> Result<PageKind, Stop> {
        let standing = self.inner.factors().standing(user, self.now).await?;
        let has_passkeys = self.inner.settings.passkeys.is_some()
            && !self.inner.passkeys().of(user, self.now).await?.is_empty();
        Ok(PageKind::SecondFactor { standing, has_passkeys, setting_up })
    }

    async fn shown_codes(
        &mut self,
        session: &BrowserSession,
        codes: Vec<Secret<String>>,
        has_more: bool,
    ) -> Result<BrowserAnswer, Stop> {
        let session = self.begin_anew(session, has_more).await?;
        self.own(OwnPage::SecondFactor, PageKind::RecoveryCodes(codes), &session, None)
    }

    /// Ends all logins of the person, and begins this browser's anew, by what they have shown.
    async fn begin_anew(&mut self, session: &BrowserSession, has_more: bool) -> Result<BrowserSession, Stop> {
        self.inner.end_all(&session.user.id).await?;
        let (password, methods) = (password_mark(&session.user), methods_of(has_more));
        let proved = Proved { password, methods, passkey: None };
        let sessions = self.inner.browser_sessions();
        let (session, cookie) = sessions.begin(&self.visit, session.user.clone(), &proved, self.now).await?;
        self.cookies.extend(cookie);
        Ok(session)
    }
}
