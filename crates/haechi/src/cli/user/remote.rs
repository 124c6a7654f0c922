//! `haechi user` at a running gate.

use super::transfer::{export_from, import_at};
use super::{
    UserCommand, UserView, changed, print, print_all, said_of_attributes, said_of_passkeys, said_of_password,
    said_of_present, said_of_roles, said_of_second_factor, said_of_unlocked, with, without,
};
use crate::cli::output::said;
use crate::cli::remote::Gate;
use crate::cli::{Common, Failure, configuration, input};
use haechi_core::Attributes;
use reqwest::Method;
use serde_json::json;

/// Has it done.
pub(super) async fn user(gate: &Gate, common: &Common, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::List => {
            let users: Vec<UserView> = gate.list(&["users"], &[], usize::MAX).await?;
            print_all(common, &users)
        }
        UserCommand::Show { name } => print(&one(gate, &name).await?, common.output),
        UserCommand::Add { name, if_missing: true, .. }
            if gate.find::<UserView>(&["users", &name]).await?.is_some() =>
        {
            said(&said_of_present(&name));
            Ok(())
        }
        UserCommand::Add { name, roles, attributes, if_missing: _ } => {
            add(gate, common, (name, roles, attributes)).await
        }
        UserCommand::AddRole { name, roles } => change_roles(gate, &name, |known| with(known, roles)).await,
        UserCommand::RemoveRole { name, roles } => {
            change_roles(gate, &name, |known| without(known, &roles)).await
        }
        UserCommand::SetAttr { name, attributes, remove } => {
            let given = typed(common, &attributes)?;
            let user = one(gate, &name).await?;
            let next = changed(user.attributes, given, &remove)?;
            let body = json!({ "attributes": next });
            let user: UserView = gate.edit(&["users", &name, "attributes"], user.revision, &body).await?;
            said(&said_of_attributes(&name, &user.attributes));
            Ok(())
        }
        UserCommand::Unlock { name } => {
            gate.act(Method::POST, &["users", &name, "unlock"], None).await?;
            said(&said_of_unlocked(&name));
            Ok(())
        }
        UserCommand::RemoveSecondFactor { name } => {
            take_away(gate, (&name, "second-factor"), &said_of_second_factor(&name)).await
        }
        UserCommand::RemovePasskeys { name } => {
            take_away(gate, (&name, "passkeys"), &said_of_passkeys(&name)).await
        }
        UserCommand::SetRoles { name, roles, none: _ } => {
            let body = json!({ "roles": roles });
            let user: UserView = gate.change(Method::PUT, &["users", &name, "roles"], &body).await?;
            said(&said_of_roles(&name, &user.roles));
            Ok(())
        }
        UserCommand::SetPassword { name, must_change } => set_password(gate, &name, must_change).await,
        UserCommand::Disable { name } => state(gate, &name, true).await,
        UserCommand::Enable { name } => state(gate, &name, false).await,
        UserCommand::Delete { name } => {
            gate.act(Method::DELETE, &["users", &name], None).await?;
            said(&format!("deleted user `{name}`"));
            Ok(())
        }
        UserCommand::Import(arguments) => import_at(gate, common, &arguments).await,
        UserCommand::Export(arguments) => export_from(gate, &arguments, common.output).await,
    }
}

/// Takes something away from a user, and says so.
async fn take_away(gate: &Gate, (name, what): (&str, &str), done: &str) -> Result<(), Failure> {
    gate.act(Method::DELETE, &["users", name, what], None).await?;
    said(done);
    Ok(())
}

async fn one(gate: &Gate, name: &str) -> Result<UserView, Failure> {
    gate.get(&["users", name], &[]).await
}

type NewUser = (String, Vec<String>, Vec<(String, String)>);

async fn add(gate: &Gate, common: &Common, (name, roles, attributes): NewUser) -> Result<(), Failure> {
    let attributes = typed(common, &attributes)?;
    let password = input::new_password()?;
    let body =
        json!({ "name": name, "roles": roles, "attributes": attributes, "password": password.expose() });
    let user: UserView = gate.change(Method::POST, &["users"], &body).await?;
    said(&super::said_of_added(&user.name, &user.roles));
    Ok(())
}

/// Of which type an attribute is stands in the configuration.
fn typed(common: &Common, attributes: &[(String, String)]) -> Result<Attributes, Failure> {
    match attributes.is_empty() {
        true => Ok(Attributes::default()),
        false => input::attributes(&configuration(&common.config)?, attributes),
    }
}

/// Changes the roles that the user has now; if somebody else changes them meanwhile, nothing is changed.
async fn change_roles(
    gate: &Gate,
    name: &str,
    change: impl FnOnce(Vec<String>) -> Vec<String>,
) -> Result<(), Failure> {
    let user = one(gate, name).await?;
    let body = json!({ "roles": change(user.roles) });
    let user: UserView = gate.edit(&["users", name, "roles"], user.revision, &body).await?;
    said(&said_of_roles(name, &user.roles));
    Ok(())
}

async fn set_password(gate: &Gate, name: &str, must_change: bool) -> Result<(), Failure> {
    one(gate, name).await?;
    let body = json!({ "password": input::new_password()?.expose(), "must_change": must_change });
    gate.act(Method::PUT, &["users", name, "password"], Some(&body)).await?;
    said(&said_of_password(name, must_change));
    Ok(())
}

async fn state(gate: &Gate, name: &str, disabled: bool) -> Result<(), Failure> {
    let body = json!({ "disabled": disabled });
    gate.act(Method::PUT, &["users", name, "state"], Some(&body)).await?;
    said(&format!("{} user `{name}`", if disabled { "disabled" } else { "enabled" }));
    Ok(())
}
