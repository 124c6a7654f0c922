//! Lines on their way to the thread that waits for the disk.

use crate::failing::Failing;
use crate::file::AuditFile;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Lines that a writer wants to have written, and whom to tell.
pub(crate) struct Job {
    pub(crate) file: Arc<AuditFile>,
    pub(crate) lines: Vec<u8>,
    pub(crate) done: oneshot::Sender<Result<Vec<u8>, NotKept>>,
}

/// Why lines are not safe.
#[derive(Clone, Debug)]
pub(crate) struct NotKept {
    pub(crate) why: Failing,
    /// Whether they stand in the file all the same: the disk may not keep them, but the chain goes on behind them.
    pub(crate) in_file: bool,
}

/// The way to the thread, which starts when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct JobQueue(pub(crate) Mutex<Option<Sender<Job>>>);
