//! `haechi session`: logins of users, and of people who logged in with a browser elsewhere.

mod remote;

use super::output::{self, counted, said};
use super::remote::{Managed, wait};
use super::store::{Opened, with_store};
use super::{Common, Failure};
use crate::config::LONGEST_ACCESS_TOKEN;
use crate::wire::own_issuer;
use clap::{Args, Subcommand};
use haechi_authn::identity::tokens_expire_at;
use haechi_core::ports::{Session, StoreError, WebSession};
use haechi_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// So many are ended at once, and the gate goes on in between.
const ENDED_AT_ONCE: usize = 1000;

/// `haechi session …`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List the logins that can be refreshed, newest first.
    List {
        /// Only those of this user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// At most so many. More than 1000 are read from the store itself.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
    },
    /// End logins: neither their refresh tokens nor their access tokens work any more, within 5 s on every node.
    End(EndArgs),
}

/// Which logins end.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct EndArgs {
    /// The login's id, as `haechi session list` shows it and as `sid` stands in its tokens.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// All of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// All of everybody.
    #[arg(long)]
    all: bool,
}

impl SessionCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List { .. } => "",
            Self::End(_) => "session.end",
        }
    }
}

/// Does it.
pub(crate) fn session(
    common: &Common,
    Managed { command, gate }: Managed<SessionCommand>,
) -> Result<(), Failure> {
    if matches!(command, SessionCommand::List { limit, .. } if limit > ENDED_AT_ONCE) {
        gate.refuse()?;
    } else if let Some(gate) = gate.connect(common)? {
        return wait(remote::session(&gate, common, command));
    }
    with_store(common, command.action(), async |opened| match command {
        SessionCommand::List { user, limit } => list(&opened, user.as_deref(), limit, common).await,
        SessionCommand::End(EndArgs { id: Some(id), .. }) => one(&opened, &id).await,
        SessionCommand::End(EndArgs { user: Some(user), .. }) => of_user(&opened, &user).await,
        SessionCommand::End(EndArgs { .. }) => all(&opened).await,
    })
}

fn until() -> Timestamp {
    tokens_expire_at(SystemClock.now(), LONGEST_ACCESS_TOKEN)
}

async fn one(opened: &Opened, id: &str) -> Result<(), Failure> {
    not_a_token(id)?;
    let stores = &opened.store;
    // Tokens that name it are refused from now on, whether or not it is known.
    if !stores.web_sessions.end(id).await? && !stores.sessions.end(id, until()).await? {
        return Err(StoreError::Missing(format!("login `{id}`")).into());
    }
    said(&format!("ended the login `{id}`"));
    Ok(())
}

fn not_a_token(id: &str) -> Result<(), Failure> {
    if id.starts_with("hr_") || id.contains('.') {
        return Err(Failure::usage("this is a token, not a login's id; `haechi session list` shows the ids"));
    }
    Ok(())
}

async fn of_user(opened: &Opened, name: &str) -> Result<(), Failure> {
    let id = id_of(opened, name).await?;
    opened.store.sessions.end_all_of(&id, until()).await?;
    let issuer = own_issuer(&opened.config);
    for session in opened.store.web_sessions.list(Some(&id), SystemClock.now(), ENDED_AT_ONCE).await? {
        // Somebody of another issuer may have the same id.
        if *session.issuer == *issuer {
            opened.store.web_sessions.end(&session.id).await?;
        }
    }
    said(&format!("ended all logins of user `{name}`"));
    Ok(())
}

async fn all(opened: &Opened) -> Result<(), Failure> {
    let mut ended = 0;
    loop {
        let page = opened.store.sessions.list(None, SystemClock.now(), ENDED_AT_ONCE).await?;
        for session in &page {
            opened.store.sessions.end(&session.id, until()).await?;
        }
        let others = opened.store.web_sessions.list(None, SystemClock.now(), ENDED_AT_ONCE).await?;
        for session in &others {
            opened.store.web_sessions.end(&session.id).await?;
        }
        ended += page.len() + others.len();
        if page.len() < ENDED_AT_ONCE && others.len() < ENDED_AT_ONCE {
            said(&format!("ended {}", counted(ended, "login")));
            return Ok(());
        }
    }
}

async fn id_of(opened: &Opened, name: &str) -> Result<String, Failure> {
    let user = opened.store.users.by_name(name).await?;
    Ok(user.ok_or_else(|| StoreError::Missing(format!("user `{name}`")))?.id)
}

async fn list(opened: &Opened, user: Option<&str>, limit: usize, common: &Common) -> Result<(), Failure> {
    let id = match user {
        Some(name) => Some(id_of(opened, name).await?),
        None => None,
    };
    let names: BTreeMap<String, String> =
        opened.store.users.list().await?.into_iter().map(|user| (user.id, user.name)).collect();
    let found = opened.store.sessions.list(id.as_deref(), SystemClock.now(), limit).await?;
    let mut views: Vec<SessionView> =
        found.into_iter().map(|session| SessionView::of(session, &names)).collect();
    let others = opened.store.web_sessions.list(id.as_deref(), SystemClock.now(), limit).await?;
    let issuer = own_issuer(&opened.config);
    let others = others.into_iter().filter(|session| id.is_none() || *session.issuer == *issuer);
    views.extend(others.map(SessionView::of_browser));
    // Times of one form are in order where their texts are.
    views.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    views.truncate(limit);
    print(common, &views)
}

fn print(common: &Common, views: &[SessionView]) -> Result<(), Failure> {
    let fields = ["id", "subject", "user", "authenticator", "created_at", "expires_at"];
    output::list(common, views, (&["id", "user", "since", "until"], &fields), |session| {
        vec![
            session.id.clone(),
            session.user.clone().unwrap_or_else(|| session.subject.clone()),
            session.created_at.clone(),
            session.expires_at.clone(),
        ]
    })
}

/// A login as printed.
#[derive(Debug, Serialize)]
struct SessionView {
    id: String,
    /// The user's id.
    subject: String,
    /// The user's name, while there is such a user.
    user: Option<String>,
    /// The authenticator by which people logged in with a browser; nothing for a login of a user.
    authenticator: Option<String>,
    created_at: String,
    expires_at: String,
}

impl SessionView {
    fn of(session: Session, names: &BTreeMap<String, String>) -> Self {
        Self {
            id: session.id,
            user: names.get(&session.user_id).cloned(),
            authenticator: None,
            subject: session.user_id,
            created_at: session.created_at.rfc3339().to_string(),
            expires_at: session.expires_at.rfc3339().to_string(),
        }
    }

    fn of_browser(session: WebSession) -> Self {
        Self {
            id: session.id,
            user: None,
            subject: session.subject,
            authenticator: Some(session.authenticator),
            created_at: session.created_at.rfc3339().to_string(),
            expires_at: session.expires_at.rfc3339().to_string(),
        }
    }
}
