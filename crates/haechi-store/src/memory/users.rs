//! Users, in memory.

use super::edit::edited;
use super::{Facts, Memory};
use crate::edits::Kind;
use haechi_core::ports::{Change, Edit, LoginState, PasswordState, StoreError, Stored, UserRecord, Users};
use haechi_core::{Attributes, Secret, Timestamp};

impl Users for Memory {
    fn by_name<'a>(&'a self, name: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(move |facts| Ok(facts.users.get(name).cloned()))
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(move |facts| Ok(facts.users.values().find(|user| user.id == id).cloned()))
    }

    fn list(&self) -> Stored<'_, Vec<UserRecord>> {
        self.answer(|facts| Ok(facts.users.values().cloned().collect()))
    }

    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<UserRecord>> {
        self.answer(move |facts| {
            let follow = |user: &&UserRecord| after.is_none_or(|after| user.name.as_str() > after);
            Ok(facts.users.values().filter(follow).take(limit).cloned().collect())
        })
    }

    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.users.values().any(|other| other.name == user.name || other.id == user.id) {
                return Err(StoreError::Exists(named(&user.name)));
            }
            facts.users.insert(user.name.clone(), user.clone());
            Ok(())
        })
    }

    fn set_roles<'a>(&'a self, user: Edit<'a>, roles: &'a [String]) -> Stored<'a, ()> {
        self.answer(move |facts| facts.change(user, |user| user.roles = roles.to_vec()))
    }

    fn set_attributes<'a>(&'a self, user: Edit<'a>, attributes: &'a Attributes) -> Stored<'a, ()> {
        self.answer(move |facts| facts.change(user, |user| user.attributes = attributes.clone()))
    }

    fn set_password<'a>(
        &'a self,
        user: Edit<'a>,
        hash: &'a Secret<String>,
        state: PasswordState,
    ) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.change(user, |user| {
                user.password_hash = hash.clone();
                user.login = LoginState::default();
                user.password = state;
            })?;
            facts.log.add(Change::Unlock(user.of.to_owned()));
            Ok(())
        })
    }

    fn set_disabled<'a>(&'a self, user: Edit<'a>, disabled: bool) -> Stored<'a, ()> {
        self.answer(move |facts| facts.change(user, |user| user.disabled = disabled))
    }

    fn delete<'a>(&'a self, user: Edit<'a>) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.change(user, |_| {})?;
            if let Some(gone) = facts.users.remove(user.of) {
                facts.identity_records.retain(|_, (record, _)| record.owner != gone.id);
            }
            Ok(())
        })
    }

    fn login_failed<'a>(
        &'a self,
        id: &'a str,
        limit: u32,
        locked_until: Timestamp,
    ) -> Stored<'a, LoginState> {
        self.answer(move |facts| {
            let login = &mut facts.user_of_id(id)?.login;
            login.failures = login.failures.saturating_add(1);
            if login.failures >= limit {
                *login = LoginState { failures: 0, locked_until: Some(locked_until) };
            }
            Ok(*login)
        })
    }

    fn login_succeeded<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.user_of_id(id)?.login = LoginState::default();
            Ok(())
        })
    }

    fn unlock<'a>(&'a self, name: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let user = facts.users.get_mut(name).ok_or_else(|| StoreError::Missing(named(name)))?;
            user.login = LoginState::default();
            facts.log.add(Change::Unlock(name.to_owned()));
            Ok(())
        })
    }
}

impl Facts {
    /// A change to a user that nodes must learn of.
    fn change(&mut self, edit: Edit<'_>, change: impl FnOnce(&mut UserRecord)) -> Result<(), StoreError> {
        let user = edited(Kind::User, edit, self.users.get_mut(edit.of))?;
        change(user);
        self.log.add(Change::User(user.id.clone()));
        Ok(())
    }

    fn user_of_id(&mut self, id: &str) -> Result<&mut UserRecord, StoreError> {
        let found = self.users.values_mut().find(|user| user.id == id);
        found.ok_or_else(|| StoreError::Missing(named(id)))
    }
}

fn named(name: &str) -> String {
    Kind::User.named(name)
}
