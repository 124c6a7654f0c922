//! `haechi key`: API keys in the store.

use super::key_scan::{ScanArgs, scan, state};
use super::output::{self, said, words};
use super::store::{Opened, accounts, with_store};
use super::{Common, Failure, Format, input};
use clap::{Args, Subcommand};
use haechi_authn::identity::KeySpec;
use haechi_core::ports::{ApiKeyRecord, StoreError};
use haechi_core::{Attributes, Clock, SystemClock};
use ipnet::IpNet;
use serde::Serialize;
use std::time::Duration;

/// `haechi key …`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// What works on the store.
    #[command(flatten)]
    Stored(StoredKeyCommand),
    /// Look through files for keys that lie open, by their form and checksum, and tell which are this store's and work; exit 1 where one may.
    Scan(ScanArgs),
}

/// What works on the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoredKeyCommand {
    /// Create a key. Its secret is printed once, alone on stdout, and kept nowhere.
    Create(CreateArgs),
    /// List all keys, newest first.
    List,
    /// Show one key.
    Show {
        /// The key's id, not the key.
        id: String,
    },
    /// Revoke a key for good, on every node within 5 s.
    Revoke {
        /// The key's id, not the key.
        id: String,
    },
}

/// `haechi key create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Who answers for the key; the subject of its caller.
    #[arg(long, value_name = "O")]
    owner: String,
    /// What people call the key.
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// A role; may be repeated.
    #[arg(long = "role", value_name = "R")]
    roles: Vec<String>,
    /// A scope; may be repeated.
    #[arg(long = "scope", value_name = "S")]
    scopes: Vec<String>,
    /// An attribute; may be repeated.
    #[arg(long = "attr", value_name = "K=V", value_parser = input::pair)]
    attributes: Vec<(String, String)>,
    /// For how long the key works, such as `90d`; for good where this is left out.
    #[arg(long, value_name = "SPAN", value_parser = input::span)]
    expires: Option<Duration>,
    /// A network or address from which the key works; may be repeated. From anywhere where this is left out.
    #[arg(long = "allow-ip", value_name = "CIDR", value_parser = input::network)]
    allowed: Vec<IpNet>,
}

/// Does it.
pub(crate) fn key(common: &Common, command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Scan(arguments) => scan(common, &arguments),
        KeyCommand::Stored(command) => {
            with_store(common, async |opened| stored(&opened, command, common.output).await)
        }
    }
}

async fn stored(opened: &Opened, command: StoredKeyCommand, format: Format) -> Result<(), Failure> {
    match command {
        StoredKeyCommand::Create(arguments) => create(opened, arguments, format).await,
        StoredKeyCommand::List => list(opened, format).await,
        StoredKeyCommand::Show { id } => show(opened, &id, format).await,
        StoredKeyCommand::Revoke { id } => {
            known(opened, &id).await?;
            opened.store.api_keys.revoke(&id).await?;
            said(&format!("revoked key `{id}`"));
            Ok(())
        }
    }
}

async fn create(opened: &Opened, arguments: CreateArgs, format: Format) -> Result<(), Failure> {
    let spec = KeySpec {
        owner: arguments.owner,
        name: arguments.name,
        roles: arguments.roles,
        scopes: arguments.scopes,
        attributes: input::attributes(&opened.config, &arguments.attributes)?,
        lasts: arguments.expires,
        allowed_addresses: arguments.allowed,
    };
    let (record, key) = accounts(&opened.config, &opened.store)?.create_key(spec).await?;
    match format {
        Format::Text => {
            output::line(key.expose())?;
            said(&format!("created key `{}` for `{}`; it is shown this once", record.id, record.owner));
            Ok(())
        }
        Format::Json => output::json(&serde_json::json!({ "id": record.id, "key": key.expose() })),
    }
}

async fn list(opened: &Opened, format: Format) -> Result<(), Failure> {
    let keys: Vec<KeyView> = opened.store.api_keys.list().await?.into_iter().map(KeyView::from).collect();
    output::list(
        format,
        &keys,
        &["id", "name", "owner", "roles", "scopes", "state", "expires", "last used"],
        |key| {
            vec![
                key.id.clone(),
                key.name.clone().unwrap_or_else(|| "-".into()),
                key.owner.clone(),
                words(&key.roles),
                words(&key.scopes),
                key.state.to_owned(),
                key.expires_at.clone().unwrap_or_else(|| "never".into()),
                key.last_used_at.clone().unwrap_or_else(|| "never".into()),
            ]
        },
    )
}

async fn show(opened: &Opened, id: &str, format: Format) -> Result<(), Failure> {
    let key = KeyView::from(known(opened, id).await?);
    match format {
        Format::Json => output::json(&key),
        Format::Text => {
            let attributes: Vec<String> = key.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let rows = [
                ("id", key.id.clone()),
                ("name", key.name.clone().unwrap_or_else(|| "-".into())),
                ("owner", key.owner.clone()),
                ("roles", words(&key.roles)),
                ("scopes", words(&key.scopes)),
                ("attributes", words(&attributes)),
                (
                    "allowed from",
                    if key.allowed_addresses.is_empty() {
                        "anywhere".into()
                    } else {
                        words(&key.allowed_addresses)
                    },
                ),
                ("state", key.state.to_owned()),
                ("created", key.created_at.clone()),
                ("expires", key.expires_at.clone().unwrap_or_else(|| "never".into())),
                ("last used", key.last_used_at.clone().unwrap_or_else(|| "never".into())),
            ];
            rows.iter()
                .try_for_each(|(head, value)| output::line(&format!("{head:<14}{}", output::shown(value))))
        }
    }
}

/// The key of this id. A key given in place of its id is not repeated.
async fn known(opened: &Opened, id: &str) -> Result<ApiKeyRecord, Failure> {
    if haechi_authn::api_key::looks_like_a_key(id.as_bytes()) {
        return Err(Failure::usage("this is a key, not its id; `haechi key list` shows the ids"));
    }
    let found = opened.store.api_keys.by_id(id).await?;
    found.ok_or_else(|| StoreError::Missing(format!("key `{id}`")).into())
}

/// A key as printed: everything but what tells the secret.
#[derive(Debug, Serialize)]
struct KeyView {
    id: String,
    name: Option<String>,
    owner: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: Attributes,
    allowed_addresses: Vec<IpNet>,
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl From<ApiKeyRecord> for KeyView {
    fn from(key: ApiKeyRecord) -> Self {
        let state = state(&key, SystemClock.now());
        Self {
            id: key.id,
            name: key.name,
            owner: key.owner,
            roles: key.roles,
            scopes: key.scopes,
            attributes: key.attributes,
            allowed_addresses: key.allowed_addresses,
            state,
            created_at: key.created_at.rfc3339().to_string(),
            expires_at: key.expires_at.map(|at| at.rfc3339().to_string()),
            last_used_at: key.last_used_at.map(|at| at.rfc3339().to_string()),
        }
    }
}
