//! Users of the embedded identity provider and of `basic`.

use super::stored::{Edit, Revision, Stored};
use crate::{Attributes, Secret, Timestamp};
use serde::Serialize;

/// A user as the store keeps it.
#[derive(Clone, Debug, Serialize)]
pub struct UserRecord {
    /// Never changes and is never given again; the `sub` of the user's tokens.
    pub id: String,
    /// What the user types. Unique, compared exactly.
    pub name: String,
    /// PHC string (argon2id) of the password.
    #[serde(skip)]
    pub password_hash: Secret<String>,
    /// Roles as assigned.
    pub roles: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// A disabled user can neither log in nor refresh, and the user's tokens stop working.
    pub disabled: bool,
    /// When the user was added.
    pub created_at: Timestamp,
    /// Failed logins and lockout.
    pub login: LoginState,
    /// How the password stands.
    pub password: PasswordState,
    /// Grows with every change but those of `login`.
    #[serde(skip)]
    pub revision: Revision,
}

/// How a user's password stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PasswordState {
    /// Whether the user must change it before anything else.
    pub must_change: bool,
    /// When it was set; with the user where this is left out.
    pub changed_at: Option<Timestamp>,
}

/// How the last logins of a user went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoginState {
    /// Failures since the last success.
    pub failures: u32,
    /// No login before this time.
    pub locked_until: Option<Timestamp>,
}

/// Where users are kept. Every change that takes something away, or may, records [`super::Change::User`] in the same step: roles, attributes,
/// password, disabled, deleted.
pub trait Users: Send + Sync {
    /// The user of this name.
    fn by_name<'a>(&'a self, name: &'a str) -> Stored<'a, Option<UserRecord>>;
    /// The user of this id.
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<UserRecord>>;
    /// All users, by name.
    fn list(&self) -> Stored<'_, Vec<UserRecord>>;
    /// At most `limit` users by name, those that follow the name `after`.
    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<UserRecord>>;
    /// Adds a user; `Exists` where the name is taken.
    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()>;
    /// Replaces roles; `Missing` without such a user.
    fn set_roles<'a>(&'a self, user: Edit<'a>, roles: &'a [String]) -> Stored<'a, ()>;
    /// Replaces attributes; `Missing` without such a user.
    fn set_attributes<'a>(&'a self, user: Edit<'a>, attributes: &'a Attributes) -> Stored<'a, ()>;
    /// Replaces the password hash and how it stands, and clears the lockout, of which it records [`super::Change::Unlock`] as well; `Missing` without
    /// such a user.
    fn set_password<'a>(
        &'a self,
        user: Edit<'a>,
        hash: &'a Secret<String>,
        state: PasswordState,
    ) -> Stored<'a, ()>;
    /// Disables or enables; `Missing` without such a user.
    fn set_disabled<'a>(&'a self, user: Edit<'a>, disabled: bool) -> Stored<'a, ()>;
    /// Deletes the user; `Missing` without such a user.
    fn delete<'a>(&'a self, user: Edit<'a>) -> Stored<'a, ()>;
    /// Counts one failed login, in one step with the others: at `limit` failures since the last success the user is locked
    /// until `locked_until` and the count starts anew. Returns the state after it.
    fn login_failed<'a>(&'a self, id: &'a str, limit: u32, locked_until: Timestamp)
    -> Stored<'a, LoginState>;
    /// Clears failures and lockout.
    fn login_succeeded<'a>(&'a self, id: &'a str) -> Stored<'a, ()>;
    /// Clears failures and lockout, and records [`super::Change::Unlock`], so that every node forgets what it counts itself; `Missing` without such a user.
    fn unlock<'a>(&'a self, name: &'a str) -> Stored<'a, ()>;
}
