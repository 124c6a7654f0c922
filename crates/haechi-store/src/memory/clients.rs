//! Machine clients, in memory.

use super::Memory;
use super::edit::edited;
use crate::edits::Kind;
use haechi_core::Timestamp;
use haechi_core::ports::{
    Change, ClientProof, ClientRecord, ClientSecrets, Clients, Edit, Revoked, StoreError, Stored,
};

impl Clients for Memory {
    fn by_id<'a>(&'a self, id: &'a str) -> Stored<'a, Option<ClientRecord>> {
        self.answer(move |facts| Ok(facts.clients.get(id).cloned()))
    }

    fn list(&self) -> Stored<'_, Vec<ClientRecord>> {
        self.answer(|facts| {
            let mut all: Vec<ClientRecord> = facts.clients.values().cloned().collect();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(all)
        })
    }

    fn page<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Stored<'a, Vec<ClientRecord>> {
        self.answer(move |facts| {
            let follows = |client: &&ClientRecord| after.is_none_or(|after| client.name.as_str() > after);
            let mut some: Vec<ClientRecord> = facts.clients.values().filter(follows).cloned().collect();
            some.sort_by(|a, b| a.name.cmp(&b.name));
            some.truncate(limit);
            Ok(some)
        })
    }

    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.clients.values().any(|other| other.name == client.name || other.id == client.id) {
                return Err(StoreError::Exists(format!("client `{}`", client.name)));
            }
            facts.clients.insert(client.id.clone(), client.clone());
            Ok(())
        })
    }

    fn set_proof<'a>(&'a self, client: Edit<'a>, proof: &'a ClientProof) -> Stored<'a, ()> {
        self.answer(move |facts| {
            edited(Kind::Client, client, facts.clients.get_mut(client.of))?.proof = proof.clone();
            facts.log.add(Change::Client(client.of.to_owned()));
            Ok(())
        })
    }

    fn rotate<'a>(
        &'a self,
        client: Edit<'a>,
        sha256: &'a [u8; 32],
        previous_until: Option<Timestamp>,
    ) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let id = client.of;
            let found = facts.clients.get_mut(id);
            if found.as_ref().is_some_and(|client| !matches!(client.proof, ClientProof::Secret(_))) {
                return Err(StoreError::Missing(format!("client `{id}` with a secret")));
            }
            let found = edited(Kind::Client, client, found)?;
            let ClientProof::Secret(secrets) = &mut found.proof else { return Ok(()) };
            let previous = previous_until.map(|until| (secrets.current, until));
            *secrets = ClientSecrets { current: *sha256, previous };
            facts.log.add(Change::Client(id.to_owned()));
            Ok(())
        })
    }

    fn note_assertion<'a>(
        &'a self,
        sha256: &'a [u8; 32],
        until: Timestamp,
        now: Timestamp,
    ) -> Stored<'a, bool> {
        self.answer(move |facts| {
            facts.client_assertions.retain(|_, kept_until| *kept_until >= now);
            let is_first = !facts.client_assertions.contains_key(sha256);
            facts.client_assertions.entry(*sha256).or_insert(until);
            Ok(is_first)
        })
    }

    fn delete<'a>(&'a self, client: Edit<'a>, tokens_expire_at: Timestamp) -> Stored<'a, ()> {
        self.answer(move |facts| {
            let id = client.of;
            edited(Kind::Client, client, facts.clients.get_mut(id))?;
            facts.clients.remove(id);
            let given =
                facts.sessions.values().filter(|session| session.details.client.as_deref() == Some(id));
            for session in given.map(|session| session.id.clone()).collect::<Vec<_>>() {
                facts.end(&session, tokens_expire_at);
            }
            let tokens = Revoked::Session(id.to_owned());
            facts.log.add(Change::Revoked { what: tokens, until: tokens_expire_at });
            facts.log.add(Change::Client(id.to_owned()));
            Ok(())
        })
    }
}
