//! Changes that wait for a second person, in PostgreSQL.

use super::fault::taken;
use super::{Postgres, can_be_kept};
use crate::json::{json, optional_json};
use crate::records::{approval, undecidable};
use haechi_core::Timestamp;
use haechi_core::ports::{Approval, ApprovalState, Approvals, Author, Stored};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, action, target, content, asked_by, asked_at, expires_at, state, decided_by, decided_at FROM haechi.approvals ",
            $rest
        )
    };
}

impl Approvals for Postgres {
    fn page<'a>(&'a self, before: Option<&'a str>, limit: usize) -> Stored<'a, Vec<Approval>> {
        self.answer(async move {
            if before.is_some_and(|before| !can_be_kept(before)) {
                return Ok(Vec::new());
            }
            let text = select!(
                "WHERE $1::text IS NULL OR id COLLATE \"C\" < $1 ORDER BY id COLLATE \"C\" DESC LIMIT $2"
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.rows(text, |sql| sql.bind(before).bind(limit)).await?;
            rows.iter().map(approval).collect()
        })
    }

    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<Approval>> {
        self.answer(async move {
            if !can_be_kept(id) {
                return Ok(None);
            }
            let row = self.row(select!("WHERE id = $1"), |sql| sql.bind(id)).await?;
            row.as_ref().map(approval).transpose()
        })
    }

    fn add<'a>(&'a self, approval: &'a Approval) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            write
                .sql(
                    "INSERT INTO haechi.approvals (id, action, target, content, asked_by, asked_at, expires_at, state, decided_by, decided_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
            if !can_be_kept(id) {
                return Err(undecidable(id, false).into());
            }
            let mut write = self.write().await?;
            let done = write
                .sql(
                    "UPDATE haechi.approvals SET state = $1, decided_by = $2, decided_at = $3, content = '{}' WHERE id = $4 AND state = $5",
                )
                .bind(to.name())
                .bind(optional_json(by)?)
                .bind(at.as_millis())
                .bind(id)
                .bind(from.name())
                .execute(&mut *write)
                .await?;
            if done.rows_affected() == 0 {
                let look = write.sql("SELECT 1 FROM haechi.approvals WHERE id = $1").bind(id);
                let found = look.fetch_optional(&mut *write).await?;
                return Err(undecidable(id, found.is_some()).into());
            }
            self.commit(write).await
        })
    }

    fn expire(&self, now: Timestamp) -> Stored<'_, Vec<Approval>> {
        self.answer(async move {
            // Looked at every second, and hardly ever anything to write.
            let due = "SELECT 1 FROM haechi.approvals WHERE state = 'pending' AND expires_at <= $1 LIMIT 1";
            if self.row(due, |sql| sql.bind(now.as_millis())).await?.is_none() {
                return Ok(Vec::new());
            }
            let mut write = self.write().await?;
            let rows = write
                .sql(
                    "UPDATE haechi.approvals SET state = 'expired', decided_at = $1, content = '{}' WHERE state = 'pending' AND expires_at <= $1 \
                     RETURNING id, action, target, content, asked_by, asked_at, expires_at, state, decided_by, decided_at",
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
