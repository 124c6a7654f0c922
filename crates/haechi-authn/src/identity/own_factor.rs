//! What people do with their own second factor. Each call asks for the password, and for a code where there is a second factor already: a token that was
//! stolen changes nothing.

use super::limits::LimitedCall;
use super::passwords::Shown;
use super::provider::{Credentials, Inner, LOGIN_ANSWERS_WITHIN, LoginRefused, Provider, TokenPair};
use super::second_factor::{FactorStanding, NewFactor};
use super::tokens::methods_of;
use crate::Unavailable;
use haechi_core::Secret;
use haechi_core::ports::StoreError;
use std::net::IpAddr;

/// The most browser sessions of one user that are ended.
const MOST: usize = 1000;

/// What somebody wants to do.
#[derive(Clone, Debug)]
pub enum FactorAction {
    /// To know how it stands.
    Show,
    /// To set up an app: a secret for it.
    Begin,
    /// To put that secret into force, with its first code.
    Confirm(Secret<String>),
    /// New recovery codes.
    RecoveryCodes,
    /// To do without.
    Remove,
}

/// What came of it.
#[derive(Debug)]
pub enum FactorDone {
    /// How it stands.
    Shown(FactorStanding),
    /// The secret to set up.
    Begun(NewFactor),
    /// It is in force: the recovery codes, and a login by it. All others have ended.
    Confirmed(Vec<Secret<String>>, TokenPair),
    /// New recovery codes.
    RecoveryCodes(Vec<Secret<String>>),
    /// It is gone: a login without. All others have ended.
    Removed(TokenPair),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactorRefused {
    /// Who it is was not shown.
    #[error(transparent)]
    Login(#[from] LoginRefused),
    /// The first code is not one of the secret that waits.
    #[error("the code is not one of the secret that is being set up, or none is")]
    FirstCode,
    /// There is no second factor.
    #[error("there is no second factor")]
    None,
    /// The password is too short to go without.
    #[error("the password is too short to go without a second factor; choose a longer one first")]
    ShortPassword,
}

impl From<Unavailable> for FactorRefused {
    fn from(unavailable: Unavailable) -> Self {
        Self::Login(unavailable.into())
    }
}

impl FactorRefused {
    const fn is_undecided(&self) -> bool {
        matches!(self, Self::Login(refused) if refused.is_undecided())
    }
}

impl Provider {
    /// Does it, for whoever shows to be a user. With the user's id.
    ///
    /// # Errors
    /// [`FactorRefused`].
    pub async fn second_factor(
        &self,
        shows: Credentials,
        action: FactorAction,
        client: IpAddr,
    ) -> Result<(FactorDone, String), FactorRefused> {
        let inner = self.inner.clone();
        self.ask(LOGIN_ANSWERS_WITHIN, async move {
            let mut call = inner.call();
            let outcome = inner.second_factor(shows, action, client, &mut call).await;
            if outcome.as_ref().is_err_and(FactorRefused::is_undecided) {
                call.give_back();
            }
            outcome
        })
        .await
    }
}

impl Inner {
    async fn second_factor(
        &self,
        shows: Credentials,
        action: FactorAction,
        client: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<(FactorDone, String), FactorRefused> {
        let shown = self.check_all(shows, client, call).await?;
        let subject = shown.user.id.clone();
        Ok((self.change_factor(shown, action).await?, subject))
    }

    async fn change_factor(&self, shown: Shown, action: FactorAction) -> Result<FactorDone, FactorRefused> {
        let now = self.clock.now();
        let user = shown.user.id.clone();
        let factors = self.factors();
        let refused = LoginRefused::from;
        match action {
            FactorAction::Show => Ok(FactorDone::Shown(factors.standing(&user, now).await.map_err(refused)?)),
            FactorAction::Begin => {
                let whose = (&*user, &*shown.user.name, &*self.settings.issuer);
                Ok(FactorDone::Begun(factors.begin(whose, now).await.map_err(refused)?))
            }
            FactorAction::Confirm(code) => {
                let codes = factors.confirm(&user, code.expose(), now).await.map_err(refused)?;
                let codes = codes.ok_or(FactorRefused::FirstCode)?;
                Ok(FactorDone::Confirmed(codes, self.log_in_alone(shown, true).await?))
            }
            FactorAction::RecoveryCodes => {
                let codes = factors.renew_recovery(&user, now).await.map_err(refused)?;
                Ok(FactorDone::RecoveryCodes(codes.ok_or(FactorRefused::None)?))
            }
            FactorAction::Remove => {
                self.remove_factor(&user).await?;
                Ok(FactorDone::Removed(self.log_in_alone(shown, false).await?))
            }
        }
    }

    /// Takes the second factor away, where the password goes without.
    pub(super) async fn remove_factor(&self, user: &str) -> Result<(), FactorRefused> {
        let now = self.clock.now();
        let standing = self.factors().standing(user, now).await.map_err(LoginRefused::from)?;
        if !standing.is_on {
            return Err(FactorRefused::None);
        }
        if standing.short_password {
            return Err(FactorRefused::ShortPassword);
        }
        self.factors().remove(user, now).await.map_err(LoginRefused::from)?;
        Ok(())
    }

    /// Ends all logins of a user, and begins another by what was shown.
    async fn log_in_alone(&self, shown: Shown, has_more: bool) -> Result<TokenPair, FactorRefused> {
        self.end_all(&shown.user.id).await.map_err(LoginRefused::from)?;
        Ok(self.log_in(Shown { methods: methods_of(has_more), ..shown }).await?)
    }

    /// Ends all logins of a user: those that can be refreshed, and those of browsers.
    pub(super) async fn end_all(&self, user: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.stores.sessions.end_all_of(user, self.longest_tokens_expire_at(now)).await?;
        for session in self.stores.web_sessions.list(Some(user), now, MOST).await? {
            if session.issuer == *self.settings.issuer {
                self.stores.web_sessions.end(&session.id).await?;
            }
        }
        Ok(())
    }
}
