//! `haechi user import` and `export`: users with the hashes of their passwords, from elsewhere and to it.

use crate::cli::files::unreadable;
use crate::cli::key_table::{csv_records, separated};
use crate::cli::output::{self, said};
use crate::cli::remote::{Gate, Import};
use crate::cli::store::{Opened, accounts};
use crate::cli::{Common, Failure, Format, configuration, input};
use crate::config::Config;
use clap::Args;
use haechi_authn::identity::UserSpec;
use haechi_core::ports::UserRecord;
use haechi_core::{AttributeValue, Attributes, Secret};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// So many faults are shown.
const SHOWN: usize = 100;
/// What is said of a user who is in the store; calls say the same.
const THERE: &str = "exists already";
/// The columns of a table of users.
const HEADS: [&str; 5] = ["name", "password_hash", "roles", "attributes", "disabled"];

/// `haechi user import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Comma-separated values with a line of heads (`name,password_hash,roles,attributes,disabled`), or an htpasswd file (`name:hash`); `-` is standard
    /// input. Hashes are argon2id or bcrypt.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A role for whoever has none in the file; may be repeated.
    #[arg(long = "role", value_name = "R")]
    roles: Vec<String>,
    /// Leave users alone that are there already.
    #[arg(long)]
    if_missing: bool,
    /// Say what is wrong with the file, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// `haechi user export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// With the hashes of passwords, so that the users can be imported elsewhere: keep the file secret.
    #[arg(long)]
    with_hashes: bool,
}

