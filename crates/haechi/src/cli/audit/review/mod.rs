//! `haechi review`: who may do what, who did, and what nobody needed (docs/audit.md).

mod page;

use super::subjects::keys;
use super::{configured, files};
use crate::cli::diff::diff;
use crate::cli::files::{unreadable, unwritable};
use crate::cli::output::{self, said};
use crate::cli::store::with_store;
use crate::cli::{Common, DiffArgs, Failure, Form};
use crate::evidence::review::{Review, Reviewed, Smaller};
use crate::wire::{control_runtime, own_issuer};
use clap::Args;
use std::path::PathBuf;

/// `haechi review`.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// Access that nobody used for so many days is unused.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Write the configuration without the roles that nobody used into this file, and show with `haechi diff` that nothing else changes. Needs the program cvc5.
    #[arg(long, value_name = "FILE")]
    smaller: Option<PathBuf>,
    /// The solver's program.
    #[arg(long, value_name = "FILE", default_value = "cvc5")]
    cvc5: PathBuf,
    /// The trail's files; those of the configuration where none is named.
    #[arg(value_name = "FILES")]
    files: Vec<PathBuf>,
}

pub(crate) fn review(common: &Common, arguments: &ReviewArgs) -> Result<(), Failure> {
    let (config, _) = configured(common)?;
    let reviewed = Reviewed::of(&files(common, &arguments.files)?, arguments.days, None)?;
    let (subjects, issuer) = (keys(common).ok(), own_issuer(&config));
    let people = (subjects.as_ref(), &*issuer);
    let review = match config.store {
        Some(_) => {
            let mut made = None;
            with_store(common, "", async |opened| {
                made = Some(
                    reviewed.review(&config, Some(&opened.store), people).await.map_err(Failure::fault)?,
                );
                Ok(())
            })?;
            made.ok_or_else(|| Failure::fault("the store was not asked"))?
        }
        None => control_runtime()
            .map_err(Failure::fault)?
            .block_on(reviewed.review(&config, None, people))
            .map_err(Failure::fault)?,
    };
    match common.form {
        Form::Json => output::json(&review)?,
        Form::Csv => output::line(page::csv(&review).trim_end())?,
        Form::Html => output::line(page::html(&review).trim_end())?,
        _ => output::line(page::text(&review).trim_end())?,
    }
    if review.is_early() {
        said("the trail begins later than that: what was used before it is not known");
    }
    match &arguments.smaller {
        Some(path) => write_smaller(common, arguments, &review, path.clone()),
        None => Ok(()),
    }
}

/// Takes the roles that nobody used from the routes that somebody used by another role, and shows what that changes.
fn write_smaller(
    common: &Common,
    arguments: &ReviewArgs,
    review: &Review,
    path: PathBuf,
) -> Result<(), Failure> {
    let text = std::fs::read_to_string(&common.config).map_err(unreadable(&common.config))?;
    let Some(Smaller { config: text, left, .. }) = review.smaller(&text) else {
        said("no route names a role that nobody used beside one that somebody did");
        return Ok(());
    };
    std::fs::write(&path, text).map_err(unwritable(&path))?;
    for route in left {
        said(&format!(
            "the route `{route}` stands in another file, or gets its roles elsewhere: change it by hand"
        ));
    }
    said(&format!("wrote `{}`; what it changes:", path.display()));
    let arguments =
        DiffArgs { old: common.config.clone(), new: path, fail_on: None, cvc5: arguments.cvc5.clone() };
    diff(common, &arguments)
}
