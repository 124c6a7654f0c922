//! What only the control side of a trail has.

use crate::chain::Chain;
use crate::file::AuditFile;
use crate::follow::Follow;
use crate::name::FileName;
use std::sync::Arc;
use std::time::Instant;

/// What only the control side has.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) chain: Chain,
    /// The file of its last line.
    pub(crate) last: Arc<FileName>,
    /// How far the file that is written to was read along.
    pub(crate) follow: Follow,
    /// Files that were rolled, until nobody writes to them any more, with how far they were read.
    pub(crate) closing: Vec<(Arc<AuditFile>, Follow)>,
    pub(crate) checkpoint_at: Instant,
    /// The checkpoint could not be sent elsewhere; said once.
    pub(crate) elsewhere_fails: bool,
}

impl Control {
    pub(crate) fn new(chain: Chain, last: Arc<FileName>, follow: Follow, checkpoint_at: Instant) -> Self {
        Self { chain, last, follow, closing: Vec::new(), checkpoint_at, elsewhere_fails: false }
    }
}
