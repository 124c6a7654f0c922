//! Of which pages the registered public clients are: those may read what the token endpoint tells them (Fetch standard, "CORS protocol").

use super::redirect_uri::RedirectUri;
use arc_swap::ArcSwap;
use haechi_core::ports::{ClientProof, ClientRecord, Clients, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often the clients are read again: a command or another node may have added one.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// The origins of the redirect URIs of all public clients, as the store had them last.
#[derive(Debug, Default)]
pub struct ClientOrigins(ArcSwap<BTreeSet<Box<str>>>);

impl ClientOrigins {
    /// Whether pages of this origin are a client's.
    pub fn has(&self, origin: &[u8]) -> bool {
        std::str::from_utf8(origin).is_ok_and(|origin| self.0.load().contains(origin))
    }

    /// Follows the store, for ever. While it does not answer, what it had last counts.
    pub async fn follow(self: Arc<Self>, clients: Arc<dyn Clients>) {
        loop {
            if let Err(error) = self.reload(&*clients).await {
                tracing::debug!(%error, "cannot read the origins of clients; those of before count");
            }
            tokio::time::sleep(RELOAD_EVERY).await;
        }
    }

    async fn reload(&self, clients: &dyn Clients) -> Result<(), StoreError> {
        let origins: BTreeSet<Box<str>> = clients.list().await?.iter().flat_map(origins).collect();
        if **self.0.load() != origins {
            self.0.store(Arc::new(origins));
        }
        Ok(())
    }
}

impl PartialEq for ClientOrigins {
    fn eq(&self, other: &Self) -> bool {
        *self.0.load() == *other.0.load()
    }
}

impl Eq for ClientOrigins {}

/// Clients with a secret are no pages: they need nothing of it.
fn origins(client: &ClientRecord) -> Vec<Box<str>> {
    if client.proof != ClientProof::Public {
        return Vec::new();
    }
    let uris = client.login.redirect_uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok());
    uris.filter_map(|uri| uri.page_origin().map(Into::into)).collect()
}

#[cfg(test)]
mod tests {
    use super::ClientOrigins;
    use haechi_core::Timestamp;
    use haechi_core::ports::{ClientLogin, ClientProof, ClientRecord, ClientSecrets, Revision};
    use haechi_testkit::{Fault, FaultyStore};

    fn client(name: &str, proof: ClientProof, uris: &[&str]) -> ClientRecord {
        ClientRecord {
            id: name.into(),
            name: name.into(),
            proof,
            roles: Vec::new(),
            scopes: Vec::new(),
            attributes: Default::default(),
            audiences: Vec::new(),
            token_lifetime: None,
            login: ClientLogin {
                redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
                ..ClientLogin::default()
            },
            created_at: Timestamp::from_seconds(0),
            revision: Revision::first(Timestamp::from_seconds(0)),
        }
    }

    #[tokio::test]
    async fn only_pages_of_public_clients_are_known_and_those_of_before_count_while_the_store_is_away() {
        let store = FaultyStore::new();
        let uris = ["https://app.example.com/cb", "http://localhost:5173/cb", "com.example.app:/cb"];
        let secret = ClientProof::Secret(ClientSecrets { current: [1; 32], previous: None });
        let clients = &store.inner().clients;
        clients.add(&client("page", ClientProof::Public, &uris)).await.unwrap();
        clients.add(&client("server", secret, &["https://server.example.com/cb"])).await.unwrap();
        let origins = ClientOrigins::default();
        assert!(!origins.has(b"https://app.example.com"));
        origins.reload(&*store).await.unwrap();
        for known in ["https://app.example.com", "http://localhost:5173"] {
            assert!(origins.has(known.as_bytes()), "{known}");
        }
        let unknown = [
            "https://server.example.com",
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://app.example.com.evil.example",
            "http://localhost",
            "com.example.app:",
            "null",
            "",
        ];
        for unknown in unknown {
            assert!(!origins.has(unknown.as_bytes()), "{unknown}");
        }
        store.set_fault(Fault::Fails);
        assert!(origins.reload(&*store).await.is_err());
        assert!(origins.has(b"https://app.example.com"));
    }
}
