//! Recorded decisions, made again by a configuration: what would come out otherwise.

use super::recorded::{Again, RecordedDecision};
use crate::config::Config;
use crate::wire::points::GivenAnswers;
use crate::wire::rules::rules;
use haechi_proxy::DryRun;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What came of all.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ReplayReport {
    pub(crate) decided: u64,
    pub(crate) same: u64,
    /// Of people whose keys were destroyed, or are not here.
    pub(crate) unreadable: u64,
    pub(crate) changes: Vec<ChangeGroup>,
}

/// Decisions that would come out otherwise in the same way.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeGroup {
    pub(crate) route: String,
    pub(crate) method: String,
    pub(crate) was: String,
    pub(crate) would_be: String,
    pub(crate) because: String,
    pub(crate) count: u64,
    pub(crate) example: Example,
}

#[derive(Debug, Serialize)]
pub(crate) struct Example {
    pub(crate) at: String,
    pub(crate) request: String,
    pub(crate) path: String,
    pub(crate) roles: Vec<String>,
}

/// A configuration that decides, and what its decision points are to say.
pub(crate) struct Judge {
    config: Arc<Config>,
    dry: DryRun,
    answers: GivenAnswers,
}

impl Judge {
    /// # Errors
    /// No rules can be made of it.
    pub(crate) fn new(config: Arc<Config>) -> Result<Self, String> {
        let answers = GivenAnswers::default();
        let rules = rules(&config, &answers).map_err(|error| error.to_string())?;
        Ok(Self { dry: DryRun::new(Arc::new(rules)), config, answers })
    }
}

/// What came of those that were decided so far.
#[derive(Default)]
pub(crate) struct Replay {
    report: ReplayReport,
    groups: BTreeMap<[String; 5], ChangeGroup>,
}

impl Replay {
    /// A record of which nobody can read what it was about.
    pub(crate) const fn unreadable(&mut self) {
        self.report.unreadable += 1;
    }

    /// Decides it again.
    pub(crate) async fn decide(&mut self, recorded: &RecordedDecision, judge: &Judge) {
        let again = recorded.decide_again(&judge.config, &judge.dry, &judge.answers).await;
        self.report.decided += 1;
        if again.outcome == recorded.outcome {
            self.report.same += 1;
        } else {
            self.changed(recorded, again);
        }
    }

    fn changed(&mut self, recorded: &RecordedDecision, again: Again) {
        let key = [
            recorded.route.clone(),
            recorded.method.clone(),
            recorded.outcome.clone(),
            again.outcome,
            again.because,
        ];
        let [route, method, was, would_be, because] = key.clone();
        let example = Example {
            at: recorded.at.clone(),
            request: recorded.request.clone(),
            path: recorded.path.clone(),
            roles: recorded.roles.clone(),
        };
        let group = self.groups.entry(key);
        group.or_insert(ChangeGroup { route, method, was, would_be, because, count: 0, example }).count += 1;
    }

    /// What came of all, the most frequent changes first.
    pub(crate) fn finished(mut self) -> ReplayReport {
        let mut changes: Vec<ChangeGroup> = self.groups.into_values().collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.count));
        self.report.changes = changes;
        self.report
    }
}
