//! Bytes on their way through `h2`, which keeps them until the other side takes them: counted for as long.

use crate::io::{Buffers, Charge};
use bytes::{Buf, Bytes};
use std::rc::Rc;

/// A piece of a body. It counts in `limits.buffers` until `h2` has written it or given it up.
pub(crate) struct Piece {
    bytes: Bytes,
    _held: Option<Charge>,
    _passing: Option<Rc<()>>,
}

/// The pieces of one stream that `h2` still keeps.
#[derive(Default)]
pub(crate) struct PiecesInTransit(Rc<()>);

impl PiecesInTransit {
    /// Whether `h2` has written all of them.
    pub(crate) fn is_over(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }
}

impl Piece {
    /// A piece that is counted in `buffers`.
    pub(crate) fn new(bytes: Vec<u8>, buffers: &Buffers) -> Self {
        let held = (!bytes.is_empty()).then(|| buffers.charge(bytes.capacity()));
        Self { bytes: bytes.into(), _held: held, _passing: None }
    }

    /// The same piece, as one of a stream that asks whether all have passed.
    pub(crate) fn of(self, stream: &PiecesInTransit) -> Self {
        Self { _passing: Some(stream.0.clone()), ..self }
    }

    /// Nothing, to end a stream with.
    pub(crate) const fn empty() -> Self {
        Self { bytes: Bytes::new(), _held: None, _passing: None }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, PiecesInTransit};
    use crate::io::Buffers;
    use bytes::Buf;

    #[test]
    fn a_piece_counts_until_it_is_gone() {
        let buffers = Buffers::default();
        let mut piece = Piece::new(vec![1, 2, 3], &buffers);
        piece.advance(2);
        assert_eq!((piece.chunk(), buffers.held()), (&[3][..], 3));
        drop((piece, Piece::empty()));
        assert_eq!(buffers.held(), 0);
        let stream = PiecesInTransit::default();
        let piece = Piece::new(vec![1], &buffers).of(&stream);
        assert!(!stream.is_over());
        drop(piece);
        assert!(stream.is_over());
    }
}
