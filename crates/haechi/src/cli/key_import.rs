//! `haechi key import`: keys that another gateway has given out go on working.

use super::files::unreadable;
use super::key_table::{Row, lines};
use super::output::{self, said};
use super::remote::{Gate, Import};
use super::store::{Opened, accounts};
use super::{Common, Failure, Format, configuration, input};
use crate::config::Config;
use clap::Args;
use haechi_authn::identity::{KeyGrant, KeyImport};
use haechi_core::ports::{ApiKeyRecord, Quota};
use haechi_core::{Attributes, Clock, SystemClock, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// So many faults are shown.
const SHOWN: usize = 100;

/// `haechi key import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Comma-separated values with a line of heads, or a JSON object on each line; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say what is wrong with the file, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A key and the line in which it stands.
type Numbered = (usize, ApiKeyRecord);

/// Adds all keys of the file, or says line by line what is wrong and adds none.
pub(super) async fn import(opened: &Opened, arguments: &ImportArgs, format: Format) -> Result<(), Failure> {
    let text = read(&arguments.file)?;
    let lines =
        lines(&text).map_err(|why| Failure::fault(format!("`{}`: {why}", arguments.file.display())))?;
    let accounts = accounts(&opened.config, &opened.store)?;
    let (mut keys, mut faults): (Vec<Numbered>, Vec<(usize, String)>) = (Vec::new(), Vec::new());
    for (number, row) in lines {
        let imported = |key| accounts.imported_key(key).map_err(|error| error.to_string());
        match row.and_then(|row| given(Ok(&opened.config), &row)).and_then(imported) {
            Ok(key) => keys.push((number, key)),
            Err(why) => faults.push((number, why)),
        }
    }
    faults.extend(repeated(&keys));
    faults.extend(known_already(opened, &keys).await?);
    if !faults.is_empty() {
        return Err(tell(&arguments.file, faults));
    }
    if !arguments.dry_run {
        let records: Vec<ApiKeyRecord> = keys.iter().map(|(_, key)| key.clone()).collect();
        opened.store.api_keys.add_all(&records).await?;
    }
    let accepted = opened.config.authenticators.values().any(|known| known.settings.takes_imported_keys());
    let all_accepted = accepted || !keys.iter().any(|(_, key)| key.imported);
    let entry = |(line, key): Numbered| {
        let id = (!arguments.dry_run).then_some(key.id);
        json!({ "line": line, "id": id, "owner": key.owner, "name": key.name })
    };
    let keys: Vec<Value> = keys.into_iter().map(entry).collect();
    report(&keys, all_accepted, arguments.dry_run, format)
}

/// What a gate says of an import.
#[derive(Deserialize)]
struct Imported {
    imported: Vec<ImportedKey>,
    accepted: bool,
}

#[derive(Deserialize)]
struct ImportedKey {
    #[serde(default)]
    id: Option<String>,
    owner: String,
    #[serde(default)]
    name: Option<String>,
}

/// The same, at a running gate. Keys do not leave this machine: their hashes do.
pub(super) async fn import_at(gate: &Gate, common: &Common, arguments: &ImportArgs) -> Result<(), Failure> {
    let text = read(&arguments.file)?;
    let lines =
        lines(&text).map_err(|why| Failure::fault(format!("`{}`: {why}", arguments.file.display())))?;
    let config = configuration(&common.config);
    let (mut items, mut faults): (_, Vec<(usize, String)>) = (Vec::new(), Vec::new());
    let (mut first, mut others) = (HashMap::new(), false);
    for (number, row) in lines {
        match row.and_then(|row| given(config.as_ref().map_err(ToString::to_string), &row)) {
            Err(why) => faults.push((number, why)),
            Ok(key) => match first.insert(key.sha256, number) {
                Some(other) => faults.push((number, format!("the key is that of line {other}"))),
                None => {
                    others |= !key.has_our_form;
                    items.push((number, portable(&key)));
                }
            },
        }
    }
    let numbers: Vec<usize> = items.iter().map(|(number, _)| *number).collect();
    let import = Import { what: "keys", items, more: &[] };
    let answers = match import.run::<Imported>(gate, arguments.dry_run || !faults.is_empty()).await? {
        Ok(answers) => answers,
        Err(more) => {
            faults.extend(more);
            Vec::new()
        }
    };
    if !faults.is_empty() {
        return Err(tell(&arguments.file, faults));
    }
    let all_accepted = !others || answers.iter().all(|answer| answer.accepted);
    let entry = |(line, key): (usize, ImportedKey)| {
        let id = key.id.filter(|_| !arguments.dry_run);
        json!({ "line": line, "id": id, "owner": key.owner, "name": key.name })
    };
    let keys = numbers.into_iter().zip(answers.into_iter().flat_map(|answer| answer.imported));
    let keys: Vec<Value> = keys.map(entry).collect();
    report(&keys, all_accepted, arguments.dry_run, common.output)
}

fn portable(key: &KeyImport) -> Value {
    let KeyImport { sha256, has_our_form, grant, expires_at } = key;
    let hex: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "sha256": hex,
        "our_form": has_our_form,
        "owner": grant.owner,
        "name": grant.name,
        "roles": grant.roles,
        "scopes": grant.scopes,
        "attributes": grant.attributes,
        "expires_at": expires_at.map(|at| at.rfc3339().to_string()),
        "allowed_addresses": grant.allowed_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rate_limit": grant.rate_limit.map(|limit| limit.to_string()),
        "quota": grant.quota.map(|quota| quota.to_string()),
    })
}

