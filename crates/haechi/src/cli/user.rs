//! `haechi user`: users in the store.

mod remote;
mod transfer;

use super::output::{self, said, words};
use super::remote::{Managed, wait};
use super::store::{Opened, accounts, with_store};
use super::{Common, Failure, Format, input};
use clap::Subcommand;
use haechi_authn::identity::{Accounts, UserSpec};
use haechi_core::ports::{Edit, StoreError, UserRecord};
use haechi_core::{Attributes, Clock, SystemClock};
use serde::{Deserialize, Serialize};

/// `haechi user …`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user. The password is asked for at a terminal, otherwise read as one line from stdin.
    Add {
        /// What the user types to log in.
        name: String,
        /// A role; may be repeated.
        #[arg(long = "role", value_name = "R")]
        roles: Vec<String>,
        /// An attribute; may be repeated.
        #[arg(long = "attr", value_name = "K=V", value_parser = input::pair)]
        attributes: Vec<(String, String)>,
        /// Change nothing where there is such a user already; no password is asked for then.
        #[arg(long)]
        if_missing: bool,
    },
    /// List all users.
    List,
    /// Show one user.
    Show {
        /// The user.
        name: String,
    },
    /// Replace a user's roles. A user who loses one is logged out.
    SetRoles {
        /// The user.
        name: String,
        /// A role; may be repeated.
        #[arg(long = "role", value_name = "R", required_unless_present = "none")]
        roles: Vec<String>,
        /// Take all roles away.
        #[arg(long, conflicts_with = "roles")]
        none: bool,
    },
    /// Give a user more roles.
    AddRole {
        /// The user.
        name: String,
        /// The roles.
        #[arg(value_name = "R", required = true)]
        roles: Vec<String>,
    },
    /// Take roles from a user, who is logged out.
    RemoveRole {
        /// The user.
        name: String,
        /// The roles.
        #[arg(value_name = "R", required = true)]
        roles: Vec<String>,
    },
    /// Set attributes of a user, who is logged out. Those that are not named stay as they are.
    SetAttr {
        /// The user.
        name: String,
        /// The attributes.
        #[arg(value_name = "K=V", value_parser = input::pair, required_unless_present = "remove")]
        attributes: Vec<(String, String)>,
        /// An attribute to take away; may be repeated.
        #[arg(long, value_name = "K")]
        remove: Vec<String>,
    },
    /// Replace a user's password and log the user out.
    SetPassword {
        /// The user.
        name: String,
        /// The user must choose another at the next login, before there is any token.
        #[arg(long)]
        must_change: bool,
    },
    /// Keep a user from logging in, and log the user out.
    Disable {
        /// The user.
        name: String,
    },
    /// Let a disabled user log in again.
    Enable {
        /// The user.
        name: String,
    },
    /// Let a user try again who failed too often: what was counted against the name is forgotten, on every node.
    Unlock {
        /// The user.
        name: String,
    },
    /// Take the second factor away from a user who has lost it and the recovery codes, and log the user out.
    RemoveSecondFactor {
        /// The user.
        name: String,
    },
    /// Take all passkeys away from a user who has lost a device, and log the user out.
    RemovePasskeys {
        /// The user.
        name: String,
    },
    /// Delete a user and log the user out.
    Delete {
        /// The user.
        name: String,
    },
    /// Add users who come from elsewhere, with the hashes of their passwords: all of a file, or none.
    Import(transfer::ImportArgs),
    /// Print all users as comma-separated values, as `import` reads them.
    Export(transfer::ExportArgs),
}

impl UserCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List | Self::Show { .. } => "",
            Self::Add { .. } => "user.add",
            Self::SetRoles { .. } | Self::AddRole { .. } | Self::RemoveRole { .. } => "user.set_roles",
            Self::SetAttr { .. } => "user.set_attributes",
            Self::Unlock { .. } => "user.unlock",
            Self::RemoveSecondFactor { .. } => "user.remove_second_factor",
            Self::RemovePasskeys { .. } => "user.remove_passkeys",
            Self::Import(_) => "user.import",
            Self::Export(_) => "user.export",
            Self::SetPassword { .. } => "user.set_password",
            Self::Disable { .. } | Self::Enable { .. } => "user.set_state",
            Self::Delete { .. } => "user.delete",
        }
    }
}

/// Does it.
pub(crate) fn user(common: &Common, Managed { command, gate }: Managed<UserCommand>) -> Result<(), Failure> {
    if let Some(gate) = gate.connect(common)? {
        return wait(remote::user(&gate, common, command));
    }
    with_store(common, command.action(), async |opened| match command {
        UserCommand::List => list(&opened, common).await,
        UserCommand::Show { name } => show(&opened, &name, common.output).await,
        UserCommand::Import(arguments) => transfer::import(&opened, &arguments).await,
        UserCommand::Export(arguments) => transfer::export(&opened, &arguments, common.output).await,
        command => change(&opened, command).await.map(|done| said(&done)),
    })
}

