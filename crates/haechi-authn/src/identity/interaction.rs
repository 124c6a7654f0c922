//! What comes of a browser's visit to the provider: a page to show, or an address to go on to. The HTTP and the HTML of it are the proxy's.

use super::account::Account;
use super::authorization::{Authorization, AuthorizationFault};
use super::limits::CallLimited;
use super::passkey::OwnPasskey;
use super::passkey::options::PasskeyQuestion;
use super::provider::{Inner, LoginRefused};
use super::second_factor::{FactorStanding, NewFactor};
use super::ticket::{Goal, Stage, Ticket, TicketSeal};
use super::visit::Visit;
use crate::SetCookie;
use crate::hashing::PasswordFault;
use crate::random::{self, RandomnessError};
use haechi_core::ports::StoreError;
use haechi_core::{Secret, Timestamp};

/// What a visit comes to, and what the audit trail is told of it first.
#[derive(Debug)]
pub struct BrowserOutcome {
    /// What the browser gets.
    pub answer: BrowserAnswer,
    /// What happened.
    pub happened: Vec<Happened>,
}

/// What a browser gets.
#[derive(Debug)]
pub enum BrowserAnswer {
    /// It goes on to another address.
    SeeOther {
        /// Where.
        location: String,
        /// What it is to keep.
        cookies: Vec<SetCookie>,
    },
    /// It shows a page.
    Page(Box<Page>),
    /// It shows why nothing comes of it.
    Refused {
        /// What the person is told.
        told: &'static str,
        /// Why, for the operator.
        reason: String,
    },
    /// Too many logins.
    Limited(CallLimited),
    /// Could not find out.
    Unavailable(String),
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Which.
    pub kind: PageKind,
    /// What its form carries.
    pub ticket: String,
    /// What was wrong with what was sent before.
    pub problem: Option<Problem>,
    /// The name that stands in the form, or whose account it is.
    pub username: String,
    /// The client that the person came from, by its name.
    pub client: Option<String>,
    /// Where the form may lead to besides this site, as a page's policy has it.
    pub leads_to: Option<String>,
    /// What the browser may ask of a passkey.
    pub passkey: Option<PasskeyQuestion>,
    /// What the browser is to keep.
    pub cookies: Vec<SetCookie>,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// Name and password.
    Login,
    /// The second factor: a code.
    Code {
        /// Whether there is an app that has one; else a passkey is asked for, or a recovery code.
        has_app: bool,
    },
    /// Another password.
    NewPassword {
        /// Whether the one of now is asked for beside it.
        asks_current: bool,
    },
    /// The second factor: what is set up, and to set it up.
    SecondFactor {
        /// How it stands.
        standing: FactorStanding,
        /// Whether there are passkeys that could be asked for.
        has_passkeys: bool,
        /// The secret that waits for its first code.
        setting_up: Option<NewFactor>,
    },
    /// Recovery codes, this once.
    RecoveryCodes(Vec<Secret<String>>),
    /// The passkeys that there are, and to add one.
    Passkeys(Vec<OwnPasskey>),
    /// A passkey of this name is to be made.
    NewPasskey {
        /// As the person calls it.
        name: String,
    },
    /// Whether to take this passkey away.
    RemovePasskey {
        /// Names it.
        id: String,
        /// As the person calls it.
        name: String,
    },
    /// What the account has.
    Account(Box<Account>),
    /// Whether the client may have this.
    Consent {
        /// What it asks for.
        scopes: Vec<String>,
        /// Whether it registered itself: nobody vouches for its name.
        registered: bool,
        /// Where the browser is sent.
        sent_to: String,
    },
    /// Whether to log out.
    Logout,
    /// It is done.
    LoggedOut,
}

/// What was wrong with what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Name and password, whichever.
    Credentials,
    /// The code.
    Code,
    /// The first code of a secret that is being set up.
    FirstCode,
    /// A passkey at the login.
    Passkey,
    /// A passkey that is being added.
    NewPasskey,
    /// The password of now.
    Current,
    /// The new password, and the same once more, differ.
    Repeated,
    /// The new password may not be one.
    Password(PasswordFault),
    /// The password is too short to go without a second factor.
    ShortPassword,
    /// The passkey is the last one, and is asked for beside the password.
    LastPasskey,
    /// The form is too old, or from another browser.
    Form,
}

/// Something for the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What was done.
    pub action: &'static str,
    /// Whom it concerns, by id; nobody where it was refused.
    pub subject: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// Why it was refused, where it was.
    pub refused: Option<String>,
}

impl Happened {
    pub(super) fn done(action: &'static str, subject: &str, session: Option<&str>) -> Self {
        Self { action, subject: Some(subject.to_owned()), session: session.map(str::to_owned), refused: None }
    }

    pub(super) fn refused(action: &'static str, why: String) -> Self {
        Self { action, subject: None, session: None, refused: Some(why) }
    }
}

impl BrowserAnswer {
    pub(super) fn unavailable(why: impl std::fmt::Display) -> Self {
        Self::Unavailable(why.to_string())
    }

