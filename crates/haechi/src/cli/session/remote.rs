//! `haechi session` at a running gate.

use super::{ENDED_AT_ONCE, EndArgs, SessionCommand, SessionView, not_a_token, print};
use crate::cli::output::{counted, said};
use crate::cli::remote::Gate;
use crate::cli::{Common, Failure};
use reqwest::Method;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A login as the gate tells it: without the user's name.
#[derive(Deserialize)]
struct Told {
    id: String,
    subject: String,
    authenticator: Option<String>,
    created_at: String,
    expires_at: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    name: String,
}

/// Has it done.
pub(super) async fn session(gate: &Gate, common: &Common, command: SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List { user, limit } => list(gate, common, user, limit).await,
        SessionCommand::End(EndArgs { id: Some(id), .. }) => {
            not_a_token(&id)?;
            end(gate, &id).await?;
            said(&format!("ended the login `{id}`"));
            Ok(())
        }
        SessionCommand::End(EndArgs { user: Some(user), .. }) => {
            gate.act(Method::DELETE, &["users", &user, "sessions"], None).await?;
            said(&format!("ended all logins of user `{user}`"));
            Ok(())
        }
        SessionCommand::End(EndArgs { .. }) => all(gate).await,
    }
}

async fn end(gate: &Gate, id: &str) -> Result<(), Failure> {
    gate.act(Method::DELETE, &["sessions", id], None).await
}

async fn newest(gate: &Gate, user: Option<String>, limit: usize) -> Result<Vec<Told>, Failure> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(user.map(|name| ("user", name)));
    #[derive(Deserialize)]
    struct Page {
        items: Vec<Told>,
    }
    let page: Page = gate.get(&["sessions"], &query).await?;
    Ok(page.items)
}

async fn all(gate: &Gate) -> Result<(), Failure> {
    let mut ended = 0;
    loop {
        let page = newest(gate, None, ENDED_AT_ONCE).await?;
        for session in &page {
            end(gate, &session.id).await?;
        }
        ended += page.len();
        if page.len() < ENDED_AT_ONCE {
            said(&format!("ended {}", counted(ended, "login")));
            return Ok(());
        }
    }
}

async fn list(gate: &Gate, common: &Common, user: Option<String>, limit: usize) -> Result<(), Failure> {
    let found = newest(gate, user, limit).await?;
    let users: Vec<User> = gate.list(&["users"], &[], usize::MAX).await?;
    let names: BTreeMap<String, String> = users.into_iter().map(|user| (user.id, user.name)).collect();
    let view = |told: Told| SessionView {
        user: names.get(&told.subject).cloned(),
        id: told.id,
        subject: told.subject,
        authenticator: told.authenticator,
        created_at: told.created_at,
        expires_at: told.expires_at,
    };
    print(common, &found.into_iter().map(view).collect::<Vec<_>>())
}
