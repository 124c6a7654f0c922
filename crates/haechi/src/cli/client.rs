//! `haechi client`: machine clients in the store.

mod remote;

use super::files::unreadable;
use super::output::{self, said, words};
use super::remote::{Managed, wait};
use super::store::{Opened, with_store};
use super::{Common, Failure, Format, input};
use crate::config::LONGEST_ACCESS_TOKEN;
use clap::{Args, Subcommand};
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::identity::{AccountError, ClientAccounts, ClientError, ClientSpec, ClientWith};
use haechi_core::ports::{ClientLogin, ClientProof, ClientRecord, StoreError};
use haechi_core::{Attributes, Clock, SystemClock};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `haechi client …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Add a client. Its secret is printed once, alone on stdout, and kept nowhere.
    Add(Box<AddArgs>),
    /// List all clients, by name.
    List,
    /// Show one client.
    Show {
        /// The client's id or name.
        client: String,
    },
    /// Give a client a new secret, or other public keys.
    Rotate(RotateArgs),
    /// Delete a client; its access tokens stop working within 5 s, on every node.
    Delete {
        /// The client's id or name.
        client: String,
    },
}

/// `haechi client add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// What people call the client.
    name: String,
    /// A role; may be repeated.
    #[arg(long = "role", value_name = "R")]
    roles: Vec<String>,
    /// A scope that the client may ask for; may be repeated.
    #[arg(long = "scope", value_name = "S")]
    scopes: Vec<String>,
    /// An attribute; may be repeated.
    #[arg(long = "attr", value_name = "K=V", value_parser = input::pair)]
    attributes: Vec<(String, String)>,
    /// A resource that the client may ask for tokens for, besides the gate, and whose tokens it may look into; may be repeated.
    #[arg(long = "audience", value_name = "URI")]
    audiences: Vec<String>,
    /// How long the client's access tokens are valid; as `identity.access_token.lifetime` says where this is left out.
    #[arg(long = "token-lifetime", value_name = "SPAN", value_parser = input::span)]
    lifetime: Option<Duration>,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    login: LoginArgs,
}

/// How people log in to the client with a browser.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Where the client may have people sent to with a code, exactly; may be repeated. Of a loopback address (`http://127.0.0.1/…`) any port is taken.
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where the client may have people sent to after a logout, exactly; may be repeated.
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// The client keeps no secret: an app on a device, a page in a browser.
    #[arg(long, requires = "redirect_uris", conflicts_with_all = ["public_key", "jwks", "roles"])]
    public: bool,
    /// People are asked before the client gets anything; once for each of its scopes.
    #[arg(long, requires = "redirect_uris")]
    consent: bool,
}

/// Where public keys stand, for clients that prove who they are by `private_key_jwt`.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// A file with the client's public key or certificate in PEM: it then has no secret, and signs assertions.
    #[arg(long, value_name = "FILE", conflicts_with = "jwks")]
    public_key: Option<PathBuf>,
    /// A file with the client's public keys as a JWK Set, likewise.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
}

/// `haechi client rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The client's id or name.
    client: String,
    /// For how long the secret that the client has goes on working, such as `24h`; not at all where this is left out.
    #[arg(long, value_name = "SPAN", value_parser = input::span, conflicts_with_all = ["public_key", "jwks"])]
    overlap: Option<Duration>,
    #[command(flatten)]
    keys: KeyArgs,
}

impl ClientCommand {
    /// What the audit trail calls it; nothing where nothing is changed.
    const fn action(&self) -> &'static str {
        match self {
            Self::List | Self::Show { .. } => "",
            Self::Add(_) => "client.add",
            Self::Rotate(_) => "client.rotate",
            Self::Delete { .. } => "client.delete",
        }
    }
}

/// Does it.
pub(crate) fn client(
    common: &Common,
    Managed { command, gate }: Managed<ClientCommand>,
) -> Result<(), Failure> {
    if let Some(gate) = gate.connect(common)? {
        return wait(remote::client(&gate, common, command));
    }
    let format = common.output;
    with_store(common, command.action(), async |opened| match command {
        ClientCommand::Add(arguments) => add(&opened, *arguments, format).await,
        ClientCommand::List => list(&opened, common).await,
        ClientCommand::Show { client } => print(&ClientView::from(known(&opened, &client).await?), format),
        ClientCommand::Rotate(arguments) => rotate(&opened, arguments, format).await,
        ClientCommand::Delete { client } => {
            let client = known(&opened, &client).await?;
            accounts(&opened).delete(&client.id).await?;
            said(&format!("deleted client `{}`", client.name));
            Ok(())
        }
    })
}

