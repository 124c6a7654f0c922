//! `/api/v1/users`: users in the store.

use crate::answer::{Done, Made, Page, Revised, Tagged, limit};
use crate::call::{Asked, Condition, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::{SecretText, shape};
use haechi_authn::identity::{AccountError, Passkeys, SecondFactors, UserSpec};
use haechi_core::ports::{Edit, Revision, StoreError, UserRecord, Users};
use haechi_core::{AttributeValue, Attributes, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

shape! {
    /// Which user.
    pub(crate) UserPath {
        /// What the user types to log in.
        required name: String,
    }

    /// Which users; those that fit all that is given.
    pub(crate) UsersQuery {
        /// Only those whose name has this in it, however it is written.
        optional name: Option<String>,
        /// Only those that were given this role.
        optional role: Option<String>,
        /// Only those with this attribute, such as `tenant`, or with this value of it, such as `tenant=acme`.
        optional attribute: Option<String>,
        /// Only those in this state: `active`, `locked` or `disabled`.
        optional state: Option<String>,
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

    /// Attributes in place of those that a user has.
    pub(crate) NewAttributes {
        /// Declared attributes.
        required attributes: BTreeMap<Box<str>, AttributeValue>,
    }

    /// A password in place of the one that a user has.
    pub(crate) NewPassword {
        /// At least 15 characters.
        required password: SecretText,
        /// Whether the user must choose another at the next login, before there is any token.
        optional must_change: bool,
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
        /// Whether the user must choose another password at the next login.
        required must_change_password: bool,
        /// Whether the login asks for a second factor; where one user is shown.
        optional second_factor: Option<bool>,
        /// How many passkeys the user has; where one user is shown.
        optional passkeys: Option<usize>,
        /// Grows with every change; the `ETag` is this number in quotes. Wrong passwords do not count.
        required revision: i64,
    }
}

impl Revised for UserView {
    fn revision(&self) -> Revision {
        Revision::from_number(self.revision)
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
            must_change_password: user.password.must_change,
            second_factor: None,
            passkeys: None,
            revision: user.revision.number(),
        }
    }
}

/// Where something is searched for, so many users are looked at for one page, which may then have fewer than were asked for.
const LOOKED_AT: usize = 20_000;
/// So many are read at once.
const AT_ONCE: usize = 500;

pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, UsersQuery, Nothing>,
) -> Result<Page<UserView>, AdminError> {
    let (limit, now) = (limit(asked.query.limit)?, reader.now());
    let users = &reader.stores()?.users;
    let (wanted, mut after) = (WantedUsers::of(&asked.query)?, asked.query.cursor.clone());
    let at_once = if wanted.is_everybody() { limit + 1 } else { AT_ONCE };
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let page = users.page(after.as_deref(), at_once).await?;
        let is_last = page.len() < at_once;
        looked += page.len();
        after = page.last().map(|last| last.name.clone());
        found.extend(
            page.into_iter().filter(|user| wanted.fits(user, now)).map(|user| UserView::of(user, now)),
        );
        if is_last || found.len() > limit {
            return Ok(Page::of(found, limit, |last: &UserView| last.name.clone()));
        }
        if looked >= LOOKED_AT {
            return Ok(Page { items: found, next: after });
        }
    }
}

/// Which users are searched for.
struct WantedUsers<'a> {
    name: Option<String>,
    role: Option<&'a str>,
    attribute: Option<(&'a str, Option<&'a str>)>,
    state: Option<&'a str>,
}

impl<'a> WantedUsers<'a> {
    fn of(query: &'a UsersQuery) -> Result<Self, AdminError> {
        let state = query.state.as_deref();
        if state.is_some_and(|state| !["active", "locked", "disabled"].contains(&state)) {
            return Err(AdminError::BadQuery("`state` is `active`, `locked` or `disabled`".to_owned()));
        }
        let attribute = query.attribute.as_deref();
        Ok(Self {
            name: query.name.as_deref().map(str::to_lowercase),
            role: query.role.as_deref(),
            attribute: attribute
                .map(|text| text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)))),
            state,
        })
    }

    const fn is_everybody(&self) -> bool {
        self.name.is_none() && self.role.is_none() && self.attribute.is_none() && self.state.is_none()
    }

    fn fits(&self, user: &UserRecord, now: Timestamp) -> bool {
        let is_locked = user.login.locked_until.is_some_and(|until| until > now);
        let state = || match (user.disabled, is_locked) {
            (true, _) => "disabled",
            (false, true) => "locked",
            (false, false) => "active",
        };
        let has = |(name, wanted): (&str, Option<&str>)| {
            let value = user.attributes.get(name);
            value.is_some_and(|value| wanted.is_none_or(|wanted| is_value(value, wanted)))
        };
        self.name.as_ref().is_none_or(|name| user.name.to_lowercase().contains(name))
            && self.role.is_none_or(|role| user.roles.iter().any(|given| given == role))
            && self.attribute.is_none_or(has)
            && self.state.is_none_or(|wanted| state() == wanted)
    }
}

