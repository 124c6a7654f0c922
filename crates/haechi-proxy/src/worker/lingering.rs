//! Lingering close: how many connections and streams of a worker are read on after an error response.

use super::Worker;
use std::rc::Rc;

/// So many linger at once. They hold no memory beyond a read buffer, but what they send is read for nothing: past this number the answer leaves and the connection
/// closes without waiting for the client.
const MOST: usize = 1024;

/// One connection or stream that reads on, until it is dropped.
pub(crate) struct Lingering(Rc<Worker>);

impl Worker {
    /// Counts one more that reads on; `None` when too many do.
    pub(crate) fn linger(self: &Rc<Self>) -> Option<Lingering> {
        let lingering = self.lingering.get();
        if lingering >= MOST {
            return None;
        }
        self.lingering.set(lingering + 1);
        Some(Lingering(self.clone()))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        self.0.lingering.set(self.0.lingering.get().saturating_sub(1));
    }
}
