//! `haechi schema`: what may be written.

use super::{Failure, output};
use clap::Subcommand;

/// `haechi schema …`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// The JSON Schema of the configuration, for editors.
    Config,
}

/// Prints a schema.
pub(crate) fn schema(command: SchemaCommand) -> Result<(), Failure> {
    match command {
        SchemaCommand::Config => output::json(&crate::config::json_schema()),
    }
}
