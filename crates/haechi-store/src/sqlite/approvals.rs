//! Changes that wait for a second person, in SQLite.

use super::Sqlite;
use super::fault::taken;
use crate::json::{json, optional_json};
use crate::records::{approval, undecidable};
use haechi_core::Timestamp;
use haechi_core::ports::{Approval, ApprovalState, Approvals, Author, Stored};
use sqlx::query;

impl Approvals for Sqlite {
    fn page<'a>(&'a self, before: Option<&'a str>, limit: usize) -> Stored<'a, Vec<Approval>> {
        self.answer(async move {
            query("SELECT * FROM approvals WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2")
                .bind(before)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.readers)
                .await?
                .iter()
                .map(approval)
                .collect()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<Approval>> {
        self.answer(async move {
            let found = query("SELECT * FROM approvals WHERE id = ?").bind(id);
            found.fetch_optional(&self.readers).await?.as_ref().map(approval).transpose()
        })
    }

    fn add<'a>(&'a self, approval: &'a Approval) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            query(
                "INSERT INTO approvals (id, action, target, content, asked_by, asked_at, expires_at, state, decided_by, decided_at) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&approval.id)
            .bind(&approval.action)
            .bind(&approval.target)
            .bind(&approval.content)
            .bind(json(&approval.asked_by)?)
            .bind(approval.asked_at.as_millis())
            .bind(approval.expires_at.as_millis())
            .bind(approval.state.name())
            .bind(optional_json(approval.decided_by.as_ref())?)
            .bind(approval.decided_at.map(Timestamp::as_millis))
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, format!("approval `{}`", approval.id)))?;
            self.commit(write).await
        })
    }

    fn decide<'a>(
        &'a self,
        id: &'a str,
        (from, to): (ApprovalState, ApprovalState),
        by: Option<&'a Author>,
        at: Timestamp,
    ) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query(
                "UPDATE approvals SET state = ?, decided_by = ?, decided_at = ?, content = '{}' WHERE id = ? AND state = ?",
            )
            .bind(to.name())
            .bind(optional_json(by)?)
            .bind(at.as_millis())
            .bind(id)
            .bind(from.name())
            .execute(&mut *write)
            .await?;
            if done.rows_affected() == 0 {
                let found =
                    query("SELECT 1 FROM approvals WHERE id = ?").bind(id).fetch_optional(&mut *write).await?;
                return Err(undecidable(id, found.is_some()).into());
            }
            self.commit(write).await
        })
    }

    fn expire(&self, now: Timestamp) -> Stored<'_, Vec<Approval>> {
        self.answer(async move {
            // Looked at every second, and hardly ever anything to write.
            let due = query("SELECT 1 FROM approvals WHERE state = 'pending' AND expires_at <= ? LIMIT 1");
            if due.bind(now.as_millis()).fetch_optional(&self.readers).await?.is_none() {
                return Ok(Vec::new());
            }
            let mut write = self.write().await?;
            let rows = query(
                "UPDATE approvals SET state = 'expired', decided_at = ?1, content = '{}' WHERE state = 'pending' AND expires_at <= ?1 RETURNING *",
            )
            .bind(now.as_millis())
            .fetch_all(&mut *write)
            .await?;
            let expired = rows.iter().map(approval).collect::<Result<_, _>>()?;
            self.commit(write).await?;
            Ok(expired)
        })
    }
}
