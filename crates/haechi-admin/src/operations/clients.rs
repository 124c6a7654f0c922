//! `/api/v1/clients`: machine clients in the store.

use crate::answer::{Done, Made, Page, Revised, Shown, Tagged, limit};
use crate::call::{Asked, Condition, Json, Nothing};
use crate::change::{Change, Reader};
use crate::error::AdminError;
use crate::shape::{SecretText, shape};
use haechi_authn::identity::{ClientSpec, ClientWith};
use haechi_core::ports::{ClientLogin, ClientProof, ClientRecord, Edit, Revision, StoreError};
use haechi_core::{AttributeValue, Secret, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

shape! {
    /// Which client.
    pub(crate) ClientPath {
        /// Its `client_id`.
        required id: String,
    }

    /// Which clients.
    pub(crate) ClientsQuery {
        /// Where the page begins: what the one before gave as `next`.
        optional cursor: Option<String>,
        /// At most so many, 1 to 200; 50 where it is left out.
        optional limit: Option<usize>,
    }

    /// A client to be added.
    pub(crate) NewClient {
        /// What people call it.
        required name: String,
        /// Roles.
        optional roles: Vec<String>,
        /// Scopes that it may ask for.
        optional scopes: Vec<String>,
        /// Declared attributes.
        optional attributes: BTreeMap<Box<str>, AttributeValue>,
        /// For whom it may ask for tokens, besides the gate.
        optional audiences: Vec<String>,
        /// How long its access tokens are valid, in seconds; as configured where this is left out.
        optional token_lifetime: Option<u32>,
        /// Its public keys, a JWK Set or PEM, where it proves who it is by them and has no secret.
        optional public_keys: Option<String>,
        /// Where it may have people sent to with a code, exactly; of a loopback address any port is taken.
        optional redirect_uris: Vec<String>,
        /// Where it may have people sent to after a logout, exactly.
        optional post_logout_redirect_uris: Vec<String>,
        /// Whether it keeps no secret.
        optional public: bool,
        /// Whether people are asked before it gets anything.
        optional consent: bool,
    }

    /// How a client gets a new secret, or other keys.
    pub(crate) ClientRotation {
        /// For how long the secret that it has goes on working, in seconds; not at all where this is left out.
        optional overlap: Option<u32>,
        /// Public keys in place of what it has.
        optional public_keys: Option<String>,
    }

    /// A client and its secret, which is shown this once.
    pub(crate) ClientSecretView {
        /// Its id.
        required client_id: String,
        /// Its secret; `null` where it proves who it is by its keys.
        required client_secret: Option<SecretText>,
    }

    /// A client: everything but what tells the secret.
    pub(crate) ClientView {
        /// Its id.
        required client_id: String,
        /// What people call it.
        required name: String,
        /// Roles.
        required roles: Vec<String>,
        /// Scopes that it may ask for.
        required scopes: Vec<String>,
        /// Declared attributes.
        required attributes: BTreeMap<Box<str>, AttributeValue>,
        /// For whom it may ask for tokens, besides the gate.
        required audiences: Vec<String>,
        /// How it proves who it is: `client_secret`, `private_key_jwt`, or `none` for a public client.
        required proof: String,
        /// Where it may have people sent to with a code.
        required redirect_uris: Vec<String>,
        /// Where it may have people sent to after a logout.
        required post_logout_redirect_uris: Vec<String>,
        /// Whether people are asked before it gets anything.
        required consent: bool,
        /// Whether it registered itself (RFC 7591).
        required registered: bool,
        /// How long its access tokens are valid, in seconds; left out where it is as configured.
        optional token_lifetime: Option<u64>,
        /// Until when the secret before works, while it does.
        optional previous_secret_until: Option<String>,
        /// When it was added.
        required created_at: String,
        /// Grows with every change; the `ETag` is this number in quotes.
        required revision: i64,
    }
}

impl Revised for ClientView {
    fn revision(&self) -> Revision {
        Revision::from_number(self.revision)
    }
}

impl ClientView {
    fn of(client: ClientRecord, now: Timestamp) -> Self {
        let (proof, previous) = match &client.proof {
            ClientProof::Secret(secrets) => ("client_secret", secrets.previous.map(|(_, until)| until)),
            ClientProof::Keys(_) => ("private_key_jwt", None),
            ClientProof::Public => ("none", None),
        };
        Self {
            client_id: client.id,
            name: client.name,
            roles: client.roles,
            scopes: client.scopes,
            attributes: client.attributes,
            audiences: client.audiences,
            proof: proof.to_owned(),
            redirect_uris: client.login.redirect_uris,
            post_logout_redirect_uris: client.login.post_logout_redirect_uris,
            consent: client.login.consent,
            registered: client.login.registered,
            token_lifetime: client.token_lifetime.map(|span| span.as_secs()),
            previous_secret_until: previous.filter(|at| *at > now).map(|at| at.rfc3339().to_string()),
            created_at: client.created_at.rfc3339().to_string(),
            revision: client.revision.number(),
        }
    }
}

fn secret((client, secret): &ClientWith) -> ClientSecretView {
    let secret = secret.as_ref().map(|secret| SecretText::new(Secret::new(secret.expose().clone())));
    ClientSecretView { client_id: client.id.clone(), client_secret: secret }
}

pub(super) async fn list(
    reader: Reader,
    asked: Asked<Nothing, ClientsQuery, Nothing>,
) -> Result<Page<ClientView>, AdminError> {
    let (limit, now) = (limit(asked.query.limit)?, reader.now());
    let found = reader.stores()?.clients.page(asked.query.cursor.as_deref(), limit + 1).await?;
    let page = found.into_iter().map(|client| ClientView::of(client, now)).collect();
    Ok(Page::of(page, limit, |last: &ClientView| last.name.clone()))
}

pub(super) async fn show(
    reader: Reader,
    asked: Asked<ClientPath, Nothing, Nothing>,
) -> Result<Tagged<ClientView>, AdminError> {
    Ok(Tagged(ClientView::of(existing(&reader, &asked.path.id).await?, reader.now())))
}

pub(super) async fn add(
    change: Change,
    asked: Asked<Nothing, Nothing, Json<NewClient>>,
) -> Result<Made<ClientSecretView>, AdminError> {
    if !change.look.rules()?.has_identity {
        let why =
            "no `identity` is configured, so no client could get a token; add `identity: { issuer: … }`";
        return Err(AdminError::Conflict(why.to_owned()));
    }
    let new = asked.body.0;
    change.detail("roles", new.roles.clone()).await;
    change.detail("scopes", new.scopes.clone()).await;
    if new.token_lifetime == Some(0) {
        return Err(AdminError::Invalid("`token_lifetime` is at least 1 second".to_owned()));
    }
    let spec = ClientSpec {
        name: new.name,
        roles: new.roles,
        scopes: new.scopes,
        attributes: new.attributes,
        audiences: new.audiences,
        token_lifetime: new.token_lifetime.map(|seconds| Duration::from_secs(seconds.into())),
        public_keys: new.public_keys,
        public: new.public,
        login: ClientLogin {
            redirect_uris: new.redirect_uris,
            post_logout_redirect_uris: new.post_logout_redirect_uris,
            consent: new.consent,
            registered: false,
        },
    };
    Ok(Made(secret(&change.clients()?.add(spec).await?)))
}

pub(super) async fn rotate(
    change: Change,
    asked: Asked<ClientPath, Nothing, Json<ClientRotation>>,
) -> Result<Shown<ClientSecretView>, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.id, &asked.condition).await?;
    let accounts = change.clients()?;
    let ClientRotation { overlap, public_keys } = asked.body.0;
    let rotated = match (public_keys, overlap) {
        (Some(_), Some(_)) => {
            return Err(AdminError::Invalid("give `overlap` or `public_keys`, not both".to_owned()));
        }
        (Some(keys), None) => {
            change.detail("proof", "private_key_jwt").await;
            accounts.replace_keys(edit, keys).await?
        }
        (None, overlap) => {
            let overlap = overlap.unwrap_or_default();
            change.detail("proof", "client_secret").await;
            change.detail("overlap_seconds", overlap).await;
            accounts.rotate(edit, Duration::from_secs(overlap.into())).await?
        }
    };
    Ok(Shown(secret(&rotated)))
}

pub(super) async fn delete(
    change: Change,
    asked: Asked<ClientPath, Nothing, Nothing>,
) -> Result<Done, AdminError> {
    let (_, edit) = concerned(&change, &asked.path.id, &asked.condition).await?;
    change.clients()?.delete(edit).await?;
    Ok(Done)
}

async fn concerned<'a>(
    change: &Change,
    id: &'a str,
    condition: &Condition,
) -> Result<(ClientRecord, Edit<'a>), AdminError> {
    let client = existing(&change.look, id).await?;
    let edit = condition.edit(id, client.revision)?;
    change.about(&client.id).await;
    change.target(format!("client {}", client.id)).await;
    Ok((client, edit))
}

async fn existing(reader: &Reader, id: &str) -> Result<ClientRecord, AdminError> {
    if id.starts_with("hcs_") {
        return Err(AdminError::BadPath("this is a client's secret, not its id".to_owned()));
    }
    let found = reader.stores()?.clients.by_id(id).await?;
    found.ok_or_else(|| StoreError::Missing(format!("client `{id}`")).into())
}
