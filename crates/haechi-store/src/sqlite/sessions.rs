//! Login sessions, in SQLite.

use super::fault::{Fault, taken};
use super::{Sqlite, Write, log};
use crate::json::json;
use crate::records::{PresentedToken, presented_token, session};
use crate::times::forget_after;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Exchange, Revoked, Rotation, Session, Sessions, Stored};
use sqlx::sqlite::SqliteExecutor;
use sqlx::{SqliteConnection, query, query_scalar};

impl Sessions for Sqlite {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            forget(&mut write, session.created_at).await?;
            query(
                "INSERT INTO sessions (id, user_id, expires_at, created_at, forget_after, chain_key, client_id, details) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&session.id)
            .bind(&session.user_id)
            .bind(session.expires_at.as_millis())
            .bind(session.created_at.as_millis())
            .bind(forget_after(session).as_millis())
            .bind(session.chain_key.as_ref().map(|key| key.as_slice()))
            .bind(&session.details.client)
            .bind(json(&session.details)?)
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, format!("session `{}`", session.id)))?;
            add_token(&mut write, &session.id, &session.token_sha256).await?;
            self.commit(write).await
        })
    }

    fn rotate<'a>(&'a self, asked: Exchange<'a>) -> Stored<'a, Rotation> {
        self.answer(async move {
            // Made-up tokens must not make others wait for the write lock.
            if presented(&self.readers, asked.presented).await?.is_none() {
                return Ok(Rotation::Unknown);
            }
            let mut write = self.write().await?;
            match presented(&mut *write, asked.presented).await? {
                Some(token) if asked.now < token.session.expires_at => {
                    self.exchange(write, token, &asked).await
                }
                _ => Ok(Rotation::Unknown),
            }
        })
    }

    fn of_token<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<Session>> {
        self.answer(async move {
            let token = presented(&self.readers, sha256).await?;
            Ok(token.map(|token| token.session).filter(|session| now < session.expires_at))
        })
    }

    fn list<'a>(
        &'a self,
        user_id: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<Session>> {
        self.answer(async move {
            let rows = query(
                "SELECT s.id, s.user_id, s.expires_at, s.created_at, s.chain_key, s.details, w.sha256 AS working \
                 FROM sessions s JOIN refresh_tokens w ON w.session = s.id AND w.used = 0 \
                 WHERE s.expires_at > ?1 AND (?2 IS NULL OR s.user_id = ?2) ORDER BY s.created_at DESC, s.id DESC LIMIT ?3",
            )
            .bind(now.as_millis())
            .bind(user_id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
            rows.iter().map(session).collect()
        })
    }

    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, bool> {
        self.answer(async move {
            let mut write = self.write().await?;
            let there = end(&mut write, session, tokens_expire_at).await?;
            self.commit(write).await?;
            Ok(there)
        })
    }

    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            let ended: Vec<String> = query_scalar("DELETE FROM sessions WHERE user_id = ? RETURNING id")
                .bind(user_id)
                .fetch_all(&mut *write)
                .await?;
            for session in ended {
                revoke(&mut write, session, tokens_expire_at).await?;
            }
            log::record(&mut write, &Change::User(user_id.to_owned())).await?;
            self.commit(write).await
        })
    }
}

/// Ends what a client was given, where the client is no more.
pub(super) async fn end_all_of_client(
    write: &mut SqliteConnection,
    client: &str,
    until: Timestamp,
) -> Result<(), Fault> {
    let ended: Vec<String> = query_scalar("DELETE FROM sessions WHERE client_id = ? RETURNING id")
        .bind(client)
        .fetch_all(&mut *write)
        .await?;
    for session in ended {
        revoke(write, session, until).await?;
    }
    Ok(())
}

async fn presented(db: impl SqliteExecutor<'_>, sha256: &[u8; 32]) -> Result<Option<PresentedToken>, Fault> {
    let row = query(
        "SELECT t.used, t.used_at, s.id, s.user_id, s.expires_at, s.created_at, s.forget_after, s.chain_key, s.details, w.sha256 AS working \
         FROM refresh_tokens t JOIN sessions s ON s.id = t.session \
         JOIN refresh_tokens w ON w.session = s.id AND w.used = 0 WHERE t.sha256 = ?",
    )
    .bind(sha256.as_slice())
    .fetch_optional(db)
    .await?;
    row.as_ref().map(presented_token).transpose()
}

impl Sqlite {
    async fn exchange(
        &self,
        mut write: Write,
        token: PresentedToken,
        asked: &Exchange<'_>,
    ) -> Result<Rotation, Fault> {
        if token.used && token.repeats(asked) {
            return Ok(Rotation::Repeated(token.session));
        }
        let session = token.session;
        if token.used {
            end(&mut write, &session.id, token.forget_after).await?;
            self.commit(write).await?;
            return Ok(Rotation::Replayed { session: session.id });
        }
        query("UPDATE refresh_tokens SET used = 1, used_at = ? WHERE sha256 = ?")
            .bind(asked.now.as_millis())
            .bind(asked.presented.as_slice())
            .execute(&mut *write)
            .await?;
        add_token(&mut write, &session.id, asked.next).await?;
        self.commit(write).await?;
        Ok(Rotation::Rotated(Session { token_sha256: *asked.next, ..session }))
    }
}

async fn add_token(write: &mut SqliteConnection, session: &str, sha256: &[u8; 32]) -> Result<(), Fault> {
    query("INSERT INTO refresh_tokens (sha256, session, used) VALUES (?, ?, 0)")
        .bind(sha256.as_slice())
        .bind(session)
        .execute(write)
        .await
        .map_err(|error| taken(error, "a refresh token with this hash".into()))?;
    Ok(())
}

async fn end(write: &mut SqliteConnection, session: &str, until: Timestamp) -> Result<bool, Fault> {
    let ended = query("DELETE FROM sessions WHERE id = ?").bind(session).execute(&mut *write).await?;
    revoke(write, session.to_owned(), until).await?;
    Ok(ended.rows_affected() > 0)
}

async fn revoke(write: &mut SqliteConnection, session: String, until: Timestamp) -> Result<(), Fault> {
    log::record(write, &Change::Revoked { what: Revoked::Session(session), until }).await
}

async fn forget(write: &mut SqliteConnection, now: Timestamp) -> Result<(), Fault> {
    query("DELETE FROM sessions WHERE forget_after < ?").bind(now.as_millis()).execute(write).await?;
    Ok(())
}
