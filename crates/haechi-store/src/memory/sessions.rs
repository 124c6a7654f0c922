//! Login sessions, in memory.

use super::{Facts, Memory};
use crate::times::forget_after;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Revoked, Rotation, Session, Sessions, StoreError, Stored};

impl Sessions for Memory {
    fn begin<'a>(&'a self, session: &'a Session) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.forget_sessions(session.created_at);
            if facts.sessions.contains_key(&session.id) {
                return Err(StoreError::Exists(format!("session `{}`", session.id)));
            }
            facts.add_token(&session.id, &session.token_sha256)?;
            facts.sessions.insert(session.id.clone(), session.clone());
            Ok(())
        })
    }

    fn rotate<'a>(
        &'a self,
        presented_sha256: &'a [u8; 32],
        next_sha256: &'a [u8; 32],
        now: Timestamp,
    ) -> Stored<'a, Rotation> {
        self.answer(move |facts| {
            let id = facts.refresh_tokens.get(presented_sha256);
            let session = id.and_then(|id| facts.sessions.get(id)).cloned();
            match session.filter(|session| now < session.expires_at) {
                Some(session) => facts.exchange(session, presented_sha256, next_sha256),
                None => Ok(Rotation::Unknown),
            }
        })
    }

    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.end(session, tokens_expire_at);
            Ok(())
        })
    }

    fn end_all_of<'a>(&'a self, user_id: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let theirs = facts.sessions.values().filter(|session| session.user_id == user_id);
            for id in theirs.map(|session| session.id.clone()).collect::<Vec<_>>() {
                facts.end(&id, tokens_expire_at);
            }
            facts.log.add(Change::User(user_id.to_owned()));
            Ok(())
        })
    }
}

impl Facts {
    fn exchange(
        &mut self,
        mut session: Session,
        presented: &[u8; 32],
        next: &[u8; 32],
    ) -> Result<Rotation, StoreError> {
        if session.token_sha256 != *presented {
            self.end(&session.id, forget_after(&session));
            return Ok(Rotation::Replayed { session: session.id });
        }
        self.add_token(&session.id, next)?;
        session.token_sha256 = *next;
        self.sessions.insert(session.id.clone(), session.clone());
        Ok(Rotation::Rotated(session))
    }

    fn add_token(&mut self, session: &str, sha256: &[u8; 32]) -> Result<(), StoreError> {
        if self.refresh_tokens.contains_key(sha256) {
            return Err(StoreError::Exists("a refresh token with this hash".into()));
        }
        self.refresh_tokens.insert(*sha256, session.to_owned());
        Ok(())
    }

    fn end(&mut self, session: &str, until: Timestamp) {
        self.sessions.remove(session);
        self.refresh_tokens.retain(|_, owner| owner != session);
        self.log.add(Change::Revoked { what: Revoked::Session(session.to_owned()), until });
    }

    fn forget_sessions(&mut self, now: Timestamp) {
        self.sessions.retain(|_, session| forget_after(session) >= now);
        let sessions = &self.sessions;
        self.refresh_tokens.retain(|_, owner| sessions.contains_key(owner));
    }
}
