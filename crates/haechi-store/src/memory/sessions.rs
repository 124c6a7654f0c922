//! Login sessions, in memory.

use super::{Facts, Memory};
use crate::times::forget_after;
use haechi_core::Timestamp;
use haechi_core::ports::{Change, Exchange, Revoked, Rotation, Session, Sessions, StoreError, Stored};

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

    fn rotate<'a>(&'a self, exchange: Exchange<'a>) -> Stored<'a, Rotation> {
        self.answer(move |facts| match facts.session_of(exchange.presented, exchange.now) {
            Some(session) => facts.exchange(session, &exchange),
            None => Ok(Rotation::Unknown),
        })
    }

    fn of_token<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<Session>> {
        self.answer(move |facts| Ok(facts.session_of(sha256, now)))
    }

    fn list<'a>(
        &'a self,
        user_id: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<Session>> {
        self.answer(move |facts| {
            let wanted = |session: &&Session| {
                now < session.expires_at && user_id.is_none_or(|user| session.user_id == user)
            };
            let mut found: Vec<Session> = facts.sessions.values().filter(wanted).cloned().collect();
            found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            found.truncate(limit);
            Ok(found)
        })
    }

    fn end<'a>(&'a self, session: &'a str, tokens_expire_at: Timestamp) -> Stored<'a, bool> {
        self.answer(move |facts| Ok(facts.end(session, tokens_expire_at)))
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
    fn exchange(&mut self, mut session: Session, exchange: &Exchange<'_>) -> Result<Rotation, StoreError> {
        let Exchange { presented, next, now, reuse_interval } = *exchange;
        if session.token_sha256 != *presented {
            let used_at = self.refresh_tokens.get(presented).and_then(|(_, used_at)| *used_at);
            let recent = used_at.is_some_and(|at| at <= now && now.since(at) < reuse_interval);
            if recent && session.token_sha256 == *next {
                return Ok(Rotation::Repeated(session));
            }
            self.end(&session.id, forget_after(&session));
            return Ok(Rotation::Replayed { session: session.id });
        }
        self.add_token(&session.id, next)?;
        if let Some((_, used_at)) = self.refresh_tokens.get_mut(presented) {
            *used_at = Some(now);
        }
        session.token_sha256 = *next;
        self.sessions.insert(session.id.clone(), session.clone());
        Ok(Rotation::Rotated(session))
    }

    fn add_token(&mut self, session: &str, sha256: &[u8; 32]) -> Result<(), StoreError> {
        if self.refresh_tokens.contains_key(sha256) {
            return Err(StoreError::Exists("a refresh token with this hash".into()));
        }
        self.refresh_tokens.insert(*sha256, (session.to_owned(), None));
        Ok(())
    }

    pub(super) fn end(&mut self, session: &str, until: Timestamp) -> bool {
        let ended = self.sessions.remove(session);
        self.refresh_tokens.retain(|_, (owner, _)| owner != session);
        self.log.add(Change::Revoked { what: Revoked::Session(session.to_owned()), until });
        ended.is_some()
    }

    fn forget_sessions(&mut self, now: Timestamp) {
        self.sessions.retain(|_, session| forget_after(session) >= now);
        let sessions = &self.sessions;
        self.refresh_tokens.retain(|_, (owner, _)| sessions.contains_key(owner));
    }

    fn session_of(&self, token: &[u8; 32], now: Timestamp) -> Option<Session> {
        let (id, _) = self.refresh_tokens.get(token)?;
        self.sessions.get(id).filter(|session| now < session.expires_at).cloned()
    }
}
