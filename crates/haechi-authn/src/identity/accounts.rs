//! What operators do with users. With API keys: `key_accounts.rs`.

use super::passkey::Passkeys;
use super::passwords::REALM;
use super::provider::tokens_expire_at;
use super::second_factor::{FactorError, SecondFactors};
use crate::declared::{AttributeFault, DeclaredAttributes};
use crate::hashing::{
    HashingError, PasswordFault, PasswordPool, StoredHash, UnusableHash, check_new_password,
};
use crate::random::{self, RandomnessError};
use haechi_core::ports::{
    ApiKeys, Edit, IdentityRecords, LoginState, PasswordState, Revision, Sessions, StoreError, UserRecord,
    Users,
};
use haechi_core::{Attributes, Clock, RoleTable, Secret, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Changes users and API keys. Whatever takes something away ends the user's sessions and revokes their access tokens.
pub struct Accounts {
    pub(super) stores: AccountStores,
    pool: Arc<PasswordPool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) roles: Arc<RoleTable>,
    pub(super) declared: Arc<DeclaredAttributes>,
    access_lifetime: Duration,
}

/// Where accounts are kept.
pub struct AccountStores {
    /// Users.
    pub users: Arc<dyn Users>,
    /// Login sessions.
    pub sessions: Arc<dyn Sessions>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeys>,
    /// What the embedded identity provider keeps of users: their second factors.
    pub identity_records: Arc<dyn IdentityRecords>,
}

/// A user to be added.
#[derive(Clone, Debug, Default)]
pub struct UserSpec {
    /// What the user types to log in.
    pub name: String,
    /// Roles.
    pub roles: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
}

/// Why an account was not changed, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The name cannot be one.
    #[error(
        "`{0}` is no name: a name is 1 to 128 characters, without `:`, control characters and outer spaces"
    )]
    Name(String),
    /// The password may not be one.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The hash of a password cannot be used.
    #[error(transparent)]
    Hash(#[from] UnusableHash),
    /// The key works no more.
    #[error("API key `{id}` {how}; create another")]
    KeyEnded {
        /// Its id.
        id: String,
        /// Why not, in words.
        how: &'static str,
    },
    /// No such role.
    #[error("there is no role `{role}`; declare it under `roles`, or name one of `{}`", known.join("`, `"))]
    Role {
        /// The role.
        role: String,
        /// The ones that are.
        known: Vec<String>,
    },
    /// An attribute is not as declared.
    #[error(transparent)]
    Attribute(#[from] AttributeFault),
    /// A scope that is not one word (RFC 6749 3.3).
    #[error("`{0}` is no scope: it is one word of visible ASCII without `\"` and `\\`")]
    Scope(String),
    /// The password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The store; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The second factor cannot be read or changed.
    #[error(transparent)]
    Factor(FactorError),
    /// The change is made, but sessions from before may still be alive.
    #[error(
        "the change is made, but the user's sessions could not be ended; run the same command again: {0}"
    )]
    SessionsNotEnded(StoreError),
}

impl Accounts {
    /// Accounts in these stores. `access_lifetime` is the longest that an access token may be valid which a change must revoke: also one
    /// that was made when the configuration said another lifetime.
    pub fn new(
        stores: AccountStores,
        pool: Arc<PasswordPool>,
        clock: Arc<dyn Clock>,
        roles: Arc<RoleTable>,
        declared: Arc<DeclaredAttributes>,
        access_lifetime: Duration,
    ) -> Self {
        Self { stores, pool, clock, roles, declared, access_lifetime }
    }

    /// Whether [`Accounts::add_user`] would add this user, but for the password: nobody is asked for one in vain.
    ///
    /// # Errors
    /// [`AccountError`]; `Store(Exists)` where the name is taken.
    pub async fn check_user(&self, spec: &UserSpec) -> Result<(), AccountError> {
        self.check_spec(spec)?;
        match self.stores.users.by_name(&spec.name).await? {
            Some(_) => Err(StoreError::Exists(format!("user `{}`", spec.name)).into()),
            None => Ok(()),
        }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`AccountError`]; `Store(Exists)` where the name is taken.
    pub async fn add_user(
        &self,
        spec: UserSpec,
        password: Secret<String>,
    ) -> Result<UserRecord, AccountError> {
        self.check_spec(&spec)?;
        let created_at = self.clock.now();
        let user = UserRecord {
            id: random::id()?,
            password_hash: self.hash(&spec.name, password).await?,
            name: spec.name,
            roles: without_repeats(spec.roles),
            attributes: spec.attributes,
            disabled: false,
            created_at,
            login: LoginState::default(),
            password: PasswordState::default(),
            revision: Revision::first(created_at),
        };
        self.stores.users.add(&user).await?;
        Ok(user)
    }

