//! What operators do with machine clients.

use super::accounts::{AccountError, check_name, check_roles, check_scopes, without_repeats};
use super::client_proof::public_keys;
use super::provider::tokens_expire_at;
use super::redirect_uri::{RedirectUri, RedirectUriError};
use super::tokens::{ClientSecret, OPERATORS};
use crate::declared::DeclaredAttributes;
use crate::keys::SetFault;
use crate::random::{self, RandomnessError};
use haechi_core::ports::{
    ClientLogin, ClientProof, ClientRecord, ClientSecrets, Clients, Edit, Revision, StoreError,
};
use haechi_core::{Attributes, Clock, RoleTable};
use std::sync::Arc;
use std::time::Duration;

/// Adds, changes and deletes machine clients.
pub struct ClientAccounts {
    /// Where they are kept.
    pub clients: Arc<dyn Clients>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The roles that there are.
    pub roles: Arc<RoleTable>,
    /// The attributes that there are.
    pub declared: Arc<DeclaredAttributes>,
    /// The longest that an access token may be valid.
    pub longest_lifetime: Duration,
}

/// A client to be added.
#[derive(Clone, Debug, Default)]
pub struct ClientSpec {
    /// What people call it.
    pub name: String,
    /// Roles.
    pub roles: Vec<String>,
    /// Scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// For whom it may ask for tokens, besides the gate.
    pub audiences: Vec<String>,
    /// How long its access tokens are valid; as configured where left out.
    pub token_lifetime: Option<Duration>,
    /// Its public keys, a JWK Set or PEM, where it proves who it is by them.
    pub public_keys: Option<String>,
    /// How people log in to it with a browser.
    pub login: ClientLogin,
    /// Whether it keeps no secret (RFC 6749 2.1): an app on a device, a page.
    pub public: bool,
}

/// A client, and its secret where it got a new one.
pub type ClientWith = (ClientRecord, Option<ClientSecret>);

/// Why a client was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Name, roles, scopes, attributes, or the store.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// An audience that could not be asked for, or would open the admin listener.
    #[error(
        "`{0}` is no audience: it is 1 to 256 characters of visible ASCII without `#`, and not `{OPERATORS}`"
    )]
    Audience(String),
    /// Tokens would be valid for too long.
    #[error("an access token may be valid for at most {}", humanized(*.0))]
    Lifetime(Duration),
    /// The keys cannot be used.
    #[error("the public keys cannot be used: {0}")]
    Keys(SetFault),
    /// An address that nobody may be sent to.
    #[error(transparent)]
    RedirectUri(#[from] RedirectUriError),
    /// A public client without an address, or with keys or roles.
    #[error(
        "a public client has redirect URIs, and neither keys nor roles of its own: it gets tokens for people alone"
    )]
    Public,
    /// There is no secret to rotate.
    #[error(
        "client `{0}` proves who it is by its own keys, not by a secret; give new ones with `--public-key` or `--jwks`"
    )]
    NoSecret(String),
}

fn humanized(span: Duration) -> String {
    format!("{}s", span.as_secs())
}

impl ClientAccounts {
    /// Adds a client. Its secret, if it has one, is returned here and never again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn add(&self, spec: ClientSpec) -> Result<ClientWith, ClientError> {
        check_name(&spec.name)?;
        check_roles(&self.roles, &spec.roles)?;
        check_scopes(&spec.scopes)?;
        self.declared.check(&spec.attributes).map_err(AccountError::from)?;
        check_audiences(&spec.audiences)?;
        if spec.token_lifetime.is_some_and(|span| span > self.longest_lifetime) {
            return Err(ClientError::Lifetime(self.longest_lifetime));
        }
        check_login(&spec)?;
        let (proof, secret) = match spec.public_keys {
            Some(document) => (self.keys(document)?, None),
            None if spec.public => (ClientProof::Public, None),
            None => {
                let secret = ClientSecret::generate()?;
                let secrets = ClientSecrets { current: secret.sha256(), previous: None };
                (ClientProof::Secret(secrets), Some(secret))
            }
        };
        let created_at = self.clock.now();
        let record = ClientRecord {
            id: random::id()?,
            name: spec.name,
            proof,
            roles: without_repeats(spec.roles),
            scopes: without_repeats(spec.scopes),
            attributes: spec.attributes,
            audiences: without_repeats(spec.audiences),
            token_lifetime: spec.token_lifetime,
            login: ClientLogin {
                redirect_uris: without_repeats(spec.login.redirect_uris),
                post_logout_redirect_uris: without_repeats(spec.login.post_logout_redirect_uris),
                ..spec.login
            },
            created_at,
            revision: Revision::first(created_at),
        };
        self.clients.add(&record).await?;
        Ok((record, secret))
    }

    /// Gives a client a new secret; the one that it has goes on working for `overlap`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rotate(
        &self,
        edit: impl Into<Edit<'_>>,
        overlap: Duration,
    ) -> Result<ClientWith, ClientError> {
        let edit = edit.into();
        let mut client = self.existing(edit.of).await?;
        let ClientProof::Secret(ClientSecrets { current, .. }) = client.proof else {
            return Err(ClientError::NoSecret(client.name));
        };
        let secret = ClientSecret::generate()?;
        let until = (!overlap.is_zero()).then(|| self.clock.now().plus(overlap));
        self.clients.rotate(edit, &secret.sha256(), until).await?;
        client.revision = client.revision.next();
        let previous = until.map(|until| (current, until));
        client.proof = ClientProof::Secret(ClientSecrets { current: secret.sha256(), previous });
        Ok((client, Some(secret)))
    }

    /// Gives a client other public keys, in place of a secret or of those that it has.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn replace_keys(
        &self,
        edit: impl Into<Edit<'_>>,
        document: String,
    ) -> Result<ClientWith, ClientError> {
        let edit = edit.into();
        let mut client = self.existing(edit.of).await?;
        client.proof = self.keys(document)?;
        self.clients.set_proof(edit, &client.proof).await?;
        client.revision = client.revision.next();
        Ok((client, None))
    }

    /// Deletes a client and revokes its access tokens.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete(&self, edit: impl Into<Edit<'_>>) -> Result<(), ClientError> {
        let until = tokens_expire_at(self.clock.now(), self.longest_lifetime);
        Ok(self.clients.delete(edit.into(), until).await?)
    }

    async fn existing(&self, id: &str) -> Result<ClientRecord, ClientError> {
        let client = self.clients.by_id(id).await?;
        client.ok_or_else(|| StoreError::Missing(format!("client `{id}`")).into())
    }

    fn keys(&self, document: String) -> Result<ClientProof, ClientError> {
        public_keys(&document, self.clock.now()).map_err(ClientError::Keys)?;
        Ok(ClientProof::Keys(document))
    }
}

fn check_login(spec: &ClientSpec) -> Result<(), ClientError> {
    let all = spec.login.redirect_uris.iter().chain(&spec.login.post_logout_redirect_uris);
    for uri in all {
        RedirectUri::parse(uri)?;
    }
    let sound = !spec.login.redirect_uris.is_empty() && spec.public_keys.is_none() && spec.roles.is_empty();
    if spec.public && !sound { Err(ClientError::Public) } else { Ok(()) }
}

fn check_audiences(audiences: &[String]) -> Result<(), ClientError> {
    let sound = |audience: &str| {
        (1..=256).contains(&audience.len())
            && audience.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
            && audience != OPERATORS
    };
    match audiences.iter().find(|audience| !sound(audience)) {
        None => Ok(()),
        Some(audience) => Err(ClientError::Audience(audience.escape_debug().to_string())),
    }
}
