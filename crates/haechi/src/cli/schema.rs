//! `haechi schema`: what may be written.

use super::{Common, Failure, Format, configuration, output};
use crate::config::meant::admin_vocabulary;
use clap::Subcommand;
use haechi_authz::Rule;

/// `haechi schema …`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// The JSON Schema of the configuration, for editors.
    Config,
    /// The Cedar schema that the configuration gives: what policies may speak of.
    Cedar {
        /// What the policies of `admin` may speak of.
        #[arg(long)]
        admin: bool,
    },
    /// The OpenAPI 3.1 document of the admin API.
    Openapi,
}

/// Prints a schema.
pub(crate) fn schema(command: SchemaCommand, common: &Common) -> Result<(), Failure> {
    match command {
        SchemaCommand::Config => output::json(&crate::config::json_schema(crate::authenticators::ALL)),
        SchemaCommand::Cedar { admin } => cedar(common, admin),
        SchemaCommand::Openapi => output::json(&haechi_admin::openapi()),
    }
}

fn cedar(common: &Common, admin: bool) -> Result<(), Failure> {
    let config = configuration(&common.config)?;
    let calls =
        || admin_vocabulary(config.roles_of_callers(), config.caller_attributes.clone(), &Rule::any());
    let calls = admin.then(calls);
    let vocabulary = calls.as_ref().unwrap_or_else(|| config.policies.vocabulary());
    match common.output {
        Format::Text => output::line(haechi_authz::schema::text(vocabulary).trim_end()),
        Format::Json => output::json(&haechi_authz::schema::json(vocabulary)),
    }
}
