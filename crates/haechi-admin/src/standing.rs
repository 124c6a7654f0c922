//! Whether whoever made a call may still make it: for answers that go on.

use crate::change::Reader;
use crate::context::{Operators, Shown, Wish};
use std::sync::Arc;

/// What a caller showed, to be judged again.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) operators: Arc<dyn Operators>,
    pub(crate) shown: Shown,
    pub(crate) wish: Wish,
}

/// Looks, for as long as it may.
pub(crate) struct Watching {
    pub(crate) look: Reader,
    pub(crate) standing: Standing,
}

impl Standing {
    /// Whether they still may. Could not be found out is no.
    pub(crate) async fn holds(&self) -> bool {
        self.operators.admit(self.shown.clone(), self.wish).await.is_ok()
    }
}