/// Changes a user, and tells what came of it.
async fn change(opened: &Opened, command: UserCommand) -> Result<String, Failure> {
    let accounts = accounts(&opened.config, &opened.store)?;
    Ok(match command {
        UserCommand::Add { name, if_missing: true, .. }
            if opened.store.users.by_name(&name).await?.is_some() =>
        {
            said_of_present(&name)
        }
        UserCommand::Add { name, roles, attributes, if_missing: _ } => {
            let attributes = input::attributes(&opened.config, &attributes)?;
            add(&accounts, UserSpec { name, roles, attributes }).await?
        }
        UserCommand::SetRoles { name, roles, none: _ } => {
            let roles = accounts.set_roles(&name, roles).await?;
            said_of_roles(&name, &roles)
        }
        UserCommand::AddRole { name, roles } => {
            change_roles(opened, &accounts, &name, |known| with(known, roles)).await?
        }
        UserCommand::RemoveRole { name, roles } => {
            change_roles(opened, &accounts, &name, |known| without(known, &roles)).await?
        }
        UserCommand::SetAttr { name, attributes, remove } => {
            set_attributes(opened, &accounts, &name, (&attributes, &remove)).await?
        }
        UserCommand::Unlock { name } => {
            accounts.unlock(&name).await?;
            said_of_unlocked(&name)
        }
        UserCommand::RemoveSecondFactor { name } => {
            accounts.remove_second_factor(&name).await?;
            said_of_second_factor(&name)
        }
        UserCommand::RemovePasskeys { name } => {
            accounts.remove_passkeys(&name).await?;
            said_of_passkeys(&name)
        }
        UserCommand::SetPassword { name, must_change } => {
            existing(opened, &name).await?;
            accounts.set_password(&name, input::new_password()?, must_change).await?;
            said_of_password(&name, must_change)
        }
        UserCommand::Disable { name } => {
            accounts.set_disabled(&name, true).await?;
            format!("disabled user `{name}`")
        }
        UserCommand::Enable { name } => {
            accounts.set_disabled(&name, false).await?;
            format!("enabled user `{name}`")
        }
        UserCommand::Delete { name } => {
            accounts.delete(&name).await?;
            format!("deleted user `{name}`")
        }
        UserCommand::List | UserCommand::Show { .. } | UserCommand::Import(_) | UserCommand::Export(_) => {
            String::new()
        }
    })
}

async fn set_attributes(
    opened: &Opened,
    accounts: &Accounts,
    name: &str,
    (given, remove): (&[(String, String)], &[String]),
) -> Result<String, Failure> {
    let user = existing(opened, name).await?;
    let given = input::attributes(&opened.config, given)?;
    let next = changed(user.attributes, given, remove)?;
    let edit = Edit { of: name, revision: Some(user.revision) };
    accounts.set_attributes(edit, next.clone()).await?;
    Ok(said_of_attributes(name, &next))
}

/// Changes the roles that the user has now; if somebody else changes them meanwhile, nothing is changed.
async fn change_roles(
    opened: &Opened,
    accounts: &Accounts,
    name: &str,
    change: impl FnOnce(Vec<String>) -> Vec<String>,
) -> Result<String, Failure> {
    let user = existing(opened, name).await?;
    let edit = Edit { of: name, revision: Some(user.revision) };
    let roles = accounts.set_roles(edit, change(user.roles)).await?;
    Ok(said_of_roles(name, &roles))
}

fn with(mut known: Vec<String>, more: Vec<String>) -> Vec<String> {
    known.extend(more);
    known
}

fn without(mut known: Vec<String>, gone: &[String]) -> Vec<String> {
    known.retain(|role| !gone.contains(role));
    known
}

/// The attributes with those that are `given`, and without those that are to be removed.
fn changed(mut known: Attributes, given: Attributes, remove: &[String]) -> Result<Attributes, Failure> {
    if let Some(both) = remove.iter().find(|name| given.contains_key(name.as_str())) {
        return Err(Failure::usage(format!("`{both}` is to be set and to be removed; do one of the two")));
    }
    known.extend(given);
    known.retain(|name, _| !remove.iter().any(|gone| **gone == **name));
    Ok(known)
}

fn said_of_present(name: &str) -> String {
    format!("user `{name}` is there already; nothing was changed")
}

fn said_of_attributes(name: &str, attributes: &Attributes) -> String {
    let pairs: Vec<String> = attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
    format!("user `{name}` has the attributes: {}", words(&pairs))
}

fn said_of_second_factor(name: &str) -> String {
    format!("user `{name}` has no second factor")
}

fn said_of_passkeys(name: &str) -> String {
    format!("user `{name}` has no passkeys")
}

