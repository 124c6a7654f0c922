//! `haechi diff`: who may pass after a change that could not before, and who no longer may.

mod text;

use super::analysis::{load, solver};
use super::revision::Revision;
use super::{Common, DiffArgs, Failure, Format, output};
use crate::inspect::diff::{RouteChange, ask};
use crate::wire::control_runtime;
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// Which changes are a reason to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Somebody may pass who could not.
    Wider,
    /// Somebody may no longer pass.
    Narrower,
    /// Either.
    Any,
}

/// Compares, as text or JSON.
pub(crate) fn diff(common: &Common, arguments: &DiffArgs) -> Result<(), Failure> {
    let (old, new) =
        (named(&arguments.old, &arguments.new, common), named(&arguments.new, &arguments.old, common));
    let (old, new) = (load(&old)?, load(&new)?);
    let runtime = control_runtime().map_err(Failure::fault)?;
    let told = runtime.block_on(async {
        let mut solver = solver(&arguments.cvc5)?;
        Ok::<_, Failure>(ask(&old, &new, &mut solver).await)
    })?;
    match common.output {
        Format::Json => output::json(&told)?,
        Format::Text => output::line(text::render(&told).trim_end())?,
    }
    let fails = arguments.fail_on.is_some_and(|on| told.routes.iter().any(|route| is_reason(route, on)));
    if fails { Err(Failure::Told) } else { Ok(()) }
}

/// A configuration with the file that `git:REV` stands for: the other one, or that of `-c` where the other is a revision too.
fn named(given: &Path, other: &Path, common: &Common) -> PathBuf {
    let is_revision = |name| Revision::of(name, &common.config).is_some();
    let file = if is_revision(other) { &common.config } else { other };
    Revision::of(given, file).map_or_else(|| given.to_owned(), |revision| revision.name())
}

fn is_reason(route: &RouteChange, on: FailOn) -> bool {
    let (gained, lost) = (route.is_wider(), route.is_narrower());
    !route.undecided.is_empty()
        || match on {
            FailOn::Wider => gained,
            FailOn::Narrower => lost,
            FailOn::Any => gained || lost,
        }
}
