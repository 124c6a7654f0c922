//! Decision points for commands that look at rules alone: nobody outside is asked.

use haechi_authz::point::Answering;
use haechi_authz::{DecisionPoint, Facts, Keeps, Unavailable};
use std::sync::Arc;

/// Stands for a decision point that is not asked. It allows nothing.
#[derive(Debug)]
pub(super) struct Unasked(pub(super) Arc<str>);

impl DecisionPoint for Unasked {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn question(&self, _: &Facts<'_>) -> Result<Vec<u8>, Unavailable> {
        Err(Unavailable { name: self.0.clone(), reason: "it is not asked here".to_owned() })
    }

    fn keeps(&self) -> Keeps {
        Keeps::default()
    }

    fn ask(&self, _: Vec<u8>) -> Answering<'_> {
        Box::pin(async {
            Err(Unavailable { name: self.0.clone(), reason: "it is not asked here".to_owned() })
        })
    }
}
