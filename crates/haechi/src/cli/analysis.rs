//! What `prove` and `diff` share: configurations as they are analysed, and the solver.

use super::{Failure, configuration};
use crate::inspect::analysis::Loaded;
use haechi_authz::analysis::Solver;
use std::path::Path;

/// Loads a configuration, to be analysed.
pub(super) fn load(file: &Path) -> Result<Loaded, Failure> {
    Ok(Loaded::new(file, configuration(file)?.into())?)
}

/// Starts the solver, or says where it is to be had.
pub(super) fn solver(program: &Path) -> Result<Solver, Failure> {
    Solver::start(program).map_err(|error| {
        Failure::usage(format!(
            "{error}\n  = help: proofs need the program `cvc5`, which running the gate never does: `apt install cvc5` on Debian and Ubuntu, \
             or https://cvc5.github.io; name it with `--cvc5 FILE` where it is not in `PATH`"
        ))
    })
}
