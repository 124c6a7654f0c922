//! `haechi key` at a running gate.

use super::{CreateArgs, RotateArgs, StoredKeyCommand, told_created, told_rotated};
use crate::cli::key_import::import_at;
use crate::cli::key_list::remote::{known, list, show};
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
    id: String,
    key: String,
    #[serde(default)]
    previous_works_until: Option<String>,
}

/// Has it done.
pub(super) async fn key(gate: &Gate, common: &Common, command: StoredKeyCommand) -> Result<(), Failure> {
    match command {
        StoredKeyCommand::Create(arguments) => create(gate, common, arguments).await,
        StoredKeyCommand::List(arguments) => list(gate, arguments, common).await,
        StoredKeyCommand::Show { key } => show(gate, &key, common.output).await,
        StoredKeyCommand::Rotate(arguments) => rotate(gate, arguments, common.output).await,
        StoredKeyCommand::Revoke { key } => {
            let id = known(gate, &key).await?.id;
            gate.act(Method::POST, &["keys", &id, "revoke"], None).await?;
            said(&format!("revoked key `{id}`"));
            Ok(())
        }
        StoredKeyCommand::Import(arguments) => import_at(gate, common, &arguments).await,
    }
}

/// No shorter than asked for.
fn seconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

async fn create(gate: &Gate, common: &Common, arguments: CreateArgs) -> Result<(), Failure> {
    let attributes = match arguments.attributes.is_empty() {
        true => Default::default(),
        false => input::attributes(&configuration(&common.config)?, &arguments.attributes)?,
    };
    let mut body = json!({
        "owner": arguments.owner,
        "roles": arguments.roles,
        "scopes": arguments.scopes,
        "attributes": attributes,
        "allowed_addresses": arguments.allowed.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let more: [(&str, Option<Value>); 4] = [
        ("name", arguments.name.map(Value::from)),
        ("expires_in", arguments.expires.map(|span| seconds(span).into())),
        ("rate_limit", arguments.limit.map(|limit| limit.to_string().into())),
        ("quota", arguments.quota.map(|quota| quota.to_string().into())),
    ];
    if let Some(members) = body.as_object_mut() {
        members.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    let made: Secret = gate.change(Method::POST, &["keys"], &body).await?;
    told_created((&made.id, &made.key), &arguments.owner, common.output)
}

async fn rotate(gate: &Gate, arguments: RotateArgs, format: Format) -> Result<(), Failure> {
    let key = known(gate, &arguments.key).await?;
    let body = json!({ "overlap": seconds(arguments.overlap) });
    let made: Secret = gate.change(Method::POST, &["keys", &key.id, "rotate"], &body).await?;
    let until = made.previous_works_until.unwrap_or_default();
    told_rotated((&made.id, &made.key), &until, arguments.overlap, format)
}