fn accounts(opened: &Opened) -> ClientAccounts {
    ClientAccounts {
        clients: opened.store.clients.clone(),
        clock: Arc::new(SystemClock),
        roles: Arc::new(opened.config.roles.clone()),
        declared: Arc::new(DeclaredAttributes::new(opened.config.caller_attributes.clone())),
        longest_lifetime: LONGEST_ACCESS_TOKEN,
    }
}

async fn add(opened: &Opened, arguments: AddArgs, format: Format) -> Result<(), Failure> {
    if opened.config.identity.is_none() {
        let why = "no `identity` is configured, so no client could get a token";
        return Err(Failure::fault(format!("{why}; add `identity: {{ issuer: … }}`")));
    }
    let spec = ClientSpec {
        name: arguments.name,
        roles: arguments.roles,
        scopes: arguments.scopes,
        attributes: input::attributes(&opened.config, &arguments.attributes)?,
        audiences: arguments.audiences,
        token_lifetime: arguments.lifetime,
        public_keys: arguments.keys.read()?,
        public: arguments.login.public,
        login: ClientLogin {
            redirect_uris: arguments.login.redirect_uris,
            post_logout_redirect_uris: arguments.login.post_logout_redirect_uris,
            consent: arguments.login.consent,
            registered: false,
        },
    };
    let added = accounts(opened).add(spec).await?;
    told("added", parts(&added), format)
}

async fn rotate(opened: &Opened, arguments: RotateArgs, format: Format) -> Result<(), Failure> {
    let client = known(opened, &arguments.client).await?;
    let accounts = accounts(opened);
    let rotated = match arguments.keys.read()? {
        Some(keys) => accounts.replace_keys(&client.id, keys).await?,
        None => accounts.rotate(&client.id, arguments.overlap.unwrap_or_default()).await?,
    };
    told("rotated", parts(&rotated), format)
}

/// The secret, alone on stdout, and everything said about it on stderr.
fn told(done: &str, (name, id, secret): Parts<'_>, format: Format) -> Result<(), Failure> {
    match (format, secret) {
        (Format::Json, secret) => {
            output::json(&serde_json::json!({ "client_id": id, "client_secret": secret }))
        }
        (Format::Text, Some(secret)) => {
            output::line(secret)?;
            said(&format!(
                "{done} client `{name}`; its `client_id` is `{id}`, and its secret is shown this once"
            ));
            Ok(())
        }
        (Format::Text, None) => {
            said(&format!("{done} client `{name}`; its `client_id` is `{id}`"));
            Ok(())
        }
    }
}

/// A client's name, its id, and its secret where it has one.
type Parts<'a> = (&'a str, &'a str, Option<&'a str>);

fn parts((client, secret): &ClientWith) -> Parts<'_> {
    (&client.name, &client.id, secret.as_ref().map(|secret| secret.expose().as_str()))
}

impl KeyArgs {
    fn read(&self) -> Result<Option<String>, Failure> {
        let Some(file) = self.public_key.as_deref().or(self.jwks.as_deref()) else { return Ok(None) };
        let text = text_of(file)?;
        let is_json = text.trim_start().starts_with('{');
        if is_json == self.public_key.is_some() {
            let form = if is_json { "a JWK Set: name it by `--jwks`" } else { "no JWK Set" };
            return Err(Failure::usage(format!("`{}` is {form}", file.display())));
        }
        Ok(Some(text))
    }
}

fn text_of(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(unreadable(file))
}

async fn list(opened: &Opened, common: &Common) -> Result<(), Failure> {
    let clients: Vec<ClientView> =
        opened.store.clients.list().await?.into_iter().map(ClientView::from).collect();
    print_all(common, &clients)
}

