//! Machine clients, in memory.

use super::Memory;
use haechi_core::ports::{Change, ClientRecord, Clients, StoreError, Stored};

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

    fn add<'a>(&'a self, client: &'a ClientRecord) -> Stored<'a, ()> {
        self.answer(move |facts| {
            if facts.clients.values().any(|other| other.name == client.name || other.id == client.id) {
                return Err(StoreError::Exists(format!("client `{}`", client.name)));
            }
            facts.clients.insert(client.id.clone(), client.clone());
            Ok(())
        })
    }

    fn delete<'a>(&'a self, id: &'a str) -> Stored<'a, ()> {
        self.answer(move |facts| {
            facts.clients.remove(id).ok_or_else(|| StoreError::Missing(format!("client `{id}`")))?;
            facts.log.add(Change::Client(id.to_owned()));
            Ok(())
        })
    }
}
