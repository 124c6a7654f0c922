//! `haechi demo`: the whole gate with three small backends, users and a key, and what to try.

mod backends;
mod script;

use super::Failed;
use crate::config;
use crate::wire::{Gate, control_runtime, open_store};
use clap::Args;
use haechi_core::{AttributeValue, Secret};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Start a gate with three small backends, users and an API key in a temporary folder, and show what to try
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The gate's port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The admin listener's port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9901)]
    admin_port: u16,
}

/// What `--output json` prints, in one line.
#[derive(Serialize)]
struct Summary<'a> {
    url: &'a str,
    admin_url: &'a str,
    users: BTreeMap<&'a str, &'a str>,
    api_key: &'a str,
    r#try: &'a [script::Attempt],
}

/// The users, their roles and attributes.
const USERS: [(&str, &str, i64); 3] = [("alice", "USER", 1), ("mina", "MANAGER", 2), ("root", "ADMIN", 3)];

/// Runs until SIGTERM or SIGINT, then removes its folder.
pub(super) fn demo(arguments: &Demo, json: bool) -> Result<(), Failed> {
    let folder = Folder::new().map_err(|error| Failed::fault(format!("no temporary folder: {error}")))?;
    let runtime = control_runtime().map_err(|error| Failed::fault(format!("no runtime: {error}")))?;
    let failed = |error: std::io::Error| Failed::fault(format!("the demo's backends cannot start: {error}"));
    let backends = runtime.block_on(backends::start()).map_err(failed)?;
    // The embedded identity provider names its own address, so a port of 0 is resolved before the configuration is written.
    let port = free_port(arguments.port).map_err(|error| {
        Failed::fault(format!("port {} is taken ({error}); choose another with `--port`", arguments.port))
    })?;
    let text = script::configuration(port, arguments.admin_port, backends, if json { "off" } else { "stdout" });
    let file = folder.0.join("haechi.yaml");
    std::fs::write(&file, &text).map_err(|error| Failed::fault(format!("cannot write the configuration: {error}")))?;
    let config = config::load(&file)?;
    let accounts = runtime.block_on(seed(&config))?;
    let gate = Gate::start(&config).map_err(|fault| {
        Failed::fault(format!("cannot start: {fault}; other ports are chosen with `--port` and `--admin-port`"))
    })?;
    let url = format!("http://127.0.0.1:{port}");
    let admin_url = gate.admin_address().map_or_else(String::new, |address| format!("http://{address}"));
    let attempts = script::attempts(&url, &accounts);
    if json {
        let users = accounts.users.iter().map(|(name, password)| (*name, password.expose().as_str())).collect();
        let api_key = accounts.api_key.expose();
        let summary = Summary { url: &url, admin_url: &admin_url, users, api_key, r#try: &attempts };
        super::print_json_line(&summary)?;
    } else {
        let color = std::io::stdout().is_terminal();
        super::print(&script::welcome(&url, &admin_url, &accounts, &attempts, &file, color));
    }
    gate.run_until_told_to_end();
    drop(runtime);
    Ok(())
}

/// Who can log in, and with what.
pub(super) struct Accounts {
    users: Vec<(&'static str, Secret<String>)>,
    api_key: Secret<String>,
}

async fn seed(config: &config::Config) -> Result<Accounts, Failed> {
    let store = open_store(config).await.map_err(|fault| Failed::fault(fault.to_string()))?;
    let Some(store) = store else { return Err(Failed::fault("the demo has no store".to_owned())) };
    let accounts = super::store::accounts(config, &store)?;
    let mut users = Vec::new();
    for (name, role, clearance) in USERS {
        let password = password().map_err(|_| Failed::fault("the machine gives no random bytes".to_owned()))?;
        let attributes = [
            ("tenant".into(), AttributeValue::String("acme".into())),
            ("clearance".into(), AttributeValue::Long(clearance)),
        ];
        accounts
            .add_user(name, password.clone(), vec![role.to_owned()], attributes.into())
            .await
            .map_err(|fault| Failed::fault(format!("the user `{name}` cannot be added: {fault}")))?;
        users.push((name, password));
    }
    let api_key = super::store::demo_key(config, &store).await?;
    store.close().await;
    Ok(Accounts { users, api_key })
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

fn free_port(wanted: u16) -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", wanted))?.local_addr()?.port())
}

/// A temporary folder that goes when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let mut name = [0; 8];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| std::io::Error::other("no random bytes"))?;
        let path = std::env::temp_dir().join(format!("haechi-demo-{:016x}", u64::from_ne_bytes(name)));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the demo's folder was not removed");
        }
    }
}
