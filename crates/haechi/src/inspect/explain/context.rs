//! The gate that would serve a request.

use crate::config::Config;
use crate::wire::assembly::Assembly;
use crate::wire::points::GivenAnswers;
use haechi_core::{Clock, SystemClock, Timestamp};
use haechi_proxy::{DryRun, Plan};

/// What an explanation needs: a configuration, and what judges by it.
#[derive(Clone, Copy)]
pub(crate) struct ExplainContext<'a> {
    pub(crate) config: &'a Config,
    pub(crate) dry: &'a DryRun,
    /// Store, keys and authenticators, where credentials are to be checked.
    pub(crate) assembly: Option<&'a Assembly>,
    /// Where the answers of decision points are given; they are asked without it.
    pub(crate) answers: Option<&'a GivenAnswers>,
}

impl ExplainContext<'_> {
    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        self.assembly.map_or_else(|| SystemClock.now(), |assembly| assembly.process.clock.now())
    }

    /// The plan that the workers would run.
    pub(super) fn plan(&self) -> &Plan {
        self.dry.plan()
    }
}
