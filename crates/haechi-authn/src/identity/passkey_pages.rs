//! Passkeys on the provider's pages: taken at the login, and looked at, added and taken away by their owner.

use super::authorize::is_undecided;
use super::browser_session::BrowserSession;
use super::form::Form;
use super::interaction::{BrowserAnswer, Happened, Interaction, Page, PageKind, Problem, Stop};
use super::limits::LimitedCall;
use super::passkey::PasskeyError;
use super::passkey::ceremony::{Assertion, Creation, Expected, RelyingParty, check_creation};
use super::passkey::options::{challenge_of, to_create, to_log_in};
use super::passwords::Shown;
use super::provider::LoginRefused;
use super::ticket::{Goal, LASTS, OwnPage, Stage};
use super::tokens::methods_of_passkey;
use haechi_core::ports::UserRecord;

/// The longest name of a passkey, in characters.
const LONGEST_NAME: usize = 64;
/// One that has no name.
const UNNAMED: &str = "passkey";
const NOT_OURS: &str = "this form is not one of ours";

impl Interaction<'_> {
    /// Who asks for passkeys, where pages of this address may.
    fn party(&self) -> Option<&RelyingParty> {
        self.inner.settings.passkeys.as_ref().filter(|party| self.visit.is_at(party.origin()))
    }

    /// Lets a page ask for a passkey: one of these of whoever has shown the password, or any.
    pub(super) fn ask_for_passkey(&self, page: &mut Page, known: Option<&[String]>) {
        page.passkey = self.party().map(|party| to_log_in(party, &page.ticket, known));
    }

    /// An answer of a passkey at the login: by itself, or of the user who has shown the password on the page before.
    pub(super) async fn passkey(
        &mut self,
        goal: Goal,
        known: Option<&UserRecord>,
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        let mut call = self.inner.call();
        let outcome = match self.shown_by_passkey(known, form, &mut call).await {
            Ok(Ok(shown)) => self.logged_in(goal, shown).await,
            Ok(Err(why)) => {
                self.happened.push(Happened::refused("login", why));
                match known {
                    Some(user) => self.code_page(goal, user, Some(Problem::Passkey)).await,
                    None => self.login_page(goal, String::new(), Some(Problem::Passkey)).await,
                }
            }
            Err(stop) => Err(stop),
        };
        if is_undecided(&outcome) {
            call.give_back();
        }
        outcome
    }

    async fn shown_by_passkey(
        &self,
        known: Option<&UserRecord>,
        form: &Form,
        call: &mut LimitedCall<'_>,
    ) -> Result<Result<Shown, String>, Stop> {
        // Before anything is read or verified.
        call.login_from(self.visit.from).await.map_err(LoginRefused::Limited)?;
        let party = self.party().ok_or_else(|| BrowserAnswer::refused(NOT_OURS))?;
        let challenge = challenge_of(form.one("ticket").unwrap_or_default());
        let owner = known.map(|user| &*user.id);
        let expected = Expected { challenge: &challenge, owner, verified: known.is_none() };
        let until = self.now.plus(LASTS);
        let taken = match Assertion::parse(form.one("passkey").unwrap_or_default()) {
            Ok(answer) => self.inner.passkeys().take(party, &answer, &expected, (self.now, until)).await,
            Err(fault) => Err(fault.into()),
        };
        let shown = match taken {
            Ok(shown) => shown,
            Err(PasskeyError::Refused(fault)) => return Ok(Err(fault.to_string())),
            Err(PasskeyError::Store(error)) => return Err(error.into()),
        };
        let user = self.inner.stores.users.by_id(&shown.user).await?;
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Ok(Err("the user is disabled or deleted".to_owned()));
        };
        let methods = methods_of_passkey(known.is_some(), shown.synced);
        Ok(Ok(Shown { user, methods, passkey: Some(shown.id), lacks_code: false }))
    }

    /// What was sent with the page of one's passkeys.
    pub(super) async fn submit_passkeys(
        &mut self,
        session: &BrowserSession,
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        if self.party().is_none() {
            return Err(BrowserAnswer::refused(NOT_OURS).into());
        }
        let id = form.one("id").unwrap_or_default();
        match form.one("action") {
            Some("add") => match self.password_again(session, form, "passkey.add").await? {
                Some(_) => self.new_passkey_page(session, named(form.one("name"))).await,
                None => self.show_own(OwnPage::Passkeys, session, Some(Problem::Current)).await,
            },
            Some("remove") => self.remove_page(session, id, None).await,
            Some("confirm") => match self.password_again(session, form, "passkey.remove").await? {
                Some(_) => self.remove_passkey(session, id).await,
                None => self.remove_page(session, id, Some(Problem::Current)).await,
            },
            _ => Err(BrowserAnswer::refused(NOT_OURS).into()),
        }
    }

    /// The page that asks the browser for a new passkey, of whoever has just shown the password.
    async fn new_passkey_page(
        &mut self,
        session: &BrowserSession,
        name: String,
    ) -> Result<BrowserAnswer, Stop> {
        let known = self.inner.passkeys().credentials(&session.user.id, self.now).await?;
        let stage = Stage::NewPasskey { session: session.id.clone(), name: name.clone() };
        let mut page = self.page(PageKind::NewPasskey { name }, Goal::Own(OwnPage::Passkeys), stage)?;
        page.username.clone_from(&session.user.name);
        page.passkey = self.party().map(|party| to_create(party, &page.ticket, &session.user, &known));
        Ok(BrowserAnswer::Page(Box::new(page)))
    }

    /// The new passkey.
    pub(super) async fn new_passkey(
        &mut self,
        goal: Goal,
        (shown_in, name): (&str, &str),
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        if goal != Goal::Own(OwnPage::Passkeys) {
            return Err(BrowserAnswer::refused(NOT_OURS).into());
        }
        let session = self.inner.browser_sessions().of(&self.visit, self.now).await?;
        let Some(session) = session.filter(|session| session.id == shown_in) else {
            return self.own_page(OwnPage::Passkeys, Some(Problem::Form)).await;
        };
        match self.add_passkey(&session, name, form).await {
            Ok(()) => {
                self.happened.push(Happened::done("passkey.add", &session.user.id, Some(&session.id)));
                Ok(self.see_other(self.inner.own_address(OwnPage::Passkeys)))
            }
            Err(AddError::Passkey(PasskeyError::Refused(fault))) => {
                self.happened.push(Happened::refused("passkey.add", fault.to_string()));
                self.show_own(OwnPage::Passkeys, &session, Some(Problem::NewPasskey)).await
            }
            Err(AddError::Passkey(PasskeyError::Store(error))) => Err(error.into()),
            Err(AddError::NotHere) => Err(BrowserAnswer::refused(NOT_OURS).into()),
        }
    }

    async fn add_passkey(&self, session: &BrowserSession, name: &str, form: &Form) -> Result<(), AddError> {
        let party = self.party().ok_or(AddError::NotHere)?;
        let (user, now) = (&*session.user.id, self.now);
        let challenge = challenge_of(form.one("ticket").unwrap_or_default());
        let answer = Creation::parse(form.one("passkey").unwrap_or_default()).map_err(PasskeyError::from)?;
        let new = check_creation(party, &answer, &challenge).map_err(PasskeyError::from)?;
        let passkeys = self.inner.passkeys();
        passkeys.use_up(&challenge, user, (now, now.plus(LASTS))).await?;
        Ok(passkeys.add(user, name, new, now).await?)
    }

    async fn remove_page(
        &mut self,
        session: &BrowserSession,
        id: &str,
        problem: Option<Problem>,
    ) -> Result<BrowserAnswer, Stop> {
        let own = self.inner.passkeys().of(&session.user.id, self.now).await?;
        match own.into_iter().find(|own| own.id == id) {
            Some(own) => {
                let kind = PageKind::RemovePasskey { id: own.id, name: own.name };
                self.own(OwnPage::Passkeys, kind, session, problem)
            }
            None => self.show_own(OwnPage::Passkeys, session, None).await,
        }
    }

    /// Asks for a passkey beside the password from now on. All logins end, this one as well: nobody has shown a passkey yet. The recovery codes are shown.
    pub(super) async fn require_passkey(&mut self, session: &BrowserSession) -> Result<BrowserAnswer, Stop> {
        let user = &*session.user.id;
        if self.party().is_none() || self.inner.passkeys().of(user, self.now).await?.is_empty() {
            return Err(BrowserAnswer::refused(NOT_OURS).into());
        }
        let codes = self.inner.factors().ask_for_passkey(user, self.now).await?;
        self.inner.end_all(user).await?;
        self.happened.push(Happened::done("second_factor.enable", user, Some(&session.id)));
        self.own(OwnPage::SecondFactor, PageKind::RecoveryCodes(codes), session, None)
    }

    /// Takes one away, and ends all logins: nobody knows which of them it was that it let in.
    async fn remove_passkey(&mut self, session: &BrowserSession, id: &str) -> Result<BrowserAnswer, Stop> {
        let user = &*session.user.id;
        let standing = self.inner.factors().standing(user, self.now).await?;
        if standing.asks_passkey && self.inner.passkeys().of(user, self.now).await?.len() < 2 {
            return self.show_own(OwnPage::Passkeys, session, Some(Problem::LastPasskey)).await;
        }
        if self.inner.passkeys().remove(user, id, self.now).await?.is_some() {
            self.inner.end_all(user).await?;
            self.happened.push(Happened::done("passkey.remove", user, Some(&session.id)));
        }
        Ok(self.see_other(self.inner.own_address(OwnPage::Passkeys)))
    }
}

/// Why a passkey was not added.
enum AddError {
    Passkey(PasskeyError),
    /// People have no passkeys at this address.
    NotHere,
}

impl From<PasskeyError> for AddError {
    fn from(error: PasskeyError) -> Self {
        Self::Passkey(error)
    }
}

/// What a passkey is called.
fn named(text: Option<&str>) -> String {
    let shown = text.unwrap_or_default().chars().filter(|letter| !letter.is_control());
    let name: String = shown.take(LONGEST_NAME).collect();
    let name = name.trim();
    if name.is_empty() { UNNAMED.to_owned() } else { name.to_owned() }
}
