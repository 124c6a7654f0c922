//! `haechi user`: users in the store.

use super::output::{self, said, words};
use super::store::{Opened, with_store};
use super::{Common, Failure, Format, input};
use clap::Subcommand;
use haechi_authn::hashing::{PasswordPool, check_new_password};
use haechi_core::ports::{LoginState, StoreError, UserRecord};
use haechi_core::{Attributes, Clock, Secret, SystemClock, Timestamp};
use serde::Serialize;
use std::num::NonZeroUsize;
use tokio::runtime::Handle;

/// `haechi user …`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user. The password is asked for at a terminal, otherwise read as one line from stdin.
    Add {
        /// What the user types to log in.
        #[arg(value_parser = input::name)]
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

/// Does it.
pub(crate) fn user(common: &Common, command: UserCommand) -> Result<(), Failure> {
    with_store(common, async |opened| match command {
        UserCommand::Add { name, roles, attributes } => add(&opened, name, &roles, &attributes).await,
        UserCommand::List => list(&opened, common.output).await,
        UserCommand::Show { name } => show(&opened, &name, common.output).await,
        UserCommand::SetRoles { name, roles, none: _ } => set_roles(&opened, &name, &roles).await,
        UserCommand::SetPassword { name } => set_password(&opened, &name).await,
        UserCommand::Disable { name } => disable(&opened, &name).await,
        UserCommand::Enable { name } => {
            opened.store.users.set_disabled(&name, false).await?;
            said(&format!("enabled user `{name}`"));
            Ok(())
        }
        UserCommand::Delete { name } => delete(&opened, &name).await,
    })
}

async fn add(
    opened: &Opened,
    name: String,
    roles: &[String],
    attributes: &[(String, String)],
) -> Result<(), Failure> {
    let roles = input::roles(&opened.config, roles)?;
    let attributes = input::attributes(&opened.config, attributes)?;
    if opened.store.users.by_name(&name).await?.is_some() {
        return Err(StoreError::Exists(format!("user `{name}`")).into());
    }
    let password_hash = new_password(&name).await?;
    let id = new_id()?;
    let (created_at, login) = (SystemClock.now(), LoginState::default());
    let user = UserRecord { id, name, password_hash, roles, attributes, disabled: false, created_at, login };
    opened.store.users.add(&user).await?;
    said(&format!("added user `{}` with roles: {}", user.name, words(&user.roles)));
    Ok(())
}

async fn list(opened: &Opened, format: Format) -> Result<(), Failure> {
    let users: Vec<UserView> = opened.store.users.list().await?.into_iter().map(UserView::from).collect();
    output::list(format, &users, &["name", "roles", "state", "created", "id"], |user| {
        vec![
            user.name.clone(),
            words(&user.roles),
            user.state().to_owned(),
            user.created_at.clone(),
            user.id.clone(),
        ]
    })
}

async fn show(opened: &Opened, name: &str, format: Format) -> Result<(), Failure> {
    let user = UserView::from(existing(opened, name).await?);
    match format {
        Format::Json => output::json(&user),
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

async fn set_roles(opened: &Opened, name: &str, roles: &[String]) -> Result<(), Failure> {
    let roles = input::roles(&opened.config, roles)?;
    let before = existing(opened, name).await?;
    opened.store.users.set_roles(name, &roles).await?;
    if before.roles.iter().any(|role| !roles.contains(role)) {
        log_out(opened, &before.id).await?;
    }
    said(&format!("user `{name}` has the roles: {}", words(&roles)));
    Ok(())
}

async fn set_password(opened: &Opened, name: &str) -> Result<(), Failure> {
    let user = existing(opened, name).await?;
    let hash = new_password(name).await?;
    opened.store.users.set_password(name, &hash).await?;
    log_out(opened, &user.id).await?;
    said(&format!("user `{name}` has a new password"));
    Ok(())
}

async fn disable(opened: &Opened, name: &str) -> Result<(), Failure> {
    let user = existing(opened, name).await?;
    opened.store.users.set_disabled(name, true).await?;
    log_out(opened, &user.id).await?;
    said(&format!("disabled user `{name}`"));
    Ok(())
}

/// Disabled first, so that no login slips in between logging out and deleting.
async fn delete(opened: &Opened, name: &str) -> Result<(), Failure> {
    let user = existing(opened, name).await?;
    opened.store.users.set_disabled(name, true).await?;
    log_out(opened, &user.id).await?;
    opened.store.users.delete(name).await?;
    said(&format!("deleted user `{name}`"));
    Ok(())
}

async fn existing(opened: &Opened, name: &str) -> Result<UserRecord, Failure> {
    let found = opened.store.users.by_name(name).await?;
    found.ok_or_else(|| StoreError::Missing(format!("user `{name}`")).into())
}

/// Ends all sessions. No access token lives longer than the longest that a configuration may allow.
async fn log_out(opened: &Opened, id: &str) -> Result<(), Failure> {
    let tokens_expire_at = SystemClock.now().plus(crate::config::LONGEST_ACCESS_TOKEN);
    Ok(opened.store.sessions.end_all_of(id, tokens_expire_at).await?)
}

async fn new_password(name: &str) -> Result<Secret<String>, Failure> {
    let password = input::new_password()?;
    check_new_password(password.expose(), name).map_err(Failure::fault)?;
    let pool = PasswordPool::new(Handle::current(), NonZeroUsize::MIN, 1).map_err(Failure::fault)?;
    pool.hash(password).await.map_err(Failure::fault)
}

/// 128 random bits as hex digits.
pub(super) fn new_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::fault("the machine gives no random bytes"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// A time as people and programs read it (RFC 3339).
pub(super) fn rfc3339(time: Timestamp) -> String {
    humantime::format_rfc3339_seconds(time.to_system()).to_string()
}

/// A user as printed: everything but the password's hash.
#[derive(Debug, Serialize)]
struct UserView {
    id: String,
    name: String,
    roles: Vec<String>,
    attributes: Attributes,
    disabled: bool,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
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
            created_at: rfc3339(user.created_at),
            locked_until: user.login.locked_until.filter(|until| *until > now).map(rfc3339),
        }
    }
}
