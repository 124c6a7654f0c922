//! `haechi user` at a running gate.

use super::{UserCommand, UserView, print, print_all, said_of_roles};
use crate::cli::output::said;
use crate::cli::remote::Gate;
use crate::cli::{Common, Failure, configuration, input};
use reqwest::Method;
use serde_json::json;

/// Whether a gate can do it.
pub(super) const fn has_call(command: &UserCommand) -> bool {
    matches!(
        command,
        UserCommand::Add { .. }
            | UserCommand::List
            | UserCommand::Show { .. }
            | UserCommand::SetRoles { .. }
            | UserCommand::SetPassword { .. }
            | UserCommand::Disable { .. }
            | UserCommand::Enable { .. }
            | UserCommand::Delete { .. }
    )
}

/// Has it done. Nothing happens for what a gate cannot do.
pub(super) async fn user(gate: &Gate, common: &Common, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::List => {
            let users: Vec<UserView> = gate.list(&["users"], &[], usize::MAX).await?;
            print_all(common, &users)
        }
        UserCommand::Show { name } => print(&one(gate, &name).await?, common.output),
        UserCommand::Add { name, roles, attributes } => add(gate, common, (name, roles, attributes)).await,
        UserCommand::SetRoles { name, roles, none: _ } => {
            let body = json!({ "roles": roles });
            let user: UserView = gate.change(Method::PUT, &["users", &name, "roles"], &body).await?;
            said(&said_of_roles(&name, &user.roles));
            Ok(())
        }
        UserCommand::SetPassword { name } => {
            one(gate, &name).await?;
            let body = json!({ "password": input::new_password()?.expose() });
            gate.act(Method::PUT, &["users", &name, "password"], Some(&body)).await?;
            said(&format!("user `{name}` has a new password"));
            Ok(())
        }
        UserCommand::Disable { name } => state(gate, &name, true).await,
        UserCommand::Enable { name } => state(gate, &name, false).await,
        UserCommand::Delete { name } => {
            gate.act(Method::DELETE, &["users", &name], None).await?;
            said(&format!("deleted user `{name}`"));
            Ok(())
        }
    }
}

async fn one(gate: &Gate, name: &str) -> Result<UserView, Failure> {
    gate.get(&["users", name], &[]).await
}

type NewUser = (String, Vec<String>, Vec<(String, String)>);

async fn add(gate: &Gate, common: &Common, (name, roles, attributes): NewUser) -> Result<(), Failure> {
    // Of which type an attribute is stands in the configuration.
    let attributes = match attributes.is_empty() {
        true => Default::default(),
        false => input::attributes(&configuration(&common.config)?, &attributes)?,
    };
    let password = input::new_password()?;
    let body =
        json!({ "name": name, "roles": roles, "attributes": attributes, "password": password.expose() });
    let user: UserView = gate.change(Method::POST, &["users"], &body).await?;
    said(&super::said_of_added(&user.name, &user.roles));
    Ok(())
}

async fn state(gate: &Gate, name: &str, disabled: bool) -> Result<(), Failure> {
    let body = json!({ "disabled": disabled });
    gate.act(Method::PUT, &["users", name, "state"], Some(&body)).await?;
    said(&format!("{} user `{name}`", if disabled { "disabled" } else { "enabled" }));
    Ok(())
}
