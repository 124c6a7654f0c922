//! Login sessions, in PostgreSQL.

use super::fault::{Fault, taken};
use super::lease::Lease;
use super::{Postgres, log};
use crate::records::{PresentedToken, presented_token};
use crate::times::forget_after;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Revoked, Rotation, Session, Sessions, Stored};
use sqlx::Row;

impl Sessions for Postgres {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            forget(&mut write, session.created_at).await?;
            write
                .sql(
                    "INSERT INTO haechi.sessions (id, user_id, expires_at, created_at, forget_after) \
                     VALUES ($1, $2, $3, $4, $5)",
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
            let mut write = self.write().await?;
            // The session's row is locked: of two that present the same token one comes second, and finds it used.
            let row = write
                .sql(
                    "SELECT used, id, user_id, expires_at, created_at, forget_after \
                     FROM haechi.refresh_tokens JOIN haechi.sessions ON id = session WHERE sha256 = $1 FOR UPDATE",
                )
                .bind(presented_sha256.as_slice())
                .fetch_optional(&mut *write)
                .await?;
            match row.as_ref().map(presented_token).transpose()? {
                Some(token) if now < token.expires_at => {
                    self.exchange(write, token, presented_sha256, next_sha256).await
                }
                _ => {
                    write.done().await?;
                    Ok(Rotation::Unknown)
                }
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
            let ended = write
                .sql("DELETE FROM haechi.sessions WHERE user_id = $1 RETURNING id")
                .bind(user_id)
                .fetch_all(&mut *write)
                .await?;
            for row in ended {
                revoke(&mut write, row.try_get("id")?, tokens_expire_at).await?;
            }
            log::record(&mut write, &Change::User(user_id.to_owned())).await?;
            self.commit(write).await
        })
    }
}

impl Postgres {
    async fn exchange(
        &self,
        mut write: Lease,
        token: PresentedToken,
        presented: &[u8; 32],
        next: &[u8; 32],
    ) -> Result<Rotation, Fault> {
        if token.used {
            end(&mut write, &token.session, token.forget_after).await?;
            self.commit(write).await?;
            return Ok(Rotation::Replayed { session: token.session });
        }
        write
            .sql("UPDATE haechi.refresh_tokens SET used = TRUE WHERE sha256 = $1")
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

async fn add_token(write: &mut Lease, session: &str, sha256: &[u8; 32]) -> Result<(), Fault> {
    write
        .sql("INSERT INTO haechi.refresh_tokens (sha256, session, used) VALUES ($1, $2, FALSE)")
        .bind(sha256.as_slice())
        .bind(session)
        .execute(&mut **write)
        .await
        .map_err(|error| taken(error, "a refresh token with this hash".into()))?;
    Ok(())
}

async fn end(write: &mut Lease, session: &str, until: Timestamp) -> Result<(), Fault> {
    write.sql("DELETE FROM haechi.sessions WHERE id = $1").bind(session).execute(&mut **write).await?;
    revoke(write, session.to_owned(), until).await
}

async fn revoke(write: &mut Lease, session: String, until: Timestamp) -> Result<(), Fault> {
    log::record(write, &Change::Revoked { what: Revoked::Session(session), until }).await
}

/// Others that begin a session meanwhile leave the same rows to whoever came first.
async fn forget(write: &mut Lease, now: Timestamp) -> Result<(), Fault> {
    write
        .sql(
            "DELETE FROM haechi.sessions WHERE id IN (SELECT id FROM haechi.sessions WHERE forget_after < $1 \
             ORDER BY forget_after LIMIT 100 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now.as_millis())
        .execute(&mut **write)
        .await?;
    Ok(())
}
