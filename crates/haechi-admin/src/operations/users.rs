//! `/api/v1/users`: users in the store.

use crate::answer::{Done, Made, Page, Shown, Tagged, limit, tag};
use crate::call::{Asked, Condition, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::{SecretText, shape};
use haechi_authn::identity::UserSpec;
use haechi_core::ports::{StoreError, UserRecord, Users};
use haechi_core::{AttributeValue, Attributes, Timestamp};
use std::collections::BTreeMap;

shape! {
    /// Which user.
    pub(crate) UserPath {
        /// What the user types to log in.
        required name: String,
    }

    /// Which users.
    pub(crate) UsersQuery {
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// A user to be added.
    pub(crate) NewUser {
        /// What the user types to log in.
        required name: String,
        /// At least 15 characters.
        required password: SecretText,
        /// Roles.
        optional roles: Vec<String>,
        /// Declared attributes.
        optional attributes: BTreeMap<Box<str>, AttributeValue>,
    }

    /// Roles in place of those that a user has.
    pub(crate) NewRoles {
        /// Roles.
        required roles: Vec<String>,
    }

    /// A password in place of the one that a user has.
    pub(crate) NewPassword {
        /// At least 15 characters.
        required password: SecretText,
    }

    /// Whether a user may log in.
    pub(crate) NewUserState {
        /// `true` keeps the user from logging in.
        required disabled: bool,
    }

    /// A user: everything but the password's hash.
    pub(crate) UserView {
        /// Never changes; the `sub` of the user's tokens.
        required id: String,
        /// What the user types to log in.
        required name: String,
        /// Roles as assigned.
        required roles: Vec<String>,
        /// Declared attributes.
        required attributes: BTreeMap<Box<str>, AttributeValue>,
        /// Whether the user is kept from logging in.
        required disabled: bool,
        /// When the user was added.
        required created_at: String,
        /// Until when the user is locked after too many wrong passwords; left out where the user is not.
        optional locked_until: Option<String>,
    }
}

impl UserView {
    fn of(user: UserRecord, now: Timestamp) -> Self {
        let attributes: Attributes = user.attributes;
        let locked_until = user.login.locked_until.filter(|until| *until > now);
        Self {
            id: user.id,
            name: user.name,
            roles: user.roles,
            attributes,
            disabled: user.disabled,
            created_at: user.created_at.rfc3339().to_string(),
            locked_until: locked_until.map(|until| until.rfc3339().to_string()),
        }
    }
}

pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, UsersQuery, Nothing>,
) -> Result<Page<UserView>, AdminError> {
    let (limit, now) = (limit(asked.query.limit)?, reader.now());
    let after = asked.query.cursor;
    let all = reader.stores()?.users.list().await?.into_iter();
    let rest = all.filter(|user| after.as_ref().is_none_or(|after| user.name > *after));
    let page = rest.take(limit + 1).map(|user| UserView::of(user, now)).collect();
    Ok(Page::of(page, limit, |last: &UserView| last.name.clone()))
}

pub(super) async fn show(
    reader: Reader,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Tagged<UserView>, AdminError> {
    let user = existing(&*reader.stores()?.users, &asked.path.name).await?;
    Ok(Tagged(UserView::of(user, reader.now())))
}

pub(super) async fn add(
    change: Change,
    asked: Asked<Nothing, Nothing, Json<NewUser>>,
) -> Result<Made<UserView>, AdminError> {
    let NewUser { name, password, roles, attributes } = asked.body.0;
    change.detail("roles", roles.clone()).await;
    let spec = UserSpec { name, roles, attributes };
    let accounts = change.accounts()?;
    // Nothing is hashed in vain.
    accounts.check_user(&spec).await?;
    let user = accounts.add_user(spec, password.into_secret()).await?;
    Ok(Made(UserView::of(user, change.look.now())))
}

pub(super) async fn delete(
    change: Change,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    concerned(&change, &asked.path.name, &asked.condition).await?;
    change.accounts()?.delete(&asked.path.name).await?;
    Ok(Done)
}

pub(super) async fn set_roles(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewRoles>>,
) -> Result<Shown<UserView>, AdminError> {
    let user = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.detail("from", user.roles).await;
    change.detail("to", asked.body.0.roles.clone()).await;
    change.accounts()?.set_roles(&asked.path.name, asked.body.0.roles).await?;
    after(&change, &asked.path.name).await
}

pub(super) async fn set_password(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewPassword>>,
) -> Result<Done, AdminError> {
    concerned(&change, &asked.path.name, &asked.condition).await?;
    change.accounts()?.set_password(&asked.path.name, asked.body.0.password.into_secret()).await?;
    Ok(Done)
}

pub(super) async fn set_state(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewUserState>>,
) -> Result<Shown<UserView>, AdminError> {
    concerned(&change, &asked.path.name, &asked.condition).await?;
    change.detail("disabled", asked.body.0.disabled).await;
    change.accounts()?.set_disabled(&asked.path.name, asked.body.0.disabled).await?;
    after(&change, &asked.path.name).await
}

pub(super) async fn unlock(
    change: Change,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Shown<UserView>, AdminError> {
    let user = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.stores()?.users.login_succeeded(&user.id).await?;
    after(&change, &asked.path.name).await
}

/// The user whom a change concerns, if it is as the caller thinks.
pub(super) async fn concerned(
    change: &Change,
    name: &str,
    condition: &Condition,
) -> Result<UserRecord, AdminError> {
    let user = existing(&*change.look.stores()?.users, name).await?;
    condition.holds(&tag(&UserView::of(user.clone(), change.look.now()))?)?;
    change.about(&user.id).await;
    Ok(user)
}

async fn after(change: &Change, name: &str) -> Result<Shown<UserView>, AdminError> {
    let user = existing(&*change.look.stores()?.users, name).await?;
    Ok(Shown(UserView::of(user, change.look.now())))
}

pub(super) async fn existing(users: &dyn Users, name: &str) -> Result<UserRecord, AdminError> {
    let found = users.by_name(name).await?;
    found.ok_or_else(|| StoreError::Missing(format!("user `{name}`")).into())
}
