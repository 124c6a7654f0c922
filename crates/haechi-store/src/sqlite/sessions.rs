//! Login sessions, in SQLite.

use super::fault::{Fault, taken};
use super::{Sqlite, Write, log};
use crate::records::{PresentedToken, presented_token};
use crate::times::forget_after;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Revoked, Rotation, Session, Sessions, Stored};
use sqlx::sqlite::SqliteExecutor;
use sqlx::{SqliteConnection, query, query_scalar};

impl Sessions for Sqlite {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            forget(&mut write, session.created_at).await?;
            query(
                "INSERT INTO sessions (id, user_id, expires_at, created_at, forget_after) \
                 VALUES (?, ?, ?, ?, ?)",
            )
            .bind(&session.id)
            .bind(&session.user_id)
            .bind(session.expires_at.as_millis())
            .bind(session.created_at.as_millis())
            .bind(forget_after(session).as_millis())
            .execute(&mut *write)
            .await
            .map_err(|error| taken(error, format!("session `{}`", session.id)))?;
            add_token(&mut write, &session.id, &session.token_sha256).await?;
            self.commit(write).await
        })
    }

    fn rotate<'a>(
        &'a self,
        presented_sha256: &'a [u8; 32],
        next_sha256: &'a [u8; 32],
        now: Timestamp,
    ) -> Stored<'a, Rotation> {
        self.answer(async move {
            // Made-up tokens must not make others wait for the write lock.
            if presented(&self.readers, presented_sha256).await?.is_none() {
                return Ok(Rotation::Unknown);
            }
            let mut write = self.write().await?;
            match presented(&mut *write, presented_sha256).await? {
                Some(token) if now < token.expires_at => {
                    self.exchange(write, token, presented_sha256, next_sha256).await
                }
                _ => Ok(Rotation::Unknown),
            }
        })
    }

    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            end(&mut write, session, tokens_expire_at).await?;
            self.commit(write).await
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

async fn presented(db: impl SqliteExecutor<'_>, sha256: &[u8; 32]) -> Result<Option<PresentedToken>, Fault> {
    let row = query(
        "SELECT used, id, user_id, expires_at, created_at, forget_after \
         FROM refresh_tokens JOIN sessions ON id = session WHERE sha256 = ?",
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
        presented: &[u8; 32],
        next: &[u8; 32],
    ) -> Result<Rotation, Fault> {
        if token.used {
            end(&mut write, &token.session, token.forget_after).await?;
            self.commit(write).await?;
            return Ok(Rotation::Replayed { session: token.session });
        }
        query("UPDATE refresh_tokens SET used = 1 WHERE sha256 = ?")
            .bind(presented.as_slice())
            .execute(&mut *write)
            .await?;
        add_token(&mut write, &token.session, next).await?;
        self.commit(write).await?;
        Ok(Rotation::Rotated(Session {
            id: token.session,
            user_id: token.user_id,
            token_sha256: *next,
            expires_at: token.expires_at,
            created_at: token.created_at,
        }))
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

async fn end(write: &mut SqliteConnection, session: &str, until: Timestamp) -> Result<(), Fault> {
    query("DELETE FROM sessions WHERE id = ?").bind(session).execute(&mut *write).await?;
    revoke(write, session.to_owned(), until).await
}

async fn revoke(write: &mut SqliteConnection, session: String, until: Timestamp) -> Result<(), Fault> {
    log::record(write, &Change::Revoked { what: Revoked::Session(session), until }).await
}

async fn forget(write: &mut SqliteConnection, now: Timestamp) -> Result<(), Fault> {
    query("DELETE FROM sessions WHERE forget_after < ?").bind(now.as_millis()).execute(write).await?;
    Ok(())
}
