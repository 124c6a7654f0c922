//! `haechi client` at a running gate.

use super::{AddArgs, ClientCommand, ClientView, RotateArgs, not_a_secret, print, print_all, told};
use crate::cli::output::said;
use crate::cli::remote::Gate;
use crate::cli::{Common, Failure, Format, configuration, input};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// What a gate shows once.
#[derive(Deserialize)]
struct Secret {
    client_id: String,
    client_secret: Option<String>,
}

/// Has it done.
pub(super) async fn client(gate: &Gate, common: &Common, command: ClientCommand) -> Result<(), Failure> {
    let format = common.output;
    match command {
        ClientCommand::Add(arguments) => add(gate, common, *arguments).await,
        ClientCommand::List => {
            let clients: Vec<ClientView> = gate.list(&["clients"], &[], usize::MAX).await?;
            print_all(common, &clients)
        }
        ClientCommand::Show { client } => print(&known(gate, &client).await?, format),
        ClientCommand::Rotate(arguments) => rotate(gate, arguments, format).await,
        ClientCommand::Delete { client } => {
            let client = known(gate, &client).await?;
            gate.act(Method::DELETE, &["clients", &client.client_id], None).await?;
            said(&format!("deleted client `{}`", client.name));
            Ok(())
        }
    }
}

/// No shorter than asked for.
fn seconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

async fn add(gate: &Gate, common: &Common, arguments: AddArgs) -> Result<(), Failure> {
    let attributes = match arguments.attributes.is_empty() {
        true => Default::default(),
        false => input::attributes(&configuration(&common.config)?, &arguments.attributes)?,
    };
    let mut body = json!({
        "name": arguments.name,
        "roles": arguments.roles,
        "scopes": arguments.scopes,
        "attributes": attributes,
        "audiences": arguments.audiences,
    });
    put(&mut body, "token_lifetime", arguments.lifetime.map(|span| seconds(span).into()));
    put(&mut body, "public_keys", arguments.keys.read()?.map(Value::from));
    let login = arguments.login;
    let uris = |uris: Vec<String>| (!uris.is_empty()).then(|| json!(uris));
    put(&mut body, "redirect_uris", uris(login.redirect_uris));
    put(&mut body, "post_logout_redirect_uris", uris(login.post_logout_redirect_uris));
    put(&mut body, "public", login.public.then(|| true.into()));
    put(&mut body, "consent", login.consent.then(|| true.into()));
    let made: Secret = gate.change(Method::POST, &["clients"], &body).await?;
    told("added", (&arguments.name, &made.client_id, made.client_secret.as_deref()), common.output)
}

fn put(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(members), Some(value)) = (body.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
}

async fn rotate(gate: &Gate, arguments: RotateArgs, format: Format) -> Result<(), Failure> {
    let client = known(gate, &arguments.client).await?;
    let mut body = json!({});
    put(&mut body, "public_keys", arguments.keys.read()?.map(Value::from));
    put(&mut body, "overlap", arguments.overlap.map(|span| seconds(span).into()));
    let made: Secret = gate.change(Method::POST, &["clients", &client.client_id, "rotate"], &body).await?;
    told("rotated", (&client.name, &made.client_id, made.client_secret.as_deref()), format)
}

/// The client of this id or name.
async fn known(gate: &Gate, named: &str) -> Result<ClientView, Failure> {
    not_a_secret(named)?;
    if !named.is_empty()
        && let Some(client) = gate.find(&["clients", named]).await?
    {
        return Ok(client);
    }
    let all: Vec<ClientView> = gate.list(&["clients"], &[], usize::MAX).await?;
    let found = all.into_iter().find(|client| client.name == named);
    found.ok_or_else(|| Failure::fault(format!("there is no client `{named}`")))
}
