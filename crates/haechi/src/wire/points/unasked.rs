//! Decision points for commands that look at rules alone: nobody outside is asked, and answers may be given.

use haechi_authz::point::Answering;
use haechi_authz::{AnswerLifetimes, DecisionPoint, Facts, Unavailable};
use haechi_core::Outcome;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The answers that decision points are supposed to give, by name. Without one, a decision point allows nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenAnswers(Arc<Mutex<BTreeMap<String, Outcome>>>);

impl GivenAnswers {
    /// From now on these.
    pub(crate) fn give(&self, answers: BTreeMap<String, Outcome>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }

    fn of(&self, name: &str) -> Option<Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// Stands for a decision point that is not asked.
#[derive(Debug)]
pub(super) struct UnaskedPoint {
    pub(super) name: Arc<str>,
    pub(super) answers: GivenAnswers,
}

impl DecisionPoint for UnaskedPoint {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn question(&self, _: &Facts<'_>) -> Result<Vec<u8>, Unavailable> {
        Ok(Vec::new())
    }

    /// Not at all: the next request may be given another.
    fn keeps(&self) -> AnswerLifetimes {
        AnswerLifetimes::default()
    }

    fn ask(&self, _: Vec<u8>) -> Answering<'_> {
        let name = &self.name;
        let unavailable = |reason: String| Err(Unavailable { name: name.clone(), reason });
        let answer = match self.answers.of(name) {
            Some(Outcome::Allow) => Ok(true.into()),
            Some(Outcome::Deny) => Ok(false.into()),
            Some(Outcome::Unavailable) => unavailable("it is supposed not to answer".to_owned()),
            None => unavailable(format!(
                "nothing says what it answers: add `decision_points: {{ {name}: allow }}`"
            )),
        };
        Box::pin(std::future::ready(answer))
    }
}