fn report(keys: &[Value], all_accepted: bool, dry_run: bool, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        output::json(&keys)?;
    }
    let count = output::counted(keys.len(), "key");
    said(&if dry_run {
        format!("{count} can be imported; nothing was changed")
    } else {
        format!("imported {count}")
    });
    if !all_accepted {
        said("no authenticator accepts them yet: add `imported_keys: true` to one of type `api_key`");
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    let unreadable = unreadable(file);
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text).map_err(&unreadable)?;
    } else {
        text = std::fs::read_to_string(file).map_err(&unreadable)?;
    }
    Ok(text)
}

/// What a line says. Of which type an attribute is stands in `config`.
fn given(config: Result<&Config, String>, row: &Row) -> Result<KeyImport, String> {
    let (sha256, has_our_form) = row.secret()?;
    let networks = row.list("allowed_addresses")?;
    let networks =
        networks.iter().map(|text| input::network(text).map_err(|why| format!("`allowed_addresses`: {why}")));
    let attributes = row.pairs("attributes")?;
    let grant = KeyGrant {
        owner: row.text("owner")?.ok_or("it has no `owner`")?.to_owned(),
        name: row.text("name")?.map(str::to_owned),
        roles: row.list("roles")?,
        scopes: row.list("scopes")?,
        attributes: match attributes.is_empty() {
            true => Attributes::new(),
            false => input::attributes(config?, &attributes).map_err(|why| why.to_string())?,
        },
        allowed_addresses: networks.collect::<Result<_, _>>()?,
        rate_limit: quota(row, "limit")?,
        quota: quota(row, "quota")?,
    };
    let expires_at = row.text("expires")?.map(expiry).transpose()?;
    Ok(KeyImport { sha256, has_our_form, grant, expires_at })
}

fn expiry(text: &str) -> Result<Timestamp, String> {
    match input::span(text) {
        Ok(span) => Ok(SystemClock.now().plus(span)),
        Err(_) => input::time(text).map_err(|_| {
            "`expires`: write a span such as `90d`, or a time such as `2026-11-23T10:00:00Z`".into()
        }),
    }
}

fn quota(row: &Row, field: &str) -> Result<Option<Quota>, String> {
    row.text(field)?.map(|text| text.parse().map_err(|why| format!("`{field}`: {why}"))).transpose()
}

/// The keys that stand in an earlier line, too.
fn repeated(keys: &[Numbered]) -> Vec<(usize, String)> {
    let mut first: HashMap<[u8; 32], usize> = HashMap::new();
    let mut faults = Vec::new();
    for (line, key) in keys {
        match first.get(&key.sha256) {
            Some(other) => faults.push((*line, format!("the key is that of line {other}"))),
            None => drop(first.insert(key.sha256, *line)),
        }
    }
    faults
}

/// The keys that the store has.
async fn known_already(opened: &Opened, keys: &[Numbered]) -> Result<Vec<(usize, String)>, Failure> {
    let mut faults = Vec::new();
    for (line, key) in keys {
        if let Some(known) = opened.store.api_keys.by_sha256(&key.sha256).await? {
            faults.push((*line, format!("the key is in the store already, as `{}`", known.id)));
        }
    }
    Ok(faults)
}

fn tell(file: &Path, mut faults: Vec<(usize, String)>) -> Failure {
    faults.sort();
    for (line, why) in faults.iter().take(SHOWN) {
        said(&format!("{}:{line}: {why}", file.display()));
    }
    let lines = output::counted(faults.len(), "fault");
    Failure::fault(format!("{lines}; no key was imported"))
}