/// A line and what stands in it: each cell by its head.
type Line = (usize, BTreeMap<&'static str, String>);

/// Adds all users of the file, or says line by line what is wrong and adds none.
pub(super) async fn import(opened: &Opened, arguments: &ImportArgs) -> Result<(), Failure> {
    let shown = arguments.file.display();
    let text = read(&arguments.file)?;
    let lines = lines(&text).map_err(|why| Failure::fault(format!("`{shown}`: {why}")))?;
    let accounts = accounts(&opened.config, &opened.store)?;
    let (mut users, mut faults) = (Vec::new(), Vec::new());
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    let mut left_alone = 0;
    for (number, cells) in lines {
        let given = given(Ok(&opened.config), &arguments.roles, &cells);
        let imported = |Given { spec, hash, disabled }| {
            accounts.imported_user(spec, hash, disabled).map_err(|error| error.to_string())
        };
        let user = match given.and_then(imported) {
            Ok(user) => user,
            Err(why) => {
                faults.push((number, why));
                continue;
            }
        };
        if let Some(other) = first.insert(user.name.clone(), number) {
            faults.push((number, format!("user `{}` stands in line {other} already", user.name)));
        } else if opened.store.users.by_name(&user.name).await?.is_none() {
            users.push(user);
        } else if arguments.if_missing {
            left_alone += 1;
        } else {
            faults.push((number, format!("user `{}` {THERE}", user.name)));
        }
    }
    if !faults.is_empty() {
        return Err(tell(&arguments.file, &faults));
    }
    if !arguments.dry_run {
        add(opened, &users).await?;
    }
    said(&report(users.len(), left_alone, arguments.dry_run));
    Ok(())
}

fn report(count: usize, left_alone: usize, dry_run: bool) -> String {
    let users = output::counted(count, "user");
    let done = if dry_run {
        format!("{users} can be imported; nothing was changed")
    } else {
        format!("imported {users}")
    };
    match left_alone {
        0 => done,
        others => format!("{done}; {} there already", output::counted(others, "user")),
    }
}

async fn add(opened: &Opened, users: &[UserRecord]) -> Result<(), Failure> {
    for (done, user) in users.iter().enumerate() {
        opened.store_for_one_more().users.add(user).await.map_err(|error| {
            let count = output::counted(done, "user");
            Failure::fault(format!("{count} imported, then: {error}; run it again with `--if-missing`"))
        })?;
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

/// A table where the first line is one of heads, and else an htpasswd file.
fn lines(text: &str) -> Result<Vec<Line>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().find(|line| !line.trim().is_empty()).ok_or("the file is empty")?;
    if first.split(',').any(|head| head.trim().trim_matches('"') == "name") {
        return table(text);
    }
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let pair = |(number, line): (usize, &str)| {
        // A line that is no pair has a name and no hash, which its record then refuses.
        let (name, hash) = line.split_once(':').unwrap_or((line, ""));
        (number, BTreeMap::from([("name", name.to_owned()), ("password_hash", hash.trim_end().to_owned())]))
    };
    Ok(lines.map(pair).collect())
}

fn table(text: &str) -> Result<Vec<Line>, String> {
    let mut records = csv_records(text)?.into_iter();
    let (_, heads) = records.next().ok_or("the file is empty")?;
    let head = |head: &String| {
        let known = HEADS.into_iter().find(|known| *known == head.trim());
        known.ok_or_else(|| {
            format!("there is no column `{}`; there are `{}`", head.escape_debug(), HEADS.join("`, `"))
        })
    };
    let heads: Vec<&'static str> = heads.iter().map(head).collect::<Result<_, _>>()?;
    let mut lines = Vec::new();
    for (number, cells) in records {
        if cells.len() != heads.len() {
            return Err(format!(
                "line {number} has {} cells, and the first has {}",
                cells.len(),
                heads.len()
            ));
        }
        lines.push((number, heads.iter().copied().zip(cells).collect()));
    }
    Ok(lines)
}

/// What a line says.
struct Given {
    spec: UserSpec,
    hash: Secret<String>,
    disabled: bool,
}

/// Of which type an attribute is stands in `config`.
fn given(
    config: Result<&Config, String>,
    roles: &[String],
    cells: &BTreeMap<&'static str, String>,
) -> Result<Given, String> {
    let cell = |head: &str| cells.get(head).map_or("", String::as_str);
    let hash = cell("password_hash").trim();
    if hash.is_empty() {
        return Err("it has no hash of a password".to_owned());
    }
    let own = separated("roles", cell("roles"))?;
    let pairs = separated("attributes", cell("attributes"))?;
    let pairs = pairs.iter().map(|text| input::pair(text).map_err(|why| format!("`attributes`: {why}")));
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    let spec = UserSpec {
        name: cell("name").to_owned(),
        roles: if own.is_empty() { roles.to_vec() } else { own },
        attributes: match pairs.is_empty() {
            true => Attributes::new(),
            false => input::attributes(config?, &pairs).map_err(|why| why.to_string())?,
        },
    };
    let disabled = match cell("disabled").trim() {
        "" | "false" => false,
        "true" => true,
        _ => return Err("`disabled` is `true` or `false`".to_owned()),
    };
    Ok(Given { spec, hash: Secret::new(hash.to_owned()), disabled })
}

/// What a gate says of an import.
#[derive(Deserialize)]
struct Imported {
    imported: Vec<String>,
    left_alone: Vec<String>,
}

/// The same, at a running gate.
pub(super) async fn import_at(gate: &Gate, common: &Common, arguments: &ImportArgs) -> Result<(), Failure> {
    let text = read(&arguments.file)?;
    let shown = arguments.file.display();
    let lines = lines(&text).map_err(|why| Failure::fault(format!("`{shown}`: {why}")))?;
    let config = configuration(&common.config);
    let (mut items, mut faults) = (Vec::new(), Vec::new());
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (number, cells) in lines {
        match given(config.as_ref().map_err(ToString::to_string), &arguments.roles, &cells) {
            Err(why) => faults.push((number, why)),
            Ok(Given { spec, hash, disabled }) => match first.insert(spec.name.clone(), number) {
                Some(other) => {
                    faults.push((number, format!("user `{}` stands in line {other} already", spec.name)));
                }
                None => items.push((number, portable(&spec, &hash, disabled))),
            },
        }
    }
    let more = [("if_missing", arguments.if_missing.into())];
    let import = Import { what: "users", items, more: &more };
    let answers = match import.run::<Imported>(gate, arguments.dry_run || !faults.is_empty()).await? {
        Ok(answers) => answers,
        Err(more) => {
            faults.extend(more);
            Vec::new()
        }
    };
    if !faults.is_empty() {
        faults.sort();
        return Err(tell(&arguments.file, &faults));
    }
    let count = |each: fn(&Imported) -> usize| answers.iter().map(each).sum();
    let (imported, left_alone) = (count(|one| one.imported.len()), count(|one| one.left_alone.len()));
    said(&report(imported, left_alone, arguments.dry_run));
    Ok(())
}

fn portable(spec: &UserSpec, hash: &Secret<String>, disabled: bool) -> serde_json::Value {
    json!({
        "name": spec.name,
        "password_hash": hash.expose(),
        "roles": spec.roles,
        "attributes": spec.attributes,
        "disabled": disabled,
    })
}

fn tell(file: &Path, faults: &[(usize, String)]) -> Failure {
    for (line, why) in faults.iter().take(SHOWN) {
        said(&format!("{}:{line}: {why}", file.display()));
    }
    let there = faults.iter().any(|(_, why)| why.ends_with(THERE));
    let help = if there { "; `--if-missing` leaves users alone that are there" } else { "" };
    Failure::fault(format!("{}; no user was imported{help}", output::counted(faults.len(), "fault")))
}

/// Prints all users as `import` reads them.
pub(super) async fn export(opened: &Opened, arguments: &ExportArgs, format: Format) -> Result<(), Failure> {
    if arguments.with_hashes {
        opened.record().await?;
    }
    let exported = |user: UserRecord| Exported {
        name: user.name,
        password_hash: arguments.with_hashes.then(|| user.password_hash.expose().clone()),
        roles: user.roles,
        attributes: user.attributes,
        disabled: user.disabled,
    };
    let users: Vec<Exported> = opened.store.users.list().await?.into_iter().map(exported).collect();
    print(&users, format)
}

/// The same, from a running gate.
pub(super) async fn export_from(gate: &Gate, arguments: &ExportArgs, format: Format) -> Result<(), Failure> {
    let users: Vec<Exported> = match arguments.with_hashes {
        true => gate.pages((Method::POST, &["users", "export"]), &[], usize::MAX).await?,
        false => gate.list(&["users"], &[], usize::MAX).await?,
    };
    print(&users, format)
}

/// A user as `import` reads one.
#[derive(Serialize, Deserialize)]
struct Exported {
    name: String,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    disabled: bool,
}

fn print(users: &[Exported], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&users);
    }
    let cells = |user: &Exported| {
        let hash = user.password_hash.clone().unwrap_or_default();
        let attributes: Vec<String> =
            user.attributes.iter().flat_map(|(name, value)| pairs(name, value)).collect();
        let (roles, attributes) = (output::csv_cell(&user.roles), output::csv_cell(&attributes));
        [user.name.clone(), hash, roles, attributes, user.disabled.to_string()]
    };
    let heads = output::csv_line(HEADS.iter().map(|head| (*head).to_owned()));
    let rows = users.iter().map(|user| output::csv_line(cells(user).into_iter()));
    output::line(std::iter::once(heads).chain(rows).collect::<String>().trim_end())
}

/// An attribute as arguments have it: one for each member of a set.
fn pairs(name: &str, value: &AttributeValue) -> Vec<String> {
    match value {
        AttributeValue::Set(members) => members.iter().map(|member| format!("{name}={member}")).collect(),
        one => vec![format!("{name}={one}")],
    }
}
