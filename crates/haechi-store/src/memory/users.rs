//! Users, in memory.

use super::{Facts, Memory};
use haechi_core::ports::{Change, LoginState, StoreError, Stored, UserRecord, Users};
use haechi_core::{Secret, Timestamp};

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

    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.users.values().any(|other| other.name == user.name || other.id == user.id) {
                return Err(StoreError::Exists(named(&user.name)));
            }
            facts.users.insert(user.name.clone(), user.clone());
            Ok(())
        })
    }

    fn set_roles<'a>(&'a self, name: &'a str, roles: &'a [String]) -> Stored<'a, ()> {
        self.answer(move |facts| facts.change(name, |user| user.roles = roles.to_vec()))
    }

    fn set_password<'a>(&'a self, name: &'a str, hash: &'a Secret<String>) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.change(name, |user| {
                user.password_hash = hash.clone();
                user.login = LoginState::default();
            })
        })
    }

    fn set_disabled<'a>(&'a self, name: &'a str, disabled: bool) -> Stored<'a, ()> {
        self.answer(move |facts| facts.change(name, |user| user.disabled = disabled))
    }

    fn delete<'a>(&'a self, name: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let user = facts.users.remove(name).ok_or_else(|| StoreError::Missing(named(name)))?;
            facts.log.add(Change::User(user.id));
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
}

impl Facts {
    /// A change to the user `name` that nodes must learn of.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut UserRecord)) -> Result<(), StoreError> {
        let user = self.users.get_mut(name).ok_or_else(|| StoreError::Missing(named(name)))?;
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
    format!("user `{name}`")
}