/// Whether it is the attribute's value, or one of a set.
fn is_value(value: &AttributeValue, wanted: &str) -> bool {
    match value {
        AttributeValue::Bool(value) => value.to_string() == wanted,
        AttributeValue::Long(value) => value.to_string() == wanted,
        AttributeValue::String(value) => **value == *wanted,
        AttributeValue::Set(members) => members.iter().any(|member| **member == *wanted),
    }
}

pub(super) async fn show(
    reader: Reader,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Tagged<UserView>, AdminError> {
    let user = existing(&*reader.stores()?.users, &asked.path.name).await?;
    let factors = SecondFactors::new(reader.stores()?.identity_records.clone(), Arc::default());
    let standing = factors.standing(&user.id, reader.now()).await.map_err(AccountError::from)?;
    let passkeys = Passkeys::new(reader.stores()?.identity_records.clone());
    let passkeys = passkeys.of(&user.id, reader.now()).await?.len();
    let view = UserView::of(user, reader.now());
    Ok(Tagged(UserView { second_factor: Some(standing.is_on), passkeys: Some(passkeys), ..view }))
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
    let (_, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.accounts()?.delete(edit).await?;
    Ok(Done)
}

pub(super) async fn set_roles(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewRoles>>,
) -> Result<Tagged<UserView>, AdminError> {
    let (user, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.detail("from", user.roles).await;
    change.detail("to", asked.body.0.roles.clone()).await;
    change.accounts()?.set_roles(edit, asked.body.0.roles).await?;
    after(&change, &asked.path.name).await
}

/// The record names the attributes that change. Their values may be personal, and no key would erase them there.
pub(super) async fn set_attributes(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewAttributes>>,
) -> Result<Tagged<UserView>, AdminError> {
    let (user, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    let (before, next) = (user.attributes, asked.body.0.attributes);
    let changed = before.keys().chain(next.keys()).filter(|name| before.get(*name) != next.get(*name));
    let changed: BTreeSet<&str> = changed.map(AsRef::as_ref).collect();
    change.detail("attributes", changed.into_iter().collect::<Vec<_>>()).await;
    change.accounts()?.set_attributes(edit, next).await?;
    after(&change, &asked.path.name).await
}

pub(super) async fn set_password(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewPassword>>,
) -> Result<Done, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    let NewPassword { password, must_change } = asked.body.0;
    change.detail("must_change", must_change).await;
    change.accounts()?.set_password(edit, password.into_secret(), must_change).await?;
    Ok(Done)
}

pub(super) async fn set_state(
    change: Change,
    asked: Asked<UserPath, Nothing, Json<NewUserState>>,
) -> Result<Tagged<UserView>, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.detail("disabled", asked.body.0.disabled).await;
    change.accounts()?.set_disabled(edit, asked.body.0.disabled).await?;
    after(&change, &asked.path.name).await
}

pub(super) async fn unlock(
    change: Change,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Tagged<UserView>, AdminError> {
    concerned(&change, &asked.path.name, &asked.condition).await?;
    change.accounts()?.unlock(&asked.path.name).await?;
    after(&change, &asked.path.name).await
}

pub(super) async fn remove_second_factor(
    change: Change,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Tagged<UserView>, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.accounts()?.remove_second_factor(edit).await?;
    after(&change, &asked.path.name).await
}

pub(super) async fn remove_passkeys(
    change: Change,
    asked: Asked<UserPath, Nothing, Nothing>,
) -> Result<Tagged<UserView>, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.name, &asked.condition).await?;
    change.accounts()?.remove_passkeys(edit).await?;
    after(&change, &asked.path.name).await
}

/// The user whom a change concerns, and what is to be changed, if it is as the caller thinks.
pub(super) async fn concerned<'a>(
    change: &Change,
    name: &'a str,
    condition: &Condition,
) -> Result<(UserRecord, Edit<'a>), AdminError> {
    let user = existing(&*change.look.stores()?.users, name).await?;
    let edit = condition.edit(name, user.revision)?;
    change.about(&user.id).await;
    Ok((user, edit))
}

async fn after(change: &Change, name: &str) -> Result<Tagged<UserView>, AdminError> {
    let user = existing(&*change.look.stores()?.users, name).await?;
    Ok(Tagged(UserView::of(user, change.look.now())))
}

pub(super) async fn existing(users: &dyn Users, name: &str) -> Result<UserRecord, AdminError> {
    let found = users.by_name(name).await?;
    found.ok_or_else(|| StoreError::Missing(format!("user `{name}`")).into())
}
