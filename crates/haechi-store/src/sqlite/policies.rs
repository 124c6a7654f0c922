//! Policies that are kept in the store, in SQLite.

use super::Sqlite;
use super::fault::Fault;
use crate::json::{json, optional_json};
use crate::records::{Columns, policies_in_force, policy_changed, policy_version};
use haechi_core::ports::{Policies, PoliciesInForce, PolicyVersion, Stored};
use sqlx::{SqliteConnection, query, query_as};

impl Policies for Sqlite {
    fn in_force(&self) -> Stored<'_, PoliciesInForce> {
        self.answer(async move {
            let rows = query(
                "SELECT s.newest, p.* FROM (SELECT coalesce(max(serial), 0) AS newest FROM policies) s \
                 LEFT JOIN (SELECT * FROM policies o WHERE text IS NOT NULL AND NOT EXISTS \
                 (SELECT 1 FROM policies n WHERE n.name = o.name AND n.version > o.version)) p ON TRUE ORDER BY p.name",
            )
            .fetch_all(&self.readers)
            .await?;
            policies_in_force(&rows)
        })
    }

    fn serial(&self) -> Stored<'_, i64> {
        self.answer(async move {
            let row = query("SELECT coalesce(max(serial), 0) AS newest FROM policies")
                .fetch_one(&self.readers)
                .await?;
            row.number("newest")
        })
    }

    fn versions<'a>(
        &'a self,
        name: &'a str,
        before: Option<i64>,
        limit: usize,
    ) -> Stored<'a, Vec<PolicyVersion>> {
        self.answer(async move {
            query(
                "SELECT * FROM policies WHERE name = ?1 AND (?2 IS NULL OR version < ?2) ORDER BY version DESC LIMIT ?3",
            )
            .bind(name)
            .bind(before)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(policy_version)
            .collect()
        })
    }

    fn version<'a>(&'a self, name: &'a str, version: i64) -> Stored<'a, Option<PolicyVersion>> {
        self.answer(async move {
            let found =
                query("SELECT * FROM policies WHERE name = ? AND version = ?").bind(name).bind(version);
            found.fetch_optional(&self.readers).await?.as_ref().map(policy_version).transpose()
        })
    }

    fn add<'a>(&'a self, version: &'a PolicyVersion) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            if newest(&mut write, &version.name).await? != (version.serial - 1, version.version - 1) {
                return Err(policy_changed(version).into());
            }
            query(
                "INSERT INTO policies (serial, name, version, text, changed_at, changed_by, approved_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(version.serial)
            .bind(&version.name)
            .bind(version.version)
            .bind(&version.text)
            .bind(version.changed_at.as_millis())
            .bind(json(&version.changed_by)?)
            .bind(optional_json(version.approved_by.as_ref())?)
            .execute(&mut *write)
            .await?;
            self.commit(write).await
        })
    }
}

/// The newest serial of all, and the newest version of a name. Who asks holds the write lock.
async fn newest(write: &mut SqliteConnection, name: &str) -> Result<(i64, i64), Fault> {
    let found = query_as(
        "SELECT coalesce(max(serial), 0), coalesce(max(version) FILTER (WHERE name = ?), 0) FROM policies",
    );
    Ok(found.bind(name).fetch_one(write).await?)
}
