//! Clients that register themselves (RFC 7591), where the configuration lets them: public ones, for people alone, of whom nobody knows more than they say.

use super::oauth_error::{OAuthError, OAuthErrorKind};
use super::provider::{Inner, Provider};
use super::redirect_uri::RedirectUri;
use crate::control::STORE_ANSWERS_WITHIN;
use crate::random;
use haechi_core::Attributes;
use haechi_core::ports::{ClientLogin, ClientProof, ClientRecord, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;

/// So many clients may have registered themselves. Whoever wants more deletes some.
pub const MOST_REGISTERED: usize = 1000;
const MOST_URIS: usize = 10;
const LONGEST_NAME: usize = 64;

/// What a client says of itself. What is not here is not kept (RFC 7591 2).
#[derive(Debug, Deserialize)]
pub struct ClientMetadata {
    redirect_uris: Vec<String>,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
}

fn metadata(told: &'static str) -> OAuthError {
    OAuthError::new(OAuthErrorKind::InvalidClientMetadata, told)
}

impl Provider {
    /// Registers a client that says this of itself.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn register(&self, said: ClientMetadata, from: IpAddr) -> Result<(Value, String), OAuthError> {
        let mut call = self.inner.call();
        call.token_from(from).await?;
        let inner = self.inner.clone();
        let outcome = self.ask(STORE_ANSWERS_WITHIN, async move { inner.register(said).await }).await;
        if outcome.as_ref().is_err_and(|error: &OAuthError| error.kind == OAuthErrorKind::Unavailable) {
            call.give_back();
        }
        outcome
    }
}

impl Inner {
    async fn register(&self, said: ClientMetadata) -> Result<(Value, String), OAuthError> {
        let redirect_uris = checked(&said)?;
        let all = self.stores.clients.list().await?;
        if all.iter().filter(|client| client.login.registered).count() >= MOST_REGISTERED {
            let why = format!(
                "{MOST_REGISTERED} clients have registered themselves; delete some with `haechi client delete`"
            );
            return Err(OAuthError::unavailable(why));
        }
        let missing = |_| OAuthError::unavailable("cannot read random bytes from the system");
        let (id, created_at) = (random::id().map_err(missing)?, self.clock.now());
        let shown: String = said.client_name.unwrap_or_default();
        let shown =
            shown.chars().filter(|c| !c.is_control() && *c != ':').take(LONGEST_NAME).collect::<String>();
        let name = format!("{} #{}", shown.trim(), id.get(..8).unwrap_or_default()).trim().to_owned();
        let record = ClientRecord {
            id: id.clone(),
            name,
            proof: ClientProof::Public,
            roles: Vec::new(),
            scopes: Vec::new(),
            attributes: Attributes::new(),
            audiences: Vec::new(),
            token_lifetime: None,
            login: ClientLogin { redirect_uris, registered: true, consent: true, ..ClientLogin::default() },
            created_at,
            revision: Revision::first(created_at),
        };
        self.stores.clients.add(&record).await?;
        let told = json!({
            "client_id": id,
            "client_id_issued_at": created_at.as_seconds(),
            "client_name": record.name,
            "redirect_uris": record.login.redirect_uris,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        });
        Ok((told, id))
    }
}

fn checked(said: &ClientMetadata) -> Result<Vec<String>, OAuthError> {
    if said.redirect_uris.is_empty() || said.redirect_uris.len() > MOST_URIS {
        return Err(redirect("`redirect_uris` has 1 to 10 addresses"));
    }
    for text in &said.redirect_uris {
        let uri = RedirectUri::parse(text)
            .map_err(|error| redirect("a redirect URI cannot be one").because(error.to_string()))?;
        if !uri.is_local() && !text.starts_with("https:") {
            return Err(redirect("a redirect URI is `https`, or `http` on a loopback address"));
        }
    }
    // A client that would have a secret is told that it is a public one (RFC 7591 3.2.1); one with a key would not find its way.
    let method = said.token_endpoint_auth_method.as_deref().unwrap_or("none");
    if !["none", "client_secret_basic", "client_secret_post"].contains(&method) {
        return Err(metadata("`token_endpoint_auth_method` is `none`"));
    }
    let known = |all: &Option<Vec<String>>, known: &[&str]| {
        all.iter().flatten().all(|one| known.contains(&one.as_str()))
    };
    if !known(&said.grant_types, &["authorization_code", "refresh_token"]) {
        return Err(metadata("`grant_types` are `authorization_code` and `refresh_token`"));
    }
    if !known(&said.response_types, &["code"]) {
        return Err(metadata("`response_types` is `code`"));
    }
    let mut once: Vec<String> = Vec::new();
    for uri in &said.redirect_uris {
        if !once.contains(uri) {
            once.push(uri.clone());
        }
    }
    Ok(once)
}

fn redirect(told: &'static str) -> OAuthError {
    OAuthError::new(OAuthErrorKind::InvalidRedirectUri, told)
}
