//! Browser sessions, whose end is written to the trail first.

use super::Audited;
use haechi_core::Timestamp;
use haechi_core::ports::{EndedByProvider, RefreshedSession, Stored, WebSession, WebSessions};

impl WebSessions for Audited<dyn WebSessions> {
    fn begin<'a>(&'a self, session: &'a WebSession) -> Stored<'a, ()> {
        self.write(Some(&session.subject), self.store.begin(session))
    }
    fn by_secret<'a>(&'a self, sha256: &'a [u8; 32], now: Timestamp) -> Stored<'a, Option<WebSession>> {
        self.store.by_secret(sha256, now)
    }
    fn seen<'a>(&'a self, id: &'a str, at: Timestamp, idle_until: Timestamp) -> Stored<'a, ()> {
        self.store.seen(id, at, idle_until)
    }
    fn list<'a>(
        &'a self,
        subject: Option<&'a str>,
        now: Timestamp,
        limit: usize,
    ) -> Stored<'a, Vec<WebSession>> {
        self.store.list(subject, now, limit)
    }
    fn end<'a>(&'a self, id: &'a str) -> Stored<'a, bool> {
        self.write_to(format!("session {id}"), self.store.end(id))
    }
    fn end_by_provider<'a>(&'a self, which: EndedByProvider<'a>) -> Stored<'a, Vec<String>> {
        self.write(which.subject, self.store.end_by_provider(which))
    }
    fn claim_refresh<'a>(
        &'a self,
        id: &'a str,
        version: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Stored<'a, bool> {
        self.store.claim_refresh(id, version, now, until)
    }
    fn refreshed<'a>(&'a self, refreshed: RefreshedSession<'a>) -> Stored<'a, bool> {
        self.store.refreshed(refreshed)
    }
    fn login_key<'a>(&'a self, candidate: &'a [u8; 32]) -> Stored<'a, [u8; 32]> {
        self.store.login_key(candidate)
    }
}
