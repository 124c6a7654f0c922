//! Browser sessions, in SQLite.

use super::fault::{Fault, taken};
use super::{Sqlite, log};
use crate::records::{Columns, web_session};
use haechi_core::Timestamp;
use haechi_core::ports::{
    Change, EndedByProvider, RefreshedSession, Revoked, Stored, WebSession, WebSessions,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, query};

impl WebSessions for Sqlite {
    fn begin<'a>(&'a self, session: &'a WebSession) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            // A few at a time: a login waits for no more.
            query(
                "DELETE FROM web_sessions WHERE id IN \
                 (SELECT id FROM web_sessions WHERE idle_until <= ? ORDER BY idle_until LIMIT 100)",
            )
            .bind(session.created_at.as_millis())
            .execute(&mut *write)
            .await?;
            query(
                "INSERT INTO web_sessions (id, secret_sha256, authenticator, issuer, subject, provider_session, claims, tokens, \
                 refresh_at, version, created_at, seen_at, idle_until, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&session.id)
            .bind(session.secret_sha256.as_slice())
            .bind(&session.authenticator)
            .bind(&session.issuer)
            .bind(&session.subject)
            .bind(&session.provider_session)
            .bind(&session.claims)
            .bind(&session.tokens)
            .bind(session.refresh_at.map(Timestamp::as_millis))
            .bind(number(session.version))
            .bind(session.created_at.as_millis())
            .bind(session.seen_at.as_millis())
            .bind(session.idle_until.as_millis())
            .bind(session.expires_at.as_millis())
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, format!("session `{}`", session.id)))?;
            self.commit(write).await
        })
    }

    fn by_secret<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<WebSession>> {
        self.answer(async move {
            let row = query("SELECT * FROM web_sessions WHERE secret_sha256 = ? AND idle_until > ?")
                .bind(sha256.as_slice())
                .bind(now.as_millis())
                .fetch_optional(&self.readers)
                .await?;
            row.as_ref().map(web_session).transpose()
        })
    }

    fn seen<'a>(&'a self, id: &'a str, at: Timestamp, idle_until: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            query(
                "UPDATE web_sessions SET seen_at = max(seen_at, ?), \
                 idle_until = min(expires_at, max(idle_until, ?)) WHERE id = ?",
            )
            .bind(at.as_millis())
            .bind(idle_until.as_millis())
            .bind(id)
            .execute(&mut *write)
            .await?;
            self.commit(write).await
        })
    }

    fn list<'a>(
        &'a self,
        subject: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<WebSession>> {
        self.answer(async move {
            let rows = query(
                "SELECT * FROM web_sessions WHERE idle_until > ?1 AND (?2 IS NULL OR subject = ?2) \
                 ORDER BY created_at DESC, id DESC LIMIT ?3",
            )
            .bind(now.as_millis())
            .bind(subject)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
            rows.iter().map(web_session).collect()
        })
    }

    fn end<'a>(&'a self, id: &'a str) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            let ended = query("DELETE FROM web_sessions WHERE id = ? RETURNING id, expires_at")
                .bind(id)
                .fetch_all(&mut *write)
                .await?;
            let ended = revoke(&mut write, &ended).await?;
            self.commit(write).await?;
            Ok(!ended.is_empty())
        })
    }

    fn end_by_provider<'a>(&'a self, which: EndedByProvider<'a>) -> Stored<'a, Vec<String>> {
        self.answer(async move {
            if which.subject.is_none() && which.provider_session.is_none() {
                return Ok(Vec::new());
            }
            let mut write = self.write().await?;
            let ended = query(
                "DELETE FROM web_sessions WHERE authenticator = ?1 AND issuer = ?2 AND (?3 IS NULL OR subject = ?3) \
                 AND (?4 IS NULL OR provider_session = ?4) RETURNING id, expires_at",
            )
            .bind(which.authenticator)
            .bind(which.issuer)
            .bind(which.subject)
            .bind(which.provider_session)
            .fetch_all(&mut *write)
            .await?;
            let ended = revoke(&mut write, &ended).await?;
            self.commit(write).await?;
            Ok(ended)
        })
    }

    fn claim_refresh<'a>(
        &'a self,
        id: &'a str,
        version: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query(
                "UPDATE web_sessions SET refreshing_until = ? WHERE id = ? AND version = ? \
                 AND (refreshing_until IS NULL OR refreshing_until <= ?)",
            )
            .bind(until.as_millis())
            .bind(id)
            .bind(number(version))
            .bind(now.as_millis())
            .execute(&mut *write)
            .await?;
            self.commit(write).await?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn refreshed<'a>(&'a self, refreshed: RefreshedSession<'a>) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            let done = query(
                "UPDATE web_sessions SET claims = ?, tokens = ?, refresh_at = ?, version = version + 1, refreshing_until = NULL \
                 WHERE id = ? AND version = ?",
            )
            .bind(refreshed.claims)
            .bind(refreshed.tokens)
            .bind(refreshed.refresh_at.map(Timestamp::as_millis))
            .bind(refreshed.id)
            .bind(number(refreshed.from_version))
            .execute(&mut *write)
            .await?;
            self.commit(write).await?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn login_key<'a>(&'a self, candidate: &'a [u8; 32]) -> Stored<'a, [u8; 32]> {
        self.answer(async move {
            let mut write = self.write().await?;
            query("INSERT INTO login_key (one, key) VALUES (1, ?) ON CONFLICT DO NOTHING")
                .bind(candidate.as_slice())
                .execute(&mut *write)
                .await?;
            let key = query("SELECT key FROM login_key").fetch_one(&mut *write).await?;
            self.commit(write).await?;
            key.sha256("key")
        })
    }
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Tells the log of sessions that were deleted. Their ids.
async fn revoke(write: &mut SqliteConnection, ended: &[SqliteRow]) -> Result<Vec<String>, Fault> {
    let mut ids = Vec::with_capacity(ended.len());
    for row in ended {
        let (id, until) = (row.text("id")?, row.time("expires_at")?);
        log::record(write, &Change::Revoked { what: Revoked::Session(id.clone()), until }).await?;
        ids.push(id);
    }
    Ok(ids)
}
