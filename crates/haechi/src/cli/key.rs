//! `haechi key`: API keys in the store.

mod remote;

use super::key_import::{ImportArgs, import};
use super::key_list::{ListArgs, known, list, show};
use super::key_scan::{ScanArgs, scan};
use super::output::{self, said};
use super::remote::{Managed, wait};
use super::store::{Opened, accounts, with_store};
use super::{Common, Failure, Format, input};
use clap::{Args, Subcommand};
use haechi_authn::identity::{KeyGrant, KeySpec};
use haechi_core::ports::Quota;
use ipnet::IpNet;
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
    /// List keys, newest first: all of them, or those for which every filter holds.
    List(ListArgs),
    /// Show one key.
    Show {
        /// The key's id or its name, not the key.
        #[arg(value_name = "ID")]
        key: String,
    },
    /// Give a key a new secret. It is printed once, alone on stdout; the one before works for the overlap, and both are ended by `revoke`.
    Rotate(RotateArgs),
    /// Revoke a key for good, on every node within 5 s.
    Revoke {
        /// The key's id or its name, not the key.
        #[arg(value_name = "ID")]
        key: String,
    },
    /// Add keys that another gateway has given out, all of them or none. They keep working as they are.
    Import(ImportArgs),
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
    /// How many requests the key may make in how much time, such as `100/1m`; without a limit where this is left out.
    #[arg(long, value_name = "N/SPAN", value_parser = input::rate)]
    limit: Option<Quota>,
    /// How many requests the key may make in each day or other long time, such as `10000/1d`; over all nodes, also after a restart.
    #[arg(long, value_name = "N/SPAN", value_parser = input::rate)]
    quota: Option<Quota>,
}

/// `haechi key rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The key's id or its name, not the key.
    #[arg(value_name = "ID")]
    key: String,
    /// For how long the secret that the key has now goes on working, such as `24h`.
    #[arg(long, value_name = "SPAN", value_parser = input::span_or_zero, default_value = "0s")]
    overlap: Duration,
}

impl StoredKeyCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List(_) | Self::Show { .. } => "",
            Self::Create(_) => "key.create",
            Self::Rotate(_) => "key.rotate",
            Self::Revoke { .. } => "key.revoke",
            Self::Import(_) => "key.import",
        }
    }
}

/// Does it.
pub(crate) fn key(common: &Common, Managed { command, gate }: Managed<KeyCommand>) -> Result<(), Failure> {
    match command {
        KeyCommand::Scan(arguments) => {
            gate.refuse()?;
            scan(common, &arguments)
        }
        KeyCommand::Stored(command) => {
            if let Some(gate) = gate.connect(common)? {
                return wait(remote::key(&gate, common, command));
            }
            with_store(common, command.action(), async |opened| stored(&opened, command, common).await)
        }
    }
}

async fn stored(opened: &Opened, command: StoredKeyCommand, common: &Common) -> Result<(), Failure> {
    match command {
        StoredKeyCommand::Create(arguments) => create(opened, arguments, common.output).await,
        StoredKeyCommand::List(arguments) => list(opened, arguments, common).await,
        StoredKeyCommand::Show { key } => show(opened, &key, common.output).await,
        StoredKeyCommand::Rotate(arguments) => rotate(opened, arguments, common.output).await,
        StoredKeyCommand::Revoke { key } => revoke(opened, &key).await,
        StoredKeyCommand::Import(arguments) => import(opened, &arguments, common.output).await,
    }
}

async fn create(opened: &Opened, arguments: CreateArgs, format: Format) -> Result<(), Failure> {
    let grant = KeyGrant {
        owner: arguments.owner,
        name: arguments.name,
        roles: arguments.roles,
        scopes: arguments.scopes,
        attributes: input::attributes(&opened.config, &arguments.attributes)?,
        allowed_addresses: arguments.allowed,
        rate_limit: arguments.limit,
        quota: arguments.quota,
    };
    let spec = KeySpec { grant, lasts: arguments.expires };
    let (record, key) = accounts(&opened.config, &opened.store)?.create_key(spec).await?;
    told_created((&record.id, key.expose()), &record.owner, format)
}

fn told_created((id, key): (&str, &str), owner: &str, format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => {
            output::line(key)?;
            said(&format!("created key `{id}` for `{owner}`; it is shown this once"));
            Ok(())
        }
        Format::Json => output::json(&serde_json::json!({ "id": id, "key": key })),
    }
}

async fn rotate(opened: &Opened, arguments: RotateArgs, format: Format) -> Result<(), Failure> {
    let key = known(opened, &arguments.key).await?;
    let (until, next) =
        accounts(&opened.config, &opened.store)?.rotate_key(&key, None, arguments.overlap).await?;
    told_rotated((&key.id, next.expose()), &until.rfc3339().to_string(), arguments.overlap, format)
}

fn told_rotated(
    (id, key): (&str, &str),
    until: &str,
    overlap: Duration,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Text => {
            output::line(key)?;
            let earlier = if overlap.is_zero() {
                "the one before works no more".to_owned()
            } else {
                format!("the one before works until {until}")
            };
            said(&format!("key `{id}` has a new secret, which is shown this once; {earlier}"));
            Ok(())
        }
        Format::Json => {
            output::json(&serde_json::json!({ "id": id, "key": key, "previous_works_until": until }))
        }
    }
}

async fn revoke(opened: &Opened, key: &str) -> Result<(), Failure> {
    let id = known(opened, key).await?.id;
    opened.store.api_keys.revoke((&id).into()).await?;
    said(&format!("revoked key `{id}`"));
    Ok(())
}
