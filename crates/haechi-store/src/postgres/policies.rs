//! Policies that are kept in the store, in PostgreSQL.

use super::fault::Fault;
use super::{Postgres, can_be_kept};
use crate::json::{json, optional_json};
use crate::records::{Columns, policies_in_force, policy_changed, policy_version};
use haechi_core::ports::{Policies, PoliciesInForce, PolicyVersion, StoreError, Stored};

/// The first version of the schema whose programs know policies of the store.
const SINCE: i64 = 7;

/// Named one by one: a statement that was prepared for `*` is refused once a newer node has added a column.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT serial, name, version, text, changed_at, changed_by, approved_by FROM haechi.policies ",
            $rest
        )
    };
}

impl Policies for Postgres {
    fn in_force(&self) -> Stored<'_, PoliciesInForce> {
        self.answer(async move {
            let text = "SELECT s.newest, p.serial, p.name, p.version, p.text, p.changed_at, p.changed_by, p.approved_by \
                 FROM (SELECT coalesce(max(serial), 0) AS newest FROM haechi.policies) s \
                 LEFT JOIN (SELECT * FROM haechi.policies o WHERE text IS NOT NULL AND NOT EXISTS \
                 (SELECT 1 FROM haechi.policies n WHERE n.name = o.name AND n.version > o.version)) p ON TRUE \
                 ORDER BY p.name COLLATE \"C\"";
            policies_in_force(&self.rows(text, |sql| sql).await?)
        })
    }

    fn serial(&self) -> Stored<'_, i64> {
        self.answer(async move {
            let text = "SELECT coalesce(max(serial), 0) AS newest FROM haechi.policies";
            let row = self.row(text, |sql| sql).await?;
            let nothing = || StoreError::Corrupt("`policies` has no newest serial".to_owned());
            row.ok_or_else(nothing)?.number("newest")
        })
    }

    fn versions<'a>(
        &'a self,
        name: &'a str,
        before: Option<i64>,
        limit: usize,
    ) -> Stored<'a, Vec<PolicyVersion>> {
        self.answer(async move {
            if !can_be_kept(name) {
                return Ok(Vec::new());
            }
            let text = select!(
                "WHERE name = $1 AND ($2::bigint IS NULL OR version < $2) ORDER BY version DESC LIMIT $3"
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.rows(text, |sql| sql.bind(name).bind(before).bind(limit)).await?;
            rows.iter().map(policy_version).collect()
        })
    }

    fn version<'a>(&'a self, name: &'a str, version: i64) -> Stored<'a, Option<PolicyVersion>> {
        self.answer(async move {
            if !can_be_kept(name) {
                return Ok(None);
            }
            let row = self
                .row(select!("WHERE name = $1 AND version = $2"), |sql| sql.bind(name).bind(version))
                .await?;
            row.as_ref().map(policy_version).transpose()
        })
    }

    fn add<'a>(&'a self, version: &'a PolicyVersion) -> Stored<'a, ()> {
        self.answer(async move {
            if !can_be_kept(version.text.as_deref().unwrap_or_default()) || !can_be_kept(&version.name) {
                return Err(StoreError::Corrupt("a policy with a NUL in it".to_owned()).into());
            }
            let mut write = self.write().await?;
            // Only what follows is inserted, and of two who insert the same the key refuses one.
            let done = write
                .sql(
                    "INSERT INTO haechi.policies (serial, name, version, text, changed_at, changed_by, approved_by) \
                     SELECT $1, $2, $3, $4, $5, $6, $7 FROM (SELECT coalesce(max(serial), 0) AS serial, \
                     coalesce(max(version) FILTER (WHERE name = $2), 0) AS version FROM haechi.policies) newest \
                     WHERE newest.serial = $1 - 1 AND newest.version = $3 - 1",
                )
                .bind(version.serial)
                .bind(&version.name)
                .bind(version.version)
                .bind(&version.text)
                .bind(version.changed_at.as_millis())
                .bind(json(&version.changed_by)?)
                .bind(optional_json(version.approved_by.as_ref())?)
                .execute(&mut *write)
                .await;
            match done {
                Ok(done) if done.rows_affected() == 1 => {}
                Ok(_) => return Err(policy_changed(version).into()),
                Err(error) if is_taken(&error) => return Err(policy_changed(version).into()),
                Err(error) => return Err(error.into()),
            }
            // A program that knows of no policies in the store would decide without them.
            write
                .sql("UPDATE haechi.compatibility SET oldest_known = $1 WHERE oldest_known < $1")
                .bind(SINCE)
                .execute(&mut *write)
                .await
                .map_err(Fault::from)?;
            self.commit(write).await
        })
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}
