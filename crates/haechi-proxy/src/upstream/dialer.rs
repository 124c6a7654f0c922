//! What making a connection to an endpoint needs from the worker.

use crate::io::Buffers;
use crate::limits::Descriptor;
use crate::metrics::WorkerMetrics;

/// Gives leave to connect, and what the connection is made with.
pub(crate) trait Dialer {
    /// A file descriptor; `None` when all are taken.
    fn descriptor(&self) -> Option<Descriptor>;

    /// The counters.
    fn metrics(&self) -> &WorkerMetrics;

    /// The worker's buffers.
    fn buffers(&self) -> &Buffers;

    /// The most bytes of an answer's head.
    fn response_head(&self) -> usize;
}