fn print_all(common: &Common, clients: &[ClientView]) -> Result<(), Failure> {
    output::list(
        common,
        clients,
        (
            &["name", "id", "roles", "scopes", "audiences", "proof", "created"],
            &[
                "client_id",
                "name",
                "roles",
                "scopes",
                "attributes",
                "audiences",
                "proof",
                "redirect_uris",
                "created_at",
            ],
        ),
        |client| {
            vec![
                client.name.clone(),
                client.client_id.clone(),
                words(&client.roles),
                words(&client.scopes),
                words(&client.audiences),
                client.proof.clone(),
                client.created_at.clone(),
            ]
        },
    )
}

fn print(client: &ClientView, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(client),
        Format::Text => {
            let attributes: Vec<String> = client.attributes.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let lifetime = client.token_lifetime.map(|seconds| format!("{seconds}s"));
            let rows = [
                ("name", client.name.clone()),
                ("id", client.client_id.clone()),
                ("roles", words(&client.roles)),
                ("scopes", words(&client.scopes)),
                ("attributes", words(&attributes)),
                ("audiences", words(&client.audiences)),
                ("proof", client.proof.clone()),
                ("redirects", words(&client.redirect_uris)),
                ("after logout", words(&client.post_logout_redirect_uris)),
                ("consent", if client.consent { "asked for" } else { "not asked for" }.to_owned()),
                ("registered", if client.registered { "by itself" } else { "by an operator" }.to_owned()),
                ("token lifetime", lifetime.unwrap_or_else(|| "as configured".into())),
                ("created", client.created_at.clone()),
            ];
            let overlap =
                client.previous_secret_until.clone().map(|until| ("old secret", format!("until {until}")));
            rows.into_iter()
                .chain(overlap)
                .try_for_each(|(head, value)| output::line(&format!("{head:<16}{}", output::shown(&value))))
        }
    }
}

/// The client of this id or name. A secret given in place of it is not repeated.
async fn known(opened: &Opened, named: &str) -> Result<ClientRecord, Failure> {
    not_a_secret(named)?;
    if let Some(client) = opened.store.clients.by_id(named).await? {
        return Ok(client);
    }
    let found = opened.store.clients.list().await?.into_iter().find(|client| client.name == named);
    found.ok_or_else(|| StoreError::Missing(format!("client `{named}`")).into())
}

fn not_a_secret(named: &str) -> Result<(), Failure> {
    if named.starts_with("hcs_") {
        return Err(Failure::usage("this is a client's secret; `haechi client list` shows ids and names"));
    }
    Ok(())
}

/// A client as printed: everything but what tells the secret.
#[derive(Debug, Serialize, Deserialize)]
struct ClientView {
    client_id: String,
    name: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    attributes: Attributes,
    audiences: Vec<String>,
    /// As registrations call it, both ways of sending a secret in one.
    proof: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    #[serde(default)]
    consent: bool,
    /// By itself (RFC 7591).
    #[serde(default)]
    registered: bool,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_lifetime: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<String>,
    created_at: String,
}

impl From<ClientRecord> for ClientView {
    fn from(client: ClientRecord) -> Self {
        let now = SystemClock.now();
        let (proof, previous) = match &client.proof {
            ClientProof::Secret(secrets) => {
                ("client_secret", secrets.previous.map(|(_, until)| until).filter(|until| *until > now))
            }
            ClientProof::Keys(_) => ("private_key_jwt", None),
            ClientProof::Public => ("none", None),
        };
        Self {
            client_id: client.id,
            name: client.name,
            roles: client.roles,
            scopes: client.scopes,
            attributes: client.attributes,
            audiences: client.audiences,
            proof: proof.to_owned(),
            redirect_uris: client.login.redirect_uris,
            post_logout_redirect_uris: client.login.post_logout_redirect_uris,
            consent: client.login.consent,
            registered: client.login.registered,
            token_lifetime: client.token_lifetime.map(|span| span.as_secs()),
            previous_secret_until: previous.map(|until| until.rfc3339().to_string()),
            created_at: client.created_at.rfc3339().to_string(),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Account(error) => AccountError::into(error),
            ClientError::Audience(_)
            | ClientError::Lifetime(_)
            | ClientError::NoSecret(_)
            | ClientError::RedirectUri(_)
            | ClientError::Public => Self::usage(error),
            ClientError::Store(_) | ClientError::Randomness(_) | ClientError::Keys(_) => Self::fault(error),
        }
    }
}
