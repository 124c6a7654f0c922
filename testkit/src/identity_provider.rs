//! An issuer of tokens that can be broken on purpose.

use crate::jose::{self, Key};
use crate::{Answer, Backend, Recorded};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Serves OpenID discovery and a JWK set over plain HTTP on loopback.
pub struct IdentityProvider {
    address: SocketAddr,
    server: Option<Backend>,
    published: Arc<Published>,
}

struct Published {
    set: Mutex<Reply>,
    fetches: AtomicUsize,
}

struct Reply {
    status: u16,
    body: String,
}

impl IdentityProvider {
    /// An issuer that publishes `keys`.
    pub fn start(keys: &[&Key]) -> Self {
        let published = Arc::new(Published {
            set: Mutex::new(Reply { status: 200, body: set_of(keys) }),
            fetches: AtomicUsize::new(0),
        });
        let server = Backend::start(behaviour(published.clone()));
        Self { address: server.address(), server: Some(server), published }
    }

    /// Its name, which is also its address.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the key set is.
    pub fn jwks_url(&self) -> String {
        format!("{}/keys", self.issuer())
    }

    /// How often the key set was asked for.
    pub fn fetches(&self) -> usize {
        self.published.fetches.load(Ordering::SeqCst)
    }

    /// Publishes these keys in place of those before.
    pub fn publish(&self, keys: &[&Key]) {
        self.publish_text(200, &set_of(keys));
    }

    /// Answers the request for the key set with this status and text, whatever it is.
    pub fn publish_text(&self, status: u16, body: &str) {
        *self.published.set.lock().unwrap() = Reply { status, body: body.to_owned() };
    }

    /// Goes down: connections are refused.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Comes back, at the same address.
    pub fn restart(&mut self) {
        self.server = Some(Backend::start_at(self.address, behaviour(self.published.clone())));
    }

    /// The claims of a token of this issuer that is in order.
    pub fn claims(&self, subject: &str) -> Value {
        jose::claims(&self.issuer(), subject)
    }
}

fn set_of(keys: &[&Key]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

fn behaviour(published: Arc<Published>) -> impl Fn(&Recorded) -> Answer + Send + Sync {
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    move |request| match request.target() {
        "/.well-known/openid-configuration" => {
            let issuer = format!("http://{}", request.field("host").unwrap_or(""));
            let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
            Answer::new(200, JSON, document.to_string())
        }
        "/keys" => {
            published.fetches.fetch_add(1, Ordering::SeqCst);
            let reply = published.set.lock().unwrap();
            Answer::new(reply.status, JSON, &reply.body)
        }
        _ => Answer::new(404, &[], ""),
    }
}

#[cfg(test)]
mod tests {
    use super::IdentityProvider;
    use crate::jose::Key;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn fetch(provider: &IdentityProvider, path: &str) -> String {
        let address = provider.issuer().replace("http://", "");
        let Ok(mut socket) = TcpStream::connect(&address) else { return String::new() };
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn publishes_breaks_stops_and_comes_back() {
        let key = Key::p256("one");
        let mut provider = IdentityProvider::start(&[&key]);
        assert!(fetch(&provider, "/.well-known/openid-configuration").contains(&provider.jwks_url()));
        assert!(fetch(&provider, "/keys").contains("\"one\""));
        provider.publish_text(500, "broken");
        assert!(fetch(&provider, "/keys").contains("broken"));
        provider.stop();
        assert_eq!(fetch(&provider, "/keys"), "");
        provider.restart();
        assert!(fetch(&provider, "/keys").contains("broken"));
        assert_eq!(provider.fetches(), 3);
    }
}
