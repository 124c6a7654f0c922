//! The lines of a file, however large it is.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// So much is read at once.
const PIECE: usize = 1 << 20;

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a whole line, or it is empty.
    Whole,
    /// With so many bytes of a line that was not finished.
    Torn(usize),
}

/// Calls `take` with each whole line, without its end, and the byte at which it begins.
///
/// # Errors
/// When the file cannot be read.
pub fn each_line(file: &File, mut take: impl FnMut(u64, &[u8])) -> io::Result<Ending> {
    lines_while(file, |offset, line| {
        take(offset, line);
        ControlFlow::Continue(())
    })
}

/// The same, until `take` breaks off; then the file counts as whole.
///
/// # Errors
/// When the file cannot be read.
pub fn lines_while(file: &File, mut take: impl FnMut(u64, &[u8]) -> ControlFlow<()>) -> io::Result<Ending> {
    let mut file = file;
    let mut piece = vec![0; PIECE];
    let (mut filled, mut offset) = (0, 0);
    loop {
        let count = match file.read(piece.get_mut(filled..).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        filled += count;
        let read = piece.get(..filled).unwrap_or_default();
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', read) {
            if take(offset + begin as u64, read.get(begin..end).unwrap_or_default()).is_break() {
                return Ok(Ending::Whole);
            }
            begin = end + 1;
        }
        piece.copy_within(begin..filled, 0);
        filled -= begin;
        offset += begin as u64;
        if count == 0 {
            return Ok(if filled == 0 { Ending::Whole } else { Ending::Torn(filled) });
        }
        if filled == piece.len() {
            piece.resize(2 * filled, 0);
        }
    }
}
