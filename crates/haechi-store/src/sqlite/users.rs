//! Users, in SQLite.

use super::edit::edit;
use super::fault::{Fault, found, taken};
use super::{Sqlite, Write, log};
use crate::edits::Kind;
use crate::json::json;
use crate::records::{Columns, login_state, user};
use haechi_core::ports::{Change, Edit, LoginState, PasswordState, StoreError, Stored, UserRecord, Users};
use haechi_core::{Attributes, Secret, Timestamp};
use sqlx::query;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;

impl Users for Sqlite {
    fn by_name<'a>(&'a self, name: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(async move {
            let row =
                query("SELECT * FROM users WHERE name = ?").bind(name).fetch_optional(&self.readers).await?;
            row.as_ref().map(user).transpose()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(async move {
            let row =
                query("SELECT * FROM users WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
            row.as_ref().map(user).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<UserRecord>> {
        self.answer(async move {
            query("SELECT * FROM users ORDER BY name")
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(user)
                .collect()
        })
    }

    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<UserRecord>> {
        self.answer(async move {
            query("SELECT * FROM users WHERE ?1 IS NULL OR name > ?1 ORDER BY name LIMIT ?2")
                .bind(after)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(user)
                .collect()
        })
    }

    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            query(
                "INSERT INTO users \
                 (id, name, password_hash, roles, attributes, disabled, created_at, failures, locked_until, must_change_password, \
                 password_changed_at, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&user.id)
            .bind(&user.name)
            .bind(user.password_hash.expose())
            .bind(json(&user.roles)?)
            .bind(json(&user.attributes)?)
            .bind(user.disabled)
            .bind(user.created_at.as_millis())
            .bind(user.login.failures)
            .bind(user.login.locked_until.map(Timestamp::as_millis))
            .bind(user.password.must_change)
            .bind(user.password.changed_at.map(Timestamp::as_millis))
            .bind(user.revision.number())
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, named(&user.name)))?;
            self.commit(write).await
        })
    }

    fn set_roles<'a>(&'a self, user: Edit<'a>, roles: &'a [String]) -> Stored<'a, ()> {
        self.answer(async move {
            let update = query("UPDATE users SET roles = ? WHERE name = ? RETURNING id")
                .bind(json(roles)?)
                .bind(user.of);
            self.change(update, user).await
        })
    }

    fn set_attributes<'a>(&'a self, user: Edit<'a>, attributes: &'a Attributes) -> Stored<'a, ()> {
        self.answer(async move {
            let update = query("UPDATE users SET attributes = ? WHERE name = ? RETURNING id")
                .bind(json(attributes)?)
                .bind(user.of);
            self.change(update, user).await
        })
    }

    fn set_password<'a>(
        &'a self,
        user: Edit<'a>,
        hash: &'a Secret<String>,
        state: PasswordState,
    ) -> Stored<'a, ()> {
        self.answer(async move {
            let update = query(
                "UPDATE users SET password_hash = ?, must_change_password = ?, password_changed_at = ?, failures = 0, \
                 locked_until = NULL WHERE name = ? RETURNING id",
            )
            .bind(hash.expose())
            .bind(state.must_change)
            .bind(state.changed_at.map(Timestamp::as_millis))
            .bind(user.of);
            let mut write = self.write().await?;
            change(&mut write, update, user).await?;
            log::record(&mut write, &Change::Unlock(user.of.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn set_disabled<'a>(&'a self, user: Edit<'a>, disabled: bool) -> Stored<'a, ()> {
        self.answer(async move {
            let update = query("UPDATE users SET disabled = ? WHERE name = ? RETURNING id")
                .bind(disabled)
                .bind(user.of);
            self.change(update, user).await
        })
    }

    fn delete<'a>(&'a self, user: Edit<'a>) -> Stored<'a, ()> {
        self.answer(async move {
            let delete = query("DELETE FROM users WHERE name = ? RETURNING id").bind(user.of);
            let mut write = self.write().await?;
            query("DELETE FROM identity_records WHERE owner = (SELECT id FROM users WHERE name = ?)")
                .bind(user.of)
                .execute(&mut *write)
                .await?;
            change(&mut write, delete, user).await?;
            self.commit(write).await
        })
    }

    fn login_failed<'a>(
        &'a self,
        id: &'a str,
        limit: u32,
        locked_until: Timestamp,
    ) -> Stored<'a, LoginState> {
        self.answer(async move {
            let mut write = self.write().await?;
            let row = query(
                "UPDATE users SET failures = iif(failures + 1 >= ?1, 0, failures + 1), \
                 locked_until = iif(failures + 1 >= ?1, ?2, locked_until) \
                 WHERE id = ?3 RETURNING failures, locked_until",
            )
            .bind(limit)
            .bind(locked_until.as_millis())
            .bind(id)
            .fetch_optional(&mut *write)
            .await?;
            let row = row.ok_or_else(|| StoreError::Missing(named(id)))?;
            let state = login_state(&row)?;
            self.commit(write).await?;
            Ok(state)
        })
    }

    fn login_succeeded<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("UPDATE users SET failures = 0, locked_until = NULL WHERE id = ?")
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, || named(id))?;
            self.commit(write).await
        })
    }

    fn unlock<'a>(&'a self, name: &'a str) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query("UPDATE users SET failures = 0, locked_until = NULL WHERE name = ?")
                .bind(name)
                .execute(&mut *write)
                .await?;
            found(&done, || named(name))?;
            log::record(&mut write, &Change::Unlock(name.to_owned())).await?;
            self.commit(write).await
        })
    }
}

impl Sqlite {
    /// A change to a user that nodes must learn of; it returns the user's id.
    async fn change(
        &self,
        change: Query<'_, sqlx::Sqlite, SqliteArguments>,
        user: Edit<'_>,
    ) -> Result<(), Fault> {
        let mut write = self.write().await?;
        self::change(&mut write, change, user).await?;
        self.commit(write).await
    }
}

/// The same, in a transaction that has more to do.
async fn change(
    write: &mut Write,
    change: Query<'_, sqlx::Sqlite, SqliteArguments>,
    user: Edit<'_>,
) -> Result<(), Fault> {
    edit(write, Kind::User, user).await?;
    let row = change.fetch_optional(&mut **write).await?;
    let row = row.ok_or_else(|| StoreError::Missing(named(user.of)))?;
    log::record(write, &Change::User(row.text("id")?)).await
}

fn named(name: &str) -> String {
    Kind::User.named(name)
}