    pub(super) fn refused(told: &'static str) -> Self {
        Self::Refused { told, reason: told.to_owned() }
    }
}

/// What ends a visit early.
pub(super) enum Stop {
    Answer(BrowserAnswer),
    Login(LoginRefused),
}

impl From<BrowserAnswer> for Stop {
    fn from(answer: BrowserAnswer) -> Self {
        Self::Answer(answer)
    }
}

macro_rules! cannot_tell {
    ($($error:ty),*) => { $(
        impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Self::Answer(BrowserAnswer::unavailable(error))
            }
        }
    )* };
}

cannot_tell!(
    StoreError,
    RandomnessError,
    serde_json::Error,
    super::codes::CodeError,
    super::second_factor::FactorError,
    super::browser_session::BeginError
);

impl From<LoginRefused> for Stop {
    fn from(refused: LoginRefused) -> Self {
        Self::Login(refused)
    }
}

/// A visit under way.
pub(super) struct Interaction<'a> {
    pub(super) inner: &'a Inner,
    pub(super) visit: Visit,
    pub(super) now: Timestamp,
    pub(super) seal: TicketSeal,
    pub(super) happened: Vec<Happened>,
    pub(super) cookies: Vec<SetCookie>,
}

impl<'a> Interaction<'a> {
    pub(super) async fn begin(inner: &'a Inner, visit: Visit) -> Result<Self, Stop> {
        let candidate = random::bytes()?;
        let key = inner.stores.web_sessions.login_key(&candidate).await?;
        let seal =
            TicketSeal::new(&key).ok_or_else(|| BrowserAnswer::unavailable("no key to seal forms with"))?;
        let now = inner.clock.now();
        Ok(Self { inner, visit, now, seal, happened: Vec::new(), cookies: Vec::new() })
    }

    pub(super) fn outcome(self, answer: Result<BrowserAnswer, Stop>) -> BrowserOutcome {
        let answer = match answer {
            Ok(answer) | Err(Stop::Answer(answer)) => answer,
            Err(Stop::Login(refused)) => of_refusal(refused),
        };
        BrowserOutcome { answer, happened: self.happened }
    }

    /// A page with a form that belongs to this browser.
    pub(super) fn page(&mut self, kind: PageKind, goal: Goal, stage: Stage) -> Result<Page, Stop> {
        let (tie, cookie) = self.visit.form_tie()?;
        self.cookies.extend(cookie);
        let ticket = Ticket { goal, stage, tie, at: self.now.as_millis() };
        let ticket =
            self.seal.seal(&ticket).ok_or_else(|| BrowserAnswer::unavailable("a form cannot be sealed"))?;
        Ok(Page {
            kind,
            ticket,
            problem: None,
            username: String::new(),
            client: None,
            leads_to: None,
            passkey: None,
            cookies: std::mem::take(&mut self.cookies),
        })
    }

    /// The same on the way to a client.
    pub(super) fn page_for(
        &mut self,
        kind: PageKind,
        request: &Authorization,
        stage: Stage,
    ) -> Result<Page, Stop> {
        let page = self.page(kind, Goal::Authorize(request.query.clone()), stage)?;
        Ok(Page {
            client: Some(request.client.name.clone()),
            leads_to: Some(request.redirect_uri.origin().to_owned()),
            ..page
        })
    }

    /// The same on the way to `goal`, whichever.
    pub(super) async fn page_on_the_way(
        &mut self,
        kind: PageKind,
        goal: Goal,
        stage: Stage,
    ) -> Result<Page, Stop> {
        match goal {
            Goal::Authorize(query) => {
                let request = self.request(&query).await?;
                self.page_for(kind, &request, stage)
            }
            Goal::Own(_) => self.page(kind, goal, stage),
            Goal::Logout => {
                Err(BrowserAnswer::refused("this page was open for too long; open it again").into())
            }
        }
    }

    pub(super) fn see_other(&mut self, location: String) -> BrowserAnswer {
        BrowserAnswer::SeeOther { location, cookies: std::mem::take(&mut self.cookies) }
    }

    /// Tells the client of a fault, or the person where nobody knows the client.
    pub(super) fn answer_fault(&mut self, fault: AuthorizationFault) -> BrowserAnswer {
        match fault {
            AuthorizationFault::Page { told, reason } => BrowserAnswer::Refused { told, reason },
            AuthorizationFault::Unavailable(why) => BrowserAnswer::Unavailable(why),
            AuthorizationFault::Redirect { back, error, told } => {
                let issuer = &self.inner.settings.issuer;
                let location = back.with(issuer, &[("error", error), ("error_description", told)]);
                self.see_other(location)
            }
        }
    }
}

fn of_refusal(refused: LoginRefused) -> BrowserAnswer {
    match refused {
        LoginRefused::Limited(limited) => BrowserAnswer::Limited(limited),
        other => BrowserAnswer::unavailable(other),
    }
}
