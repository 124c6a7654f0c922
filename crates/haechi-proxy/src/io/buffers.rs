//! Buffer pool of a worker: buffers are lent while there are bytes in them, and counted while they are lent.
//!
//! What slow clients make the gate hold is bounded by a share of `limits.buffers`. The share is a worker's own, so counting is an addition, and no
//! other thread is asked. As it fills up the worker grows frugal in three steps: it reads and writes in smaller pieces, which serves as many
//! clients with less; then it closes those that have stood still for longest; and only what is over the whole share is answered 503.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How much one read takes at most, in bytes; also the most that stays unread.
pub(crate) const BUFFER: usize = 16 * 1024;
/// The same when memory is scarce.
const SMALL: usize = 4 * 1024;
/// So much of an answer is gathered before it is written.
const GATHER: usize = 32 * 1024;
const SPARE_BUFFERS: usize = 64;
const SPARE_OUTS: usize = 16;

/// A worker's buffers.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Rc<BufferPool>);

#[derive(Default)]
struct BufferPool {
    spare: RefCell<Vec<Vec<u8>>>,
    spare_outs: RefCell<Vec<Vec<u8>>>,
    held: Cell<usize>,
    share: Cell<usize>,
}

/// Bytes that are held elsewhere than in a lent buffer, until it is dropped.
pub(crate) struct Charge {
    buffers: Buffers,
    bytes: usize,
}

impl Buffers {
    /// Sets the worker's share, in bytes.
    pub(crate) fn set_share(&self, bytes: usize) {
        self.0.share.set(bytes);
    }

    /// Bytes that connections hold.
    pub(crate) fn held(&self) -> usize {
        self.0.held.get()
    }

    /// More than half of the share is held: pieces become smaller.
    pub(crate) fn are_scarce(&self) -> bool {
        self.held() > self.0.share.get() / 2
    }

    /// More than three quarters are held: those that stand still are closed.
    pub(crate) fn are_short(&self) -> bool {
        self.held() > self.0.share.get() / 4 * 3
    }

    /// The whole share is held: nobody else is let in.
    pub(crate) fn are_used_up(&self) -> bool {
        self.held() > self.0.share.get()
    }

    /// A quarter more than the share is held: not even an answer that says so has room.
    pub(crate) fn are_exhausted(&self) -> bool {
        self.held() > self.0.share.get() / 4 * 5
    }

    /// How much of a message is gathered before it is written, in bytes.
    pub(crate) fn gather(&self) -> usize {
        if self.are_scarce() { SMALL } else { GATHER }
    }

    /// A buffer to read into.
    pub(crate) fn lend(&self) -> Vec<u8> {
        if self.are_scarce() { self.counted(vec![0; SMALL]) } else { self.lend_whole() }
    }

    /// A buffer of [`BUFFER`] bytes, for what is known not to fit into less.
    pub(crate) fn lend_whole(&self) -> Vec<u8> {
        let spare = self.0.spare.borrow_mut().pop();
        self.counted(spare.unwrap_or_else(|| vec![0; BUFFER]))
    }

    /// A buffer of `size` bytes, for what is known to need more than [`BUFFER`].
    pub(crate) fn lend_sized(&self, size: usize) -> Vec<u8> {
        self.counted(vec![0; size])
    }

    /// A buffer that holds `bytes` and nothing else.
    pub(crate) fn lend_exact(&self, bytes: &[u8]) -> Vec<u8> {
        self.counted(bytes.to_vec())
    }

    fn counted(&self, buffer: Vec<u8>) -> Vec<u8> {
        self.add(buffer.len());
        buffer
    }

    /// Takes back what was lent.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        self.remove(buffer.len());
        let mut spare = self.0.spare.borrow_mut();
        if buffer.len() == BUFFER && spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }

    /// An empty vector to write an answer into. It is counted only where it has to wait.
    pub(crate) fn lend_out(&self) -> Vec<u8> {
        let spare = if self.are_scarce() { None } else { self.0.spare_outs.borrow_mut().pop() };
        spare.unwrap_or_default()
    }

    /// Takes it back.
    pub(crate) fn give_back_out(&self, mut out: Vec<u8>) {
        let mut spare = self.0.spare_outs.borrow_mut();
        if out.capacity() <= 2 * GATHER && spare.len() < SPARE_OUTS {
            out.clear();
            spare.push(out);
        }
    }

    /// Counts `bytes` that a connection holds.
    pub(crate) fn charge(&self, bytes: usize) -> Charge {
        self.add(bytes);
        Charge { buffers: self.clone(), bytes }
    }

    fn add(&self, bytes: usize) {
        self.0.held.set(self.held() + bytes);
    }

    fn remove(&self, bytes: usize) {
        self.0.held.set(self.held().saturating_sub(bytes));
    }
}

impl Charge {
    /// Counts so many in place of what was counted.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.buffers.remove(std::mem::replace(&mut self.bytes, bytes));
        self.buffers.add(bytes);
    }

    /// Counts so many less.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.set(self.bytes.saturating_sub(bytes));
    }

    /// Counts so many, where it was more.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if bytes < self.bytes {
            self.set(bytes);
        }
    }

    /// Counts so many more.
    pub(crate) fn grow(&mut self, bytes: usize) {
        self.buffers.add(bytes);
        self.bytes += bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.buffers.remove(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{BUFFER, Buffers, SMALL};

    #[test]
    fn what_is_lent_is_counted_until_it_comes_back() {
        let buffers = Buffers::default();
        buffers.set_share(8 * BUFFER);
        let (whole, exact) = (buffers.lend(), buffers.lend_exact(b"some"));
        let mut charge = buffers.charge(100);
        charge.set(300);
        charge.shrink(200);
        assert_eq!(buffers.held(), BUFFER + 4 + 100);
        buffers.give_back(whole);
        buffers.give_back(exact);
        drop(charge);
        assert_eq!(buffers.held(), 0);
    }

    #[test]
    fn pieces_become_smaller_before_anybody_is_closed_or_turned_away() {
        let buffers = Buffers::default();
        buffers.set_share(8 * BUFFER);
        let mut lent: Vec<_> = (0..5).map(|_| buffers.lend()).collect();
        assert!(buffers.are_scarce() && !buffers.are_short());
        lent.push(buffers.lend());
        assert_eq!(lent.last().unwrap().len(), SMALL);
        let more = buffers.charge(2 * BUFFER);
        assert!(buffers.are_short() && !buffers.are_used_up());
        let most = buffers.charge(BUFFER);
        assert!(buffers.are_used_up() && !buffers.are_exhausted());
        let far_more = buffers.charge(2 * BUFFER);
        assert!(buffers.are_exhausted());
        drop(far_more);
        drop((more, most));
        lent.into_iter().for_each(|buffer| buffers.give_back(buffer));
        assert!(!buffers.are_scarce());
    }
}
