//! `haechi demo`: the whole gate with three small backends, users and a key, and what to try.

mod backends;
mod script;

use super::store::accounts;
use super::verdict::is_coloured;
use super::{DemoArgs, Failure, Format, output};
use crate::authenticators;
use crate::config::{self, Config};
use crate::wire::{Gate, Inherited, control_runtime, open_store};
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{KeyGrant, KeySpec};
use haechi_core::ports::{LoginState, Revision, UserRecord};
use haechi_core::{AttributeValue, Clock, Secret, SystemClock};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio::runtime::{Handle, Runtime};

/// What `--output json` prints, in one line.
#[derive(Serialize)]
struct Summary<'a> {
    url: &'a str,
    admin_url: &'a str,
    /// Opens the console, logged in: once, within ten minutes, from this machine.
    console_url: &'a str,
    users: BTreeMap<&'a str, &'a str>,
    api_key: &'a str,
    r#try: &'a [script::Attempt],
}

/// The users, their roles and attributes.
const USERS: [(&str, &str, i64); 3] = [("alice", "USER", 1), ("mina", "MANAGER", 2), ("root", "ADMIN", 3)];

/// Runs until SIGTERM or SIGINT, then removes its folder.
pub(crate) fn demo(arguments: DemoArgs, format: Format) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("haechi-demo-").tempdir();
    let folder = folder.map_err(|error| Failure::fault(format!("no temporary folder: {error}")))?;
    let runtime = control_runtime().map_err(Failure::fault)?;
    let backends = runtime.block_on(backends::start());
    let backends =
        backends.map_err(|error| Failure::fault(format!("the demo's backends cannot start: {error}")))?;
    // The embedded identity provider names its own address, so a port of 0 is resolved before the configuration is written.
    let port = free_port(arguments.port)?;
    let log = if format == Format::Json { "off" } else { "stdout" };
    let file = folder.path().join("haechi.yaml");
    std::fs::write(&file, script::configuration(port, arguments.admin_port, backends, log))
        .map_err(|error| Failure::fault(format!("the demo's configuration cannot be written: {error}")))?;
    let config =
        config::load(&file, authenticators::ALL).map_err(|report| Failure::Config(Box::new(report)))?;
    let accounts = seed(&config, &runtime)?;
    let gate = Gate::start(&file, config, Inherited::none()).map_err(|fault| {
        Failure::fault(format!("cannot start: {fault}; `--port` and `--admin-port` choose other ports"))
    })?;
    let url = format!("http://127.0.0.1:{port}");
    let admin_url = gate.admin_address().map_or_else(String::new, |address| format!("http://{address}"));
    let console_url = console_url(&gate, &admin_url, &accounts);
    let attempts = script::attempts(&url, &accounts);
    match format {
        Format::Json => {
            let users =
                accounts.users.iter().map(|(name, password)| (*name, password.expose().as_str())).collect();
            let api_key = accounts.api_key.expose();
            let console_url = console_url.expose();
            let summary =
                Summary { url: &url, admin_url: &admin_url, console_url, users, api_key, r#try: &attempts };
            output::line(&serde_json::to_string(&summary).map_err(Failure::fault)?)?;
        }
        Format::Text => {
            let color = is_coloured(&std::io::stdout());
            output::line(&script::welcome(
                &url,
                (&admin_url, console_url.expose()),
                &accounts,
                &attempts,
                &file,
                color,
            ))?;
        }
    }
    gate.run_until_told_to_end();
    drop(runtime);
    Ok(())
}

/// A link that opens the console logged in as the demo's administrator; the console's own address where there is none.
fn console_url(gate: &Gate, admin_url: &str, accounts: &Accounts) -> Secret<String> {
    let root = accounts.users.iter().find(|(name, _)| *name == "root");
    let link = root.and_then(|(name, password)| gate.console_link(name, password.clone()));
    let path = link.map_or_else(|| "/console".to_owned(), |path| path.expose().clone());
    Secret::new(format!("{admin_url}{path}"))
}

/// Who can log in, and with what.
pub(super) struct Accounts {
    users: Vec<(&'static str, Secret<String>)>,
    api_key: Secret<String>,
}

fn seed(config: &Config, runtime: &Runtime) -> Result<Accounts, Failure> {
    runtime.block_on(async {
        let store = open_store(config).await.map_err(Failure::fault)?;
        let store = store.ok_or_else(|| Failure::fault("the demo's configuration has no store"))?;
        let pool = PasswordPool::with_defaults(Handle::current()).map_err(Failure::fault)?;
        let mut users = Vec::new();
        for (name, role, clearance) in USERS {
            let password =
                password().map_err(|_| Failure::fault("cannot read random bytes from the system"))?;
            let hash = pool.hash(password.clone()).await.map_err(Failure::fault)?;
            store.users.add(&user(name, role, clearance, hash)).await?;
            users.push((name, password));
        }
        let (_, api_key) = accounts(config, &store)?.create_key(key_spec()).await?;
        store.close().await;
        Ok(Accounts { users, api_key: Secret::new(api_key.expose().to_owned()) })
    })
}

/// The id is the name, so that the log reads `alice@local`.
fn user(name: &str, role: &str, clearance: i64, password_hash: Secret<String>) -> UserRecord {
    let created_at = SystemClock.now();
    let mut roles = vec![role.to_owned()];
    if role == "ADMIN" {
        // Who may log in to the console.
        roles.push("haechi-admin".to_owned());
    }
    UserRecord {
        id: name.to_owned(),
        name: name.to_owned(),
        password_hash,
        roles,
        attributes: [
            ("tenant".into(), AttributeValue::String("acme".into())),
            ("clearance".into(), AttributeValue::Long(clearance)),
        ]
        .into(),
        disabled: false,
        created_at,
        login: LoginState::default(),
        password: Default::default(),
        revision: Revision::first(created_at),
    }
}

fn key_spec() -> KeySpec {
    let grant = KeyGrant {
        owner: "partner-1".to_owned(),
        name: Some("demo".to_owned()),
        roles: vec!["USER".to_owned()],
        ..KeyGrant::default()
    };
    KeySpec { grant, lasts: None }
}

/// 20 random letters and digits without those that look alike: 116 bits.
fn password() -> Result<Secret<String>, aws_lc_rs::error::Unspecified> {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut text = String::new();
    while text.len() < 20 {
        let mut byte = [0];
        aws_lc_rs::rand::fill(&mut byte)?;
        // The few bytes past the last whole round would favour the first letters.
        let usable = 256 - 256 % LETTERS.len();
        if usize::from(byte[0]) < usable
            && let Some(letter) = LETTERS.get(usize::from(byte[0]) % LETTERS.len())
        {
            text.push(char::from(*letter));
        }
    }
    Ok(Secret::new(text))
}

fn free_port(wanted: u16) -> Result<u16, Failure> {
    let bound = std::net::TcpListener::bind(("127.0.0.1", wanted)).and_then(|listener| listener.local_addr());
    let taken =
        |error| Failure::fault(format!("port {wanted} cannot be used ({error}); `--port` chooses another"));
    Ok(bound.map_err(taken)?.port())
}
