//! What `prove` and `diff` share: configurations as they are analysed, and the real path that every example is led along before it is shown.

mod confirm;
mod show;

pub(super) use confirm::ExampleOutcome;
pub(super) use show::{explain_command, lines};

use super::{Failure, configuration};
use crate::config::Config;
use crate::wire::{GivenAnswers, access, rules};
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{Example, RouteAccess, RouteMatcher, Side, Solver};
use haechi_core::{CanonicalPath, Outcome};
use haechi_proxy::{DryRun, Found};
use http::Method;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration with the judge that would serve it.
pub(super) struct Loaded {
    pub(super) file: PathBuf,
    pub(super) config: Config,
    dry: DryRun,
    access: Vec<RouteAccess>,
}

impl Loaded {
    pub(super) fn new(file: &Path) -> Result<Self, Failure> {
        let config = configuration(file)?;
        // What is proved and compared is what the rules say; a decision point could only deny more.
        let answers = GivenAnswers::default();
        answers.give(config.decision_points.keys().map(|name| (name.to_string(), Outcome::Allow)).collect());
        let dry = DryRun::new(Arc::new(rules(&config, &answers).map_err(Failure::fault)?));
        let access = access(&config);
        Ok(Self { file: file.to_owned(), config, dry, access })
    }

    /// As the solver is asked about it; `takes` is [`Self::takes`].
    pub(super) fn side<'a>(&'a self, takes: &'a RouteMatcher<'a>) -> Side<'a> {
        Side { compiled: &self.config.policies, access: &self.access, takes }
    }

    /// Whether the example's authenticator is the first that its route asks.
    fn asks_first(&self, example: &Example) -> bool {
        let index = self.config.policies.vocabulary().index_of(&example.route);
        let access = index.and_then(|index| self.access.get(index.get()));
        let first = access.and_then(|access| access.ways.first());
        first.is_some_and(|way| way.authenticator == example.authenticator)
    }

    /// Whether the router sends this request to this route.
    pub(super) fn takes(&self, route: RouteIndex, method: &Method, host: &str, path: &CanonicalPath) -> bool {
        let allowed = self.dry.plan().route(route).is_some_and(|route| route.allows(path));
        allowed && self.dry.plan().router().find(host, path, method) == Found::Route(route)
    }
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