fn said_of_password(name: &str, must_change: bool) -> String {
    let then = if must_change { ", and must choose another at the next login" } else { "" };
    format!("user `{name}` has a new password{then}")
}

fn said_of_unlocked(name: &str) -> String {
    format!("unlocked user `{name}`")
}

async fn add(accounts: &Accounts, user: UserSpec) -> Result<String, Failure> {
    accounts.check_user(&user).await?;
    let user = accounts.add_user(user, input::new_password()?).await?;
    Ok(said_of_added(&user.name, &user.roles))
}

fn said_of_added(name: &str, roles: &[String]) -> String {
    format!("added user `{name}` with roles: {}", words(roles))
}

fn said_of_roles(name: &str, roles: &[String]) -> String {
    format!("user `{name}` has the roles: {}", words(roles))
}

async fn list(opened: &Opened, common: &Common) -> Result<(), Failure> {
    let users: Vec<UserView> = opened.store.users.list().await?.into_iter().map(UserView::from).collect();
    print_all(common, &users)
}

fn print_all(common: &Common, users: &[UserView]) -> Result<(), Failure> {
    let row = |user: &UserView| {
        vec![
            user.name.clone(),
            words(&user.roles),
            user.state().to_owned(),
            user.created_at.clone(),
            user.id.clone(),
        ]
    };
    let cells = |user: &UserView| {
        let attributes: Vec<String> = user.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
        vec![
            user.id.clone(),
            user.name.clone(),
            output::csv_cell(&user.roles),
            output::csv_cell(&attributes),
            user.state().to_owned(),
            user.created_at.clone(),
        ]
    };
    let table = (&["name", "roles", "state", "created", "id"][..], row);
    let csv = (&["id", "name", "roles", "attributes", "state", "created_at"][..], cells);
    output::list_or_csv(common, users, table, csv)
}

async fn show(opened: &Opened, name: &str, format: Format) -> Result<(), Failure> {
    let user = existing(opened, name).await?;
    let accounts = accounts(&opened.config, &opened.store)?;
    let second_factor = Some(accounts.has_second_factor(&user.id).await?);
    let passkeys = Some(accounts.count_passkeys(&user.id).await?);
    print(&UserView { second_factor, passkeys, ..UserView::from(user) }, format)
}

fn print(user: &UserView, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(user),
        Format::Text => {
            let attributes: Vec<String> = user.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let rows = [
                ("name", user.name.clone()),
                ("id", user.id.clone()),
                ("roles", words(&user.roles)),
                ("attributes", words(&attributes)),
                ("state", user.state().to_owned()),
                ("created", user.created_at.clone()),
            ];
            let locked = user.locked_until.clone().map(|until| ("locked until", until));
            let change = user.must_change_password.then(|| ("password", "must be changed".to_owned()));
            let second =
                user.second_factor.map(|on| ("second factor", if on { "on" } else { "off" }.to_owned()));
            rows.into_iter()
                .chain(change)
                .chain(second)
                .chain(user.passkeys.map(|many| ("passkeys", many.to_string())))
                .chain(locked)
                .try_for_each(|(head, value)| output::line(&format!("{head:<15}{}", output::shown(&value))))
        }
    }
}

async fn existing(opened: &Opened, name: &str) -> Result<UserRecord, Failure> {
    let found = opened.store.users.by_name(name).await?;
    found.ok_or_else(|| StoreError::Missing(format!("user `{name}`")).into())
}

/// A user as printed: everything but the password's hash.
#[derive(Debug, Serialize, Deserialize)]
struct UserView {
    id: String,
    name: String,
    roles: Vec<String>,
    attributes: Attributes,
    disabled: bool,
    created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked_until: Option<String>,
    #[serde(default)]
    must_change_password: bool,
    /// Where one user is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second_factor: Option<bool>,
    /// Where one user is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passkeys: Option<usize>,
    /// What a change compares with.
    #[serde(skip_serializing)]
    revision: i64,
}

impl UserView {
    const fn state(&self) -> &'static str {
        match (self.disabled, &self.locked_until) {
            (true, _) => "disabled",
            (false, Some(_)) => "locked",
            (false, None) => "active",
        }
    }
}

impl From<UserRecord> for UserView {
    fn from(user: UserRecord) -> Self {
        let now = SystemClock.now();
        Self {
            id: user.id,
            name: user.name,
            roles: user.roles,
            attributes: user.attributes,
            disabled: user.disabled,
            created_at: user.created_at.rfc3339().to_string(),
            revision: user.revision.number(),
            must_change_password: user.password.must_change,
            second_factor: None,
            passkeys: None,
            locked_until: user
                .login
                .locked_until
                .filter(|until| *until > now)
                .map(|at| at.rfc3339().to_string()),
        }
    }
}
