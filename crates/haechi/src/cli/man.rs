//! `haechi man`: manual pages, made of what may be typed.

use super::files::unwritable;
use super::{Failure, forms, output};
use std::path::Path;

/// Writes `haechi.1` and a page for each command into `folder`, or prints the first.
pub(crate) fn man(folder: Option<&Path>) -> Result<(), Failure> {
    let command = forms::commands().disable_help_subcommand(true);
    if let Some(folder) = folder {
        let failed = unwritable(folder);
        std::fs::create_dir_all(folder).map_err(&failed)?;
        return clap_mangen::generate_to(command, folder).map_err(failed);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(Failure::fault)?;
    output::line(String::from_utf8(page).map_err(Failure::fault)?.trim_end())
}