    /// The record of a user who comes from elsewhere with the hash of a password, for [`Users::add`].
    ///
    /// # Errors
    /// [`AccountError`], also for a hash that is neither argon2id nor bcrypt.
    pub fn imported_user(
        &self,
        spec: UserSpec,
        hash: Secret<String>,
        disabled: bool,
    ) -> Result<UserRecord, AccountError> {
        self.check_spec(&spec)?;
        StoredHash::parse(hash.expose())?;
        let created_at = self.clock.now();
        Ok(UserRecord {
            id: random::id()?,
            password_hash: hash,
            name: spec.name,
            roles: without_repeats(spec.roles),
            attributes: spec.attributes,
            disabled,
            created_at,
            login: LoginState::default(),
            password: PasswordState::default(),
            revision: Revision::first(created_at),
        })
    }

    /// Replaces a user's password, clears the lockout, and ends the user's sessions. Where it `must_change` the user gets no token before they have chosen
    /// another.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_password(
        &self,
        edit: impl Into<Edit<'_>>,
        password: Secret<String>,
        must_change: bool,
    ) -> Result<(), AccountError> {
        let edit = edit.into();
        let user = self.existing(edit.of).await?;
        let hash = self.hash(edit.of, password).await?;
        let now = self.clock.now();
        let state = PasswordState { must_change, changed_at: Some(now) };
        self.stores.users.set_password(edit, &hash, state).await?;
        // Operators set none that is too short to go without a second factor.
        self.factors().note_short_password(&user.id, false, now).await?;
        self.pool.guard().unlock((REALM, edit.of)).await;
        self.end_sessions(&user).await
    }

    /// Lets a user log in again who failed too often: what all nodes count against the name is forgotten, on the others within a second.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn unlock(&self, name: &str) -> Result<(), AccountError> {
        self.stores.users.unlock(name).await?;
        self.pool.guard().unlock((REALM, name)).await;
        Ok(())
    }

    /// Whether the login of a user, known by id, asks for a second factor.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn has_second_factor(&self, user: &str) -> Result<bool, AccountError> {
        Ok(self.factors().standing(user, self.clock.now()).await?.is_on)
    }

    /// Takes a user's second factor away, for whoever has lost it and the recovery codes, and ends the user's sessions. A password that only goes with one
    /// must be changed at the next login.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn remove_second_factor(&self, edit: impl Into<Edit<'_>>) -> Result<(), AccountError> {
        let edit = edit.into();
        let (user, now) = (self.existing(edit.of).await?, self.clock.now());
        if self.factors().standing(&user.id, now).await?.short_password {
            // First: the password alone must never let anybody in.
            let state = PasswordState { must_change: true, ..user.password };
            self.stores.users.set_password(edit, &user.password_hash, state).await?;
        }
        self.factors().remove(&user.id, now).await?;
        self.end_sessions(&user).await
    }

    /// How many passkeys a user, known by id, has.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn count_passkeys(&self, user: &str) -> Result<usize, AccountError> {
        Ok(self.passkeys().of(user, self.clock.now()).await?.len())
    }

    /// Takes all passkeys of a user away, for whoever has lost a device, and ends the user's sessions. How many there were. Where one was asked for beside
    /// the password, it is so no longer: an authenticator app is asked for where there is one, and else the second factor is gone.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn remove_passkeys(&self, edit: impl Into<Edit<'_>>) -> Result<usize, AccountError> {
        let edit = edit.into();
        let (user, now) = (self.existing(edit.of).await?, self.clock.now());
        let standing = self.factors().standing(&user.id, now).await?;
        let gone = self.passkeys().remove_all(&user.id, now).await?;
        match (standing.asks_passkey, standing.has_app) {
            (true, false) => self.remove_second_factor(edit).await?,
            (true, true) => self.factors().ask_for_app_alone(&user.id, now).await?,
            (false, _) => {}
        }
        self.end_sessions(&user).await?;
        Ok(gone)
    }

    fn passkeys(&self) -> Passkeys {
        Passkeys::new(self.stores.identity_records.clone())
    }

    fn factors(&self) -> SecondFactors {
        SecondFactors::new(self.stores.identity_records.clone(), Arc::default())
    }

    /// Replaces a user's roles. Ends the user's sessions, whose tokens carry the old ones, unless the user only gains.
    /// Returns the roles without repeats.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_roles(
        &self,
        edit: impl Into<Edit<'_>>,
        roles: Vec<String>,
    ) -> Result<Vec<String>, AccountError> {
        let edit = edit.into();
        check_roles(&self.roles, &roles)?;
        let roles = without_repeats(roles);
        let user = self.existing(edit.of).await?;
        self.stores.users.set_roles(edit, &roles).await?;
        let lost = user.roles.iter().any(|role| !roles.contains(role));
        let gained = roles.iter().any(|role| !user.roles.contains(role));
        // Neither is the same command run again, maybe because the sessions could not be ended the first time.
        if lost || !gained {
            self.end_sessions(&user).await?;
        }
        Ok(roles)
    }

    /// Replaces a user's attributes. Ends the user's sessions, whose tokens carry the old ones.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_attributes(
        &self,
        edit: impl Into<Edit<'_>>,
        attributes: Attributes,
    ) -> Result<(), AccountError> {
        let edit = edit.into();
        self.declared.check(&attributes)?;
        let user = self.existing(edit.of).await?;
        self.stores.users.set_attributes(edit, &attributes).await?;
        self.end_sessions(&user).await
    }

    /// Disables a user and ends the user's sessions, or enables the user again.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_disabled(&self, edit: impl Into<Edit<'_>>, disabled: bool) -> Result<(), AccountError> {
        let edit = edit.into();
        let user = self.existing(edit.of).await?;
        self.stores.users.set_disabled(edit, disabled).await?;
        if disabled { self.end_sessions(&user).await } else { Ok(()) }
    }

    /// Deletes a user and ends the user's sessions.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn delete(&self, edit: impl Into<Edit<'_>>) -> Result<(), AccountError> {
        let edit = edit.into();
        let user = self.existing(edit.of).await?;
        // Disabled first: no session begins while they are ended, and if ending fails the user is still there to try again.
        self.stores.users.set_disabled(edit, true).await?;
        self.end_sessions(&user).await?;
        Ok(self.stores.users.delete(edit.of.into()).await?)
    }

    fn check_spec(&self, spec: &UserSpec) -> Result<(), AccountError> {
        check_name(&spec.name)?;
        check_roles(&self.roles, &spec.roles)?;
        Ok(self.declared.check(&spec.attributes)?)
    }

    async fn existing(&self, name: &str) -> Result<UserRecord, AccountError> {
        let user = self.stores.users.by_name(name).await?;
        user.ok_or_else(|| StoreError::Missing(format!("user `{name}`")).into())
    }

    async fn hash(&self, name: &str, password: Secret<String>) -> Result<Secret<String>, AccountError> {
        check_new_password(password.expose(), name)?;
        Ok(self.pool.hash(password).await?)
    }

    async fn end_sessions(&self, user: &UserRecord) -> Result<(), AccountError> {
        let until: Timestamp = tokens_expire_at(self.clock.now(), self.access_lifetime);
        self.stores.sessions.end_all_of(&user.id, until).await.map_err(AccountError::SessionsNotEnded)
    }
}

