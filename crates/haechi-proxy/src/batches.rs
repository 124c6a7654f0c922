//! What workers tell the control side, in batches: a worker gathers records and sends them together, without ever waiting. The channel is
//! bounded; records that find no room are dropped and counted.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The workers' end of a channel of batches. Every worker has a clone.
pub struct BatchSender<T> {
    batches: Sender<Vec<T>>,
    dropped: Arc<AtomicU64>,
}

/// Makes a channel in which `waiting` batches have room, each of what a worker gathered in one tick.
pub fn batch_channel<T>(waiting: usize) -> (BatchSender<T>, Receiver<Vec<T>>) {
    let (batches, receiver) = channel(waiting);
    (BatchSender { batches, dropped: Arc::default() }, receiver)
}

impl<T> BatchSender<T> {
    /// Records that were dropped so far, of all workers together.
    pub const fn dropped(&self) -> &Arc<AtomicU64> {
        &self.dropped
    }
}

impl<T> Clone for BatchSender<T> {
    fn clone(&self) -> Self {
        Self { batches: self.batches.clone(), dropped: self.dropped.clone() }
    }
}

impl<T> fmt::Debug for BatchSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSender").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// The records of one worker that are not sent yet.
pub(crate) struct Batch<T> {
    sender: BatchSender<T>,
    /// Sent at so many elements, at the latest.
    most: usize,
    elements: RefCell<Vec<T>>,
    records: Cell<u64>,
}

impl<T> Batch<T> {
    pub(crate) fn new(sender: BatchSender<T>, most: usize) -> Self {
        Self { sender, most, elements: RefCell::default(), records: Cell::new(0) }
    }

    /// Adds one record, which `write` puts behind the others: as one element, or as many bytes.
    pub(crate) fn add(&self, write: impl FnOnce(&mut Vec<T>)) {
        let full = {
            let mut elements = self.elements.borrow_mut();
            write(&mut elements);
            elements.len() >= self.most
        };
        self.records.set(self.records.get() + 1);
        if full {
            self.send();
        }
    }

    /// Sends what there is; every tick, and when there is much.
    pub(crate) fn send(&self) {
        let mut elements = self.elements.borrow_mut();
        if elements.is_empty() {
            return;
        }
        // The next batch will be about as large.
        let next = Vec::with_capacity(elements.len() + elements.len() / 4);
        let records = self.records.replace(0);
        if self.sender.batches.try_send(std::mem::replace(&mut *elements, next)).is_err() {
            self.sender.dropped.fetch_add(records, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, batch_channel};
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn records_leave_together_and_in_order() {
        let (sender, mut receiver) = batch_channel::<u8>(2);
        let batch = Batch::new(sender, 4);
        batch.send();
        batch.add(|bytes| bytes.extend(b"a"));
        batch.add(|bytes| bytes.extend(b"b"));
        assert!(receiver.try_recv().is_err(), "nothing leaves before the tick");
        batch.send();
        assert_eq!(receiver.try_recv().unwrap(), b"ab");
        batch.add(|bytes| bytes.extend(b"cdef"));
        assert_eq!(receiver.try_recv().unwrap(), b"cdef", "much does not wait for the tick");
        assert!(receiver.try_recv().is_err(), "and nothing is sent of nothing");
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_by_records() {
        let (sender, mut receiver) = batch_channel::<u8>(1);
        let (one, other) = (Batch::new(sender.clone(), 100), Batch::new(sender.clone(), 100));
        one.add(|bytes| bytes.extend(b"kept"));
        one.send();
        other.add(|bytes| bytes.extend(b"lost"));
        other.add(|bytes| bytes.extend(b"lost as well"));
        other.send();
        assert_eq!(sender.dropped().load(Relaxed), 2);
        assert_eq!(receiver.try_recv().unwrap(), b"kept");
        other.add(|bytes| bytes.extend(b"taken again"));
        other.send();
        assert_eq!(receiver.try_recv().unwrap(), b"taken again");
        drop(receiver);
        other.add(|bytes| bytes.extend(b"nobody there"));
        other.send();
        assert_eq!(sender.dropped().load(Relaxed), 3);
    }
}
