//! `haechi user`: users in the store.

mod remote;

use super::output::{self, said, words};
use super::remote::{Managed, wait};
use super::store::{Opened, accounts, with_store};
use super::{Common, Failure, Format, input};
use clap::Subcommand;
use haechi_authn::identity::{Accounts, UserSpec};
use haechi_core::ports::{StoreError, UserRecord};
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
    /// Replace a user's password and log the user out.
    SetPassword {
        /// The user.
        name: String,
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
    /// Delete a user and log the user out.
    Delete {
        /// The user.
        name: String,
    },
}

impl UserCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List | Self::Show { .. } => "",
            Self::Add { .. } => "user.add",
            Self::SetRoles { .. } => "user.set_roles",
            Self::SetPassword { .. } => "user.set_password",
            Self::Disable { .. } | Self::Enable { .. } => "user.set_state",
            Self::Delete { .. } => "user.delete",
        }
    }
}

/// Does it.
pub(crate) fn user(common: &Common, Managed { command, gate }: Managed<UserCommand>) -> Result<(), Failure> {
    if !remote::has_call(&command) {
        gate.refuse()?;
    } else if let Some(gate) = gate.connect(common)? {
        return wait(remote::user(&gate, common, command));
    }
    with_store(common, command.action(), async |opened| {
        let accounts = accounts(&opened.config, &opened.store)?;
        let done = match command {
            UserCommand::List => return list(&opened, common).await,
            UserCommand::Show { name } => return show(&opened, &name, common.output).await,
            UserCommand::Add { name, roles, attributes } => {
                let attributes = input::attributes(&opened.config, &attributes)?;
                add(&accounts, UserSpec { name, roles, attributes }).await?
            }
            UserCommand::SetRoles { name, roles, none: _ } => {
                let roles = accounts.set_roles(&name, roles).await?;
                said_of_roles(&name, &roles)
            }
            UserCommand::SetPassword { name } => {
                existing(&opened, &name).await?;
                accounts.set_password(&name, input::new_password()?).await?;
                format!("user `{name}` has a new password")
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
        };
        said(&done);
        Ok(())
    })
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
    print(&UserView::from(existing(opened, name).await?), format)
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
            rows.into_iter()
                .chain(locked)
                .try_for_each(|(head, value)| output::line(&format!("{head:<13}{}", output::shown(&value))))
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
            locked_until: user
                .login
                .locked_until
                .filter(|until| *until > now)
                .map(|at| at.rfc3339().to_string()),
        }
    }
}
