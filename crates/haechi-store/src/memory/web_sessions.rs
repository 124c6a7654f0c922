//! Browser sessions, in memory.

use super::{Facts, KeptSession, Memory};
use haechi_core::Timestamp;
use haechi_core::ports::{
    Change, EndedByProvider, RefreshedSession, Revoked, StoreError, Stored, WebSession, WebSessions,
};

impl WebSessions for Memory {
    fn begin<'a>(&'a self, session: &'a WebSession) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.web_sessions.retain(|_, (kept, _)| kept.idle_until > session.created_at);
            let same_secret = |(kept, _): &KeptSession| kept.secret_sha256 == session.secret_sha256;
            if facts.web_sessions.contains_key(&session.id) || facts.web_sessions.values().any(same_secret) {
                return Err(StoreError::Exists(format!("session `{}`", session.id)));
            }
            facts.web_sessions.insert(session.id.clone(), (session.clone(), None));
            Ok(())
        })
    }

    fn by_secret<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<WebSession>> {
        self.answer(move |facts| {
            let mut all = facts.web_sessions.values().map(|(kept, _)| kept);
            let found = all.find(|kept| kept.secret_sha256 == *sha256 && now < kept.idle_until);
            Ok(found.cloned())
        })
    }

    fn seen<'a>(&'a self, id: &'a str, at: Timestamp, idle_until: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if let Some((kept, _)) = facts.web_sessions.get_mut(id) {
                kept.seen_at = kept.seen_at.max(at);
                kept.idle_until = kept.idle_until.max(idle_until).min(kept.expires_at);
            }
            Ok(())
        })
    }

    fn list<'a>(
        &'a self,
        subject: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<WebSession>> {
        self.answer(move |facts| {
            let alive = facts.web_sessions.values().map(|(kept, _)| kept).filter(|kept| {
                now < kept.idle_until && subject.is_none_or(|subject| kept.subject == subject)
            });
            let mut found: Vec<WebSession> = alive.cloned().collect();
            found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
            found.truncate(limit);
            Ok(found)
        })
    }

    fn end<'a>(&'a self, id: &'a str) -> Stored<'a, bool> {
        self.answer(move |facts| Ok(facts.end_web_session(id)))
    }

    fn end_by_provider<'a>(&'a self, which: EndedByProvider<'a>) -> Stored<'a, Vec<String>> {
        self.answer(move |facts| {
            if which.subject.is_none() && which.provider_session.is_none() {
                return Ok(Vec::new());
            }
            let fits = |kept: &&WebSession| {
                kept.authenticator == which.authenticator
                    && kept.issuer == which.issuer
                    && which.subject.is_none_or(|subject| kept.subject == subject)
                    && which.provider_session.is_none_or(|sid| kept.provider_session.as_deref() == Some(sid))
            };
            let all = facts.web_sessions.values().map(|(kept, _)| kept).filter(fits);
            let ids: Vec<String> = all.map(|kept| kept.id.clone()).collect();
            for id in &ids {
                facts.end_web_session(id);
            }
            Ok(ids)
        })
    }

    fn claim_refresh<'a>(
        &'a self,
        id: &'a str,
        version: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(move |facts| {
            let Some((kept, refreshing)) = facts.web_sessions.get_mut(id) else { return Ok(false) };
            if kept.version != version || refreshing.is_some_and(|until| now < until) {
                return Ok(false);
            }
            *refreshing = Some(until);
            Ok(true)
        })
    }

    fn refreshed<'a>(&'a self, refreshed: RefreshedSession<'a>) -> Stored<'a, bool> {
        self.answer(move |facts| {
            let Some((kept, refreshing)) = facts.web_sessions.get_mut(refreshed.id) else {
                return Ok(false);
            };
            if kept.version != refreshed.from_version {
                return Ok(false);
            }
            kept.version += 1;
            kept.claims = refreshed.claims.to_owned();
            kept.tokens = Some(refreshed.tokens.to_vec());
            kept.refresh_at = refreshed.refresh_at;
            *refreshing = None;
            Ok(true)
        })
    }

    fn login_key<'a>(&'a self, candidate: &'a [u8; 32]) -> Stored<'a, [u8; 32]> {
        self.answer(move |facts| Ok(*facts.login_key.get_or_insert(*candidate)))
    }
}

impl Facts {
    fn end_web_session(&mut self, id: &str) -> bool {
        let Some((ended, _)) = self.web_sessions.remove(id) else { return false };
        self.log.add(Change::Revoked { what: Revoked::Session(id.to_owned()), until: ended.expires_at });
        true
    }
}