impl From<FactorError> for AccountError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Store(error) => Self::Store(error),
            other => Self::Factor(other),
        }
    }
}

/// Checks that all of `roles` are declared or built in.
///
/// # Errors
/// [`AccountError::Role`] for the first that is not.
pub fn check_roles(declared: &RoleTable, roles: &[String]) -> Result<(), AccountError> {
    match roles.iter().find(|role| !declared.knows(role)) {
        None => Ok(()),
        Some(role) => Err(AccountError::Role {
            role: role.clone(),
            known: declared.names().map(ToString::to_string).collect(),
        }),
    }
}

pub(super) fn without_repeats(words: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        if !once.contains(&word) {
            once.push(word);
        }
    }
    once
}

pub(super) fn check_name(name: &str) -> Result<(), AccountError> {
    let sound = (1..=128).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(|c| c == ':' || c.is_control());
    if sound { Ok(()) } else { Err(AccountError::Name(name.escape_debug().to_string())) }
}

pub(super) fn check_scopes(scopes: &[String]) -> Result<(), AccountError> {
    let word = |scope: &str| {
        !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
    };
    match scopes.iter().find(|scope| !word(scope)) {
        None => Ok(()),
        Some(scope) => Err(AccountError::Scope(scope.escape_debug().to_string())),
    }
}

#[cfg(test)]
mod tests;
