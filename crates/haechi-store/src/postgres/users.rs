//! Users, in PostgreSQL.

use super::edit::edit;
use super::fault::{Fault, found, taken};
use super::lease::{Lease, Statement};
use super::{Postgres, can_be_kept, log};
use crate::edits::Kind;
use crate::json::json;
use crate::records::{Columns, login_state, user};
use haechi_core::ports::{Change, Edit, LoginState, PasswordState, StoreError, Stored, UserRecord, Users};
use haechi_core::{Attributes, Secret, Timestamp};

/// Named one by one: a statement that was prepared for `*` is refused once a newer node has added a column.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, password_hash, roles, attributes, disabled, created_at, failures, locked_until, ",
            "must_change_password, password_changed_at, revision FROM haechi.users ",
            $rest
        )
    };
}

impl Users for Postgres {
    fn by_name<'a>(&'a self, name: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(async move {
            if !can_be_kept(name) {
                return Ok(None);
            }
            let row = self.row(select!("WHERE name = $1"), |sql| sql.bind(name)).await?;
            row.as_ref().map(user).transpose()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<UserRecord>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let row = self.row(select!("WHERE id = $1"), |sql| sql.bind(id)).await?;
            row.as_ref().map(user).transpose()
        })
    }

    fn list(&self) -> Stored<'_, Vec<UserRecord>> {
        self.answer(async move {
            let rows = self.rows(select!("ORDER BY name COLLATE \"C\""), |sql| sql).await?;
            rows.iter().map(user).collect()
        })
    }

    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<UserRecord>> {
        self.answer(async move {
            if after.is_some_and(|after| !can_be_kept(after)) {
                return Err(StoreError::Missing(named(after.unwrap_or_default())).into());
            }
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let text = select!(
                "WHERE $1::text IS NULL OR name COLLATE \"C\" > $1 ORDER BY name COLLATE \"C\" LIMIT $2"
            );
            let rows = self.rows(text, |sql| sql.bind(after).bind(limit)).await?;
            rows.iter().map(user).collect()
        })
    }

    fn add<'a>(&'a self, user: &'a UserRecord) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            write
                .sql(
                    "INSERT INTO haechi.users \
                     (id, name, password_hash, roles, attributes, disabled, created_at, failures, locked_until, must_change_password, \
                     password_changed_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                )
                .bind(&user.id)
                .bind(&user.name)
                .bind(user.password_hash.expose())
                .bind(json(&user.roles)?)
                .bind(json(&user.attributes)?)
                .bind(user.disabled)
                .bind(user.created_at.as_millis())
                .bind(i64::from(user.login.failures))
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
            let roles = json(roles)?;
            self.change("UPDATE haechi.users SET roles = $2 WHERE name = $1 RETURNING id", user, |sql| {
                sql.bind(roles)
            })
            .await
        })
    }

    fn set_attributes<'a>(&'a self, user: Edit<'a>, attributes: &'a Attributes) -> Stored<'a, ()> {
        self.answer(async move {
            let attributes = json(attributes)?;
            let text = "UPDATE haechi.users SET attributes = $2 WHERE name = $1 RETURNING id";
            self.change(text, user, |sql| sql.bind(attributes)).await
        })
    }

    fn set_password<'a>(
        &'a self,
        user: Edit<'a>,
        hash: &'a Secret<String>,
        state: PasswordState,
    ) -> Stored<'a, ()> {
        self.answer(async move {
            let text = "UPDATE haechi.users SET password_hash = $2, must_change_password = $3, password_changed_at = $4, failures = 0, \
                        locked_until = NULL WHERE name = $1 RETURNING id";
            let mut write = self.write().await?;
            let changed_at = state.changed_at.map(Timestamp::as_millis);
            change(&mut write, text, user, |sql| {
                sql.bind(hash.expose()).bind(state.must_change).bind(changed_at)
            })
            .await?;
            log::record(&mut write, &Change::Unlock(user.of.to_owned())).await?;
            self.commit(write).await
        })
    }

    fn set_disabled<'a>(&'a self, user: Edit<'a>, disabled: bool) -> Stored<'a, ()> {
        self.answer(async move {
            let text = "UPDATE haechi.users SET disabled = $2 WHERE name = $1 RETURNING id";
            self.change(text, user, |sql| sql.bind(disabled)).await
        })
    }

    fn delete<'a>(&'a self, user: Edit<'a>) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            edit(&mut write, Kind::User, user).await?;
            write
                .sql("DELETE FROM haechi.identity_records WHERE owner = (SELECT id FROM haechi.users WHERE name = $1)")
                .bind(user.of)
                .execute(&mut *write)
                .await?;
            let row = write
                .sql("DELETE FROM haechi.users WHERE name = $1 RETURNING id")
                .bind(user.of)
                .fetch_optional(&mut *write)
                .await?;
            let row = row.ok_or_else(|| StoreError::Missing(named(user.of)))?;
            log::record(&mut write, &Change::User(row.text("id")?)).await?;
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
            let row = write
                .sql(
                    "UPDATE haechi.users SET \
                     failures = CASE WHEN failures + 1 >= $1 THEN 0 ELSE failures + 1 END, \
                     locked_until = CASE WHEN failures + 1 >= $1 THEN $2 ELSE locked_until END \
                     WHERE id = $3 RETURNING failures, locked_until",
                )
                .bind(i64::from(limit))
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
            let done = write
                .sql("UPDATE haechi.users SET failures = 0, locked_until = NULL WHERE id = $1")
                .bind(id)
                .execute(&mut *write)
                .await?;
            found(&done, || named(id))?;
            self.commit(write).await
        })
    }

    fn unlock<'a>(&'a self, name: &'a str) -> Stored<'a, ()> {
        self.answer(async move {
            if !can_be_kept(name) {
                return Err(StoreError::Missing(named(name)).into());
            }
            let mut write = self.write().await?;
            let done = write
                .sql("UPDATE haechi.users SET failures = 0, locked_until = NULL WHERE name = $1")
                .bind(name)
                .execute(&mut *write)
                .await?;
            found(&done, || named(name))?;
            log::record(&mut write, &Change::Unlock(name.to_owned())).await?;
            self.commit(write).await
        })
    }
}

impl Postgres {
    /// A change to a user that nodes must learn of; the statement takes the name first, and returns the user's id.
    async fn change<'q>(
        &self,
        text: &'static str,
        user: Edit<'q>,
        bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
    ) -> Result<(), Fault> {
        let mut write = self.write().await?;
        change(&mut write, text, user, bind).await?;
        self.commit(write).await
    }
}

/// The same, in a transaction that has more to do.
async fn change<'q>(
    write: &mut Lease,
    text: &'static str,
    user: Edit<'q>,
    bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
) -> Result<(), Fault> {
    edit(write, Kind::User, user).await?;
    let row = bind(write.sql(text).bind(user.of)).fetch_optional(&mut **write).await?;
    let row = row.ok_or_else(|| StoreError::Missing(named(user.of)))?;
    log::record(write, &Change::User(row.text("id")?)).await
}

fn named(name: &str) -> String {
    Kind::User.named(name)
}
