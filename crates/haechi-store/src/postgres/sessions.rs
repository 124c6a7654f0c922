//! Login sessions, in PostgreSQL.

use super::fault::{Fault, taken};
use super::lease::Lease;
use super::{Postgres, can_be_kept, log};
use crate::json::json;
use crate::records::{PresentedToken, presented_token, session};
use crate::times::forget_after;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Exchange, Revoked, Rotation, Session, Sessions, Stored};
use sqlx::Row;

impl Sessions for Postgres {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.answer(async move {
            let mut write = self.write().await?;
            forget(&mut write, session.created_at).await?;
            write
                .sql(
                    "INSERT INTO haechi.sessions (id, user_id, expires_at, created_at, forget_after, chain_key, client_id, details) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
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
            let mut write = self.write().await?;
            // The session's row is locked first: of two that present the same token one comes second, and finds it used.
            write
                .sql(
                    "SELECT 1 FROM haechi.sessions WHERE id = (SELECT session FROM haechi.refresh_tokens WHERE sha256 = $1) \
                     FOR UPDATE",
                )
                .bind(asked.presented.as_slice())
                .fetch_optional(&mut *write)
                .await?;
            let row = write.sql(PRESENTED).bind(asked.presented.as_slice()).fetch_optional(&mut *write).await?;
            match row.as_ref().map(presented_token).transpose()? {
                Some(token) if asked.now < token.session.expires_at => {
                    self.exchange(write, token, &asked).await
                }
                _ => {
                    write.done().await?;
                    Ok(Rotation::Unknown)
                }
            }
        })
    }

    fn of_token<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<Session>> {
        self.answer(async move {
            let row = self.row(PRESENTED, |sql| sql.bind(sha256.as_slice())).await?;
            let token = row.as_ref().map(presented_token).transpose()?;
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
            if user_id.is_some_and(|user| !can_be_kept(user)) {
                return Ok(Vec::new());
            }
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self
                .rows(
                    "SELECT s.id, s.user_id, s.expires_at, s.created_at, s.chain_key, s.details, w.sha256 AS working \
                     FROM haechi.sessions s JOIN haechi.refresh_tokens w ON w.session = s.id AND NOT w.used \
                     WHERE s.expires_at > $1 AND ($2::text IS NULL OR s.user_id = $2) \
                     ORDER BY s.created_at DESC, s.id COLLATE \"C\" DESC LIMIT $3",
                    |sql| sql.bind(now.as_millis()).bind(user_id).bind(limit),
                )
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

/// Ends what a client was given, where the client is no more.
pub(super) async fn end_all_of_client(
    write: &mut Lease,
    client: &str,
    until: Timestamp,
) -> Result<(), Fault> {
    let ended = write
        .sql("DELETE FROM haechi.sessions WHERE client_id = $1 RETURNING id")
        .bind(client)
        .fetch_all(&mut **write)
        .await?;
    for row in ended {
        revoke(write, row.try_get("id")?, until).await?;
    }
    Ok(())
}

/// A refresh token that is remembered, its session, and the token of that which works.
const PRESENTED: &str = "SELECT t.used, t.used_at, s.id, s.user_id, s.expires_at, s.created_at, s.forget_after, s.chain_key, s.details, w.sha256 AS working \
     FROM haechi.refresh_tokens t JOIN haechi.sessions s ON s.id = t.session \
     JOIN haechi.refresh_tokens w ON w.session = s.id AND NOT w.used WHERE t.sha256 = $1";

impl Postgres {
    async fn exchange(
        &self,
        mut write: Lease,
        token: PresentedToken,
        asked: &Exchange<'_>,
    ) -> Result<Rotation, Fault> {
        if token.used && token.repeats(asked) {
            write.done().await?;
            return Ok(Rotation::Repeated(token.session));
        }
        let session = token.session;
        if token.used {
            end(&mut write, &session.id, token.forget_after).await?;
            self.commit(write).await?;
            return Ok(Rotation::Replayed { session: session.id });
        }
        write
            .sql("UPDATE haechi.refresh_tokens SET used = TRUE, used_at = $1 WHERE sha256 = $2")
            .bind(asked.now.as_millis())
            .bind(asked.presented.as_slice())
            .execute(&mut *write)
            .await?;
        add_token(&mut write, &session.id, asked.next).await?;
        self.commit(write).await?;
        Ok(Rotation::Rotated(Session { token_sha256: *asked.next, ..session }))
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

async fn end(write: &mut Lease, session: &str, until: Timestamp) -> Result<bool, Fault> {
    let ended =
        write.sql("DELETE FROM haechi.sessions WHERE id = $1").bind(session).execute(&mut **write).await?;
    revoke(write, session.to_owned(), until).await?;
    Ok(ended.rows_affected() > 0)
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
