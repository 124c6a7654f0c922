//! Where somebody is logged in, and what they have let applications have: to be looked at, and to be ended, by themselves.

use super::account::{Account, OwnLogin};
use super::browser_session::{BrowserSession, KIND};
use super::consent;
use super::form::Form;
use super::interaction::{BrowserAnswer, Happened, Interaction, Stop};
use super::provider::{Inner, LogoutRefused, Provider};
use super::ticket::{Goal, OwnPage};
use crate::control::STORE_ANSWERS_WITHIN;
use haechi_core::Caller;
use haechi_core::ports::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most logins of one person that are shown, and ended at once.
const MOST: usize = 1000;

/// What is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnEnd {
    /// The login of this id.
    Login(String),
    /// All logins but the one that asks.
    Others,
    /// What the client of this id was let have, with its logins.
    Consent(String),
}

impl Provider {
    /// What the caller's account has. The caller has come with a token of a login of their own, and of no application.
    ///
    /// # Errors
    /// [`LogoutRefused`].
    pub async fn account(&self, caller: &Caller) -> Result<Account, LogoutRefused> {
        let (subject, session) = self.own_session(caller)?;
        let inner = self.inner.clone();
        self.ask(STORE_ANSWERS_WITHIN, async move {
            inner.check_own(&subject, &session).await?;
            Ok(inner.account(&subject, &session).await?)
        })
        .await
    }

    /// Ends something of the caller's own. Whether there was such a thing.
    ///
    /// # Errors
    /// [`LogoutRefused`].
    pub async fn end_own(&self, caller: &Caller, what: OwnEnd) -> Result<bool, LogoutRefused> {
        let (subject, session) = self.own_session(caller)?;
        let inner = self.inner.clone();
        self.ask(STORE_ANSWERS_WITHIN, async move {
            inner.check_own(&subject, &session).await?;
            Ok(inner.end_own(&subject, &session, &what).await?)
        })
        .await
    }

    fn own_session(&self, caller: &Caller) -> Result<(Arc<str>, Arc<str>), LogoutRefused> {
        let session = caller.session.clone().filter(|_| *caller.issuer == *self.inner.settings.issuer);
        Ok((caller.subject.clone(), session.ok_or(LogoutRefused::NoSession)?))
    }
}

impl Inner {
    /// An application that somebody has logged in to sees to nobody's account.
    async fn check_own(&self, subject: &str, session: &str) -> Result<(), LogoutRefused> {
        let sessions = self.stores.sessions.list(Some(subject), self.clock.now(), MOST).await?;
        let own = sessions.iter().any(|known| known.id == session && known.details.client.is_none());
        if own { Ok(()) } else { Err(LogoutRefused::NoSession) }
    }

    /// What the account of this id has, as seen by the login of that one.
    pub(super) async fn account(&self, subject: &str, this: &str) -> Result<Account, StoreError> {
        let now = self.clock.now();
        let consents = consent::of(&*self.stores.records, &*self.stores.clients, subject, now).await?;
        let mut names: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut logins = Vec::new();
        for session in self.stores.web_sessions.list(Some(subject), now, MOST).await? {
            if session.authenticator != KIND || session.issuer != *self.settings.issuer {
                continue;
            }
            logins.push(OwnLogin {
                is_this: session.id == this,
                id: session.id,
                in_browser: true,
                client: None,
                began: session.created_at,
                used: Some(session.seen_at),
                ends: session.expires_at,
            });
        }
        for session in self.stores.sessions.list(Some(subject), now, MOST).await? {
            let client = match session.details.client {
                Some(id) => {
                    if !names.contains_key(&id) {
                        let name = self.stores.clients.by_id(&id).await?.map(|client| client.name);
                        names.insert(id.clone(), name);
                    }
                    names.get(&id).cloned().flatten().or(Some(id))
                }
                None => None,
            };
            logins.push(OwnLogin {
                is_this: session.id == this,
                id: session.id,
                in_browser: false,
                client,
                began: session.created_at,
                used: None,
                ends: session.expires_at,
            });
        }
        logins.sort_by_key(|login| std::cmp::Reverse(login.began));
        let second_factor = self.factors().standing(subject, now).await;
        let second_factor = second_factor.map_err(|error| StoreError::Unavailable(error.to_string()))?.is_on;
        let passkeys = match &self.settings.passkeys {
            Some(_) => Some(self.passkeys().of(subject, now).await?.len()),
            None => None,
        };
        Ok(Account { second_factor, passkeys, logins, consents })
    }

    /// Ends something of the person of this id, whose login `this` asks for it.
    pub(super) async fn end_own(&self, subject: &str, this: &str, what: &OwnEnd) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let until = self.longest_tokens_expire_at(now);
        let mut ended = false;
        if let OwnEnd::Consent(client) = what {
            ended |= consent::withdraw(&*self.stores.records, subject, client).await?;
        }
        for session in self.stores.sessions.list(Some(subject), now, MOST).await? {
            let ends = match what {
                OwnEnd::Login(id) => session.id == *id,
                // What an application was given in this browser goes with the browser's login.
                OwnEnd::Others => session.id != this && session.details.browser.as_deref() != Some(this),
                OwnEnd::Consent(client) => session.details.client.as_ref() == Some(client),
            };
            if ends {
                self.stores.sessions.end(&session.id, until).await?;
                ended = true;
            }
        }
        for session in self.stores.web_sessions.list(Some(subject), now, MOST).await? {
            let ends = session.authenticator == KIND
                && session.issuer == *self.settings.issuer
                && match what {
                    OwnEnd::Login(id) => session.id == *id,
                    OwnEnd::Others => session.id != this,
                    OwnEnd::Consent(_) => false,
                };
            if ends {
                self.end_browser_login(&session.id, subject).await?;
                ended = true;
            }
        }
        Ok(ended)
    }
}

impl Interaction<'_> {
    pub(super) async fn account(&mut self, session: &BrowserSession) -> Result<Account, Stop> {
        Ok(self.inner.account(&session.user.id, &session.id).await?)
    }

    /// What the buttons of the account's page do.
    pub(super) async fn submit_account(
        &mut self,
        session: &BrowserSession,
        form: &Form,
    ) -> Result<BrowserAnswer, Stop> {
        let named = |name| form.one(name).map(str::to_owned);
        let (what, action) = match (form.one("action"), named("login"), named("client")) {
            (Some("end"), Some(id), _) => (OwnEnd::Login(id), "session.end"),
            (Some("end_others"), ..) => (OwnEnd::Others, "session.end_others"),
            (Some("withdraw"), _, Some(client)) => (OwnEnd::Consent(client), "consent.withdraw"),
            _ => return Err(BrowserAnswer::refused("this form is not one of ours").into()),
        };
        let user = &*session.user.id;
        if self.inner.end_own(user, &session.id, &what).await? {
            self.happened.push(Happened::done(action, user, Some(&session.id)));
        }
        // By address, so that reloading the page sends nothing again; whoever has ended this very login is asked to log in.
        Ok(self.see_other(self.inner.own_address(OwnPage::Account)))
    }
}

impl Inner {
    /// The address of a page of people's own, on this host.
    pub(super) fn own_address(&self, page: OwnPage) -> String {
        format!("{}/{}", self.settings.path, page.name())
    }

    /// Where a login leads to that was on the way to a page of people's own.
    pub(super) fn own_goal(&self, goal: &Goal) -> Option<String> {
        match goal {
            Goal::Own(page) => Some(self.own_address(*page)),
            Goal::Authorize(_) | Goal::Logout => None,
        }
    }
}
