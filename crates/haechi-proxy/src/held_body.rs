//! A request's body that is here as a whole.

use crate::io::Charge;

/// A body that was read whole.
pub(crate) struct WholeBody {
    bytes: Vec<u8>,
    taken: usize,
    /// The bytes count for as long as they are here.
    _charge: Charge,
}

impl WholeBody {
    /// These bytes, which count with `charge`.
    pub(crate) const fn new(bytes: Vec<u8>, charge: Charge) -> Self {
        Self { bytes, taken: 0, _charge: charge }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Takes up to `count` of them to the end of `out`.
    pub(crate) fn take_into(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>, &[u8]),
    ) {
        let end = self.taken.saturating_add(count).min(self.bytes.len());
        let piece = self.bytes.get(self.taken..end).unwrap_or_default();
        encode(out, piece);
        self.taken = end;
    }
}
