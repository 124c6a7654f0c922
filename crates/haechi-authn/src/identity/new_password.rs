//! A password in place of the one that a user has, by the user. The one from before was shown; all logins end.

use super::limits::LimitedCall;
use super::passwords::{PasswordVerifier, REALM, Shown};
use super::provider::{Credentials, Inner, LOGIN_ANSWERS_WITHIN, LoginRefused, Provider, TokenPair};
use super::second_factor::FactorError;
use crate::Unavailable;
use crate::hashing::{
    ExpectedHash, HashingError, PasswordFault, StoredHash, check_new_password,
    check_new_password_beside_factor, is_short,
};
use haechi_core::Secret;
use haechi_core::ports::{Edit, PasswordState, StoreError, UserRecord};
use std::net::IpAddr;

/// Why the password was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// Who it is was not shown.
    #[error(transparent)]
    Login(#[from] LoginRefused),
    /// It may not be one.
    #[error(transparent)]
    Password(#[from] PasswordFault),
}

impl From<Unavailable> for ChangeRefused {
    fn from(unavailable: Unavailable) -> Self {
        Self::Login(unavailable.into())
    }
}

macro_rules! could_not_find_out {
    ($($error:ty),*) => { $(
        impl From<$error> for ChangeRefused {
            fn from(error: $error) -> Self {
                Self::Login(LoginRefused::Unavailable(error.to_string()))
            }
        }
    )* };
}

could_not_find_out!(StoreError, FactorError);

impl From<HashingError> for ChangeRefused {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::Login(LoginRefused::Busy),
            other => Self::Login(LoginRefused::Unavailable(other.to_string())),
        }
    }
}

impl ChangeRefused {
    pub(super) const fn is_undecided(&self) -> bool {
        matches!(self, Self::Login(refused) if refused.is_undecided())
    }
}

impl Provider {
    /// Changes the password of whoever shows to be a user, ends all logins of the user, and begins another.
    ///
    /// # Errors
    /// [`ChangeRefused`].
    pub async fn change_password(
        &self,
        shows: Credentials,
        new: Secret<String>,
        client: IpAddr,
    ) -> Result<TokenPair, ChangeRefused> {
        let inner = self.inner.clone();
        self.ask(LOGIN_ANSWERS_WITHIN, async move {
            let mut call = inner.call();
            let outcome = inner.change_password(shows, new, client, &mut call).await;
            if outcome.as_ref().is_err_and(ChangeRefused::is_undecided) {
                call.give_back();
            }
            outcome
        })
        .await
    }
}

impl Inner {
    async fn change_password(
        &self,
        shows: Credentials,
        new: Secret<String>,
        client: IpAddr,
        call: &mut LimitedCall<'_>,
    ) -> Result<TokenPair, ChangeRefused> {
        let current = shows.password.clone();
        let shown = self.check_password(shows, client, call).await?;
        if shown.lacks_code {
            return Err(LoginRefused::CodeNeeded.into());
        }
        if current == new {
            return Err(PasswordFault::Same.into());
        }
        let user = self.replace_password(&shown.user, new).await?;
        Ok(self.log_in(Shown { user, ..shown }).await?)
    }

    /// Replaces the password of a user who has shown the one from before, and ends all logins. The user as the store has it then.
    pub(super) async fn replace_password(
        &self,
        user: &UserRecord,
        new: Secret<String>,
    ) -> Result<UserRecord, ChangeRefused> {
        let user = self.verifier.replace(user, new).await?;
        self.end_all(&user.id).await?;
        Ok(user)
    }
}

impl Inner {
    /// Whether it is the user's password already. Nobody's guess: the user has shown it, and is asked for another.
    pub(super) async fn is_current(&self, user: &UserRecord, password: &str) -> Result<bool, LoginRefused> {
        let hash = StoredHash::parse(user.password_hash.expose())
            .map_err(|fault| LoginRefused::Unavailable(fault.to_string()))?;
        let matches = self.verifier.pool.verify(Secret::from(password), ExpectedHash::Real(hash)).await;
        matches.map_err(|error| match error {
            HashingError::Busy => LoginRefused::Busy,
            other => LoginRefused::Unavailable(other.to_string()),
        })
    }
}

impl PasswordVerifier {
    async fn replace(&self, user: &UserRecord, new: Secret<String>) -> Result<UserRecord, ChangeRefused> {
        let now = self.clock.now();
        let has_more = self.factors.standing(&user.id, now).await?.is_on;
        let check = if has_more { check_new_password_beside_factor } else { check_new_password };
        check(new.expose(), &user.name)?;
        let is_short = is_short(new.expose());
        let hash = self.pool.hash(new).await?;
        // Noted before it is set, and taken back after: at no time does a short one go without.
        if is_short && !self.factors.note_short_password(&user.id, true, now).await? {
            return Err(PasswordFault::TooShort.into());
        }
        let edit = Edit { of: &user.name, revision: Some(user.revision) };
        let state = PasswordState { must_change: false, changed_at: Some(now) };
        self.users.set_password(edit, &hash, state).await?;
        self.pool.guard().unlock((REALM, &user.name)).await;
        if !is_short {
            self.factors.note_short_password(&user.id, false, now).await?;
        }
        let after = self.users.by_id(&user.id).await?.filter(|after| after.password_hash == hash);
        let changed = LoginRefused::InvalidCredentials("the user was changed meanwhile");
        after.ok_or_else(|| changed.into())
    }
}
