//! `haechi completions SHELL`.

use super::{Failure, forms, output};
use clap_complete::Shell;

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut forms::commands(), "haechi", &mut script);
    let script = String::from_utf8(script).map_err(Failure::fault)?;
    output::line(script.trim_end())
}
