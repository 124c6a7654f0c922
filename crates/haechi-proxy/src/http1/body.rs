//! Reading message bodies (RFC 9112 6 and 7), the same way in both directions.

use super::chunk_extension;
use crate::io::Reader;
use crate::outcome::{Broken, LostAccess};
use haechi_core::{FieldName, Fields};
use std::io;
use std::task::{Context, Poll, ready};

/// How a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection; answers only.
    UntilClose,
}

impl Framing {
    /// The length of the body in bytes, where it is known beforehand.
    pub(crate) const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => Some(length),
            Self::Chunked | Self::UntilClose => None,
        }
    }
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The stream ended first.
    #[error("the connection closed before the end of the body")]
    Truncated,
    /// A chunk that two readers could read differently.
    #[error("the chunked coding is malformed")]
    Chunk,
    /// More bytes than the limit.
    #[error("the body is over the limit")]
    TooLarge,
    /// Nothing arrived for too long.
    #[error("the body stalled")]
    Stalled,
    /// Whoever receives it may no longer have the rest, and why.
    #[error("{}", .0.why)]
    AccessLost(LostAccess),
}

impl BodyError {
    /// For the record of an answer that broke off with this.
    pub(crate) const fn of_answer(&self) -> Broken {
        match self {
            Self::AccessLost(lost) => Broken::not_allowed(lost.why),
            _ => Broken::by_backend("the backend's answer broke off"),
        }
    }
}

/// Decodes one body from a [`Reader`].
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    /// Decoded bytes that may still come before the limit is passed.
    allowance: u64,
    /// The trailer fields, where they are kept and there are any.
    kept: Option<Box<Fields>>,
    keeps: bool,
    /// Bytes of chunk extensions beyond what their chunks account for.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers { bytes: usize },
    UntilClose,
    Done,
}

/// A chunk-size line, its line end included.
const MAX_SIZE_LINE: usize = 1024;
/// Digits of a chunk's size.
const MAX_SIZE_DIGITS: usize = 15;
/// Bytes of extensions that one chunk may have without looking at its data.
const FREE_EXTENSION: usize = 16;
/// Bytes of extensions that may come beyond the bytes of data.
const MAX_EXTENSIONS: usize = 16 * 1024;
const MAX_TRAILERS: usize = 8 * 1024;

impl Decoder {
    /// Decodes a body that ends as `framing` says and has at most `limit` bytes.
    pub(crate) const fn new(framing: Framing, limit: u64) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, allowance: limit, kept: None, keeps: false, extensions: 0 }
    }

    /// Decodes the body of an answer, of any length, whose trailer fields are kept.
    pub(crate) fn of_answer(framing: Framing) -> Self {
        Self { keeps: true, ..Self::new(framing, u64::MAX) }
    }

    /// The trailer fields, once the body was read to its end.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        self.kept.as_deref().filter(|_| self.is_done())
    }

    /// How many bytes of the body are still to come; `None` where its end is not known beforehand.
    pub(crate) const fn left(&self) -> Option<u64> {
        match self.state {
            State::Done => Some(0),
            State::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Whether the body was read to its end.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many decoded bytes stand at the front of `reader`; 0 when the body has ended.
    pub(crate) fn poll_ready(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut Reader,
    ) -> Poll<Result<usize, BodyError>> {
        loop {
            let step = match self.state {
                State::Done => return Poll::Ready(Ok(0)),
                State::Length(left) | State::ChunkData(left) => self.data(reader, left)?,
                State::UntilClose => self.data(reader, u64::MAX)?,
                State::ChunkSize => self.chunk_size(reader)?,
                State::ChunkEnd => self.chunk_end(reader)?,
                State::Trailers { bytes } => self.trailer(reader, bytes)?,
            };
            match step {
                Step::Data(count) => return Poll::Ready(Ok(count)),
                Step::Again => {}
                Step::More => {
                    if ready!(reader.poll_more(cx))? == 0 {
                        if self.state == State::UntilClose {
                            self.state = State::Done;
                        } else {
                            return Poll::Ready(Err(BodyError::Truncated));
                        }
                    }
                }
            }
        }
    }

    /// Takes `count` of the bytes that [`Decoder::poll_ready`] told of.
    pub(crate) fn consume(&mut self, reader: &mut Reader, count: usize) {
        reader.consume(count);
        let taken = count as u64;
        self.allowance = self.allowance.saturating_sub(taken);
        self.state = match self.state {
            State::Length(left) if left <= taken => State::Done,
            State::Length(left) => State::Length(left - taken),
            State::ChunkData(left) if left <= taken => State::ChunkEnd,
            State::ChunkData(left) => State::ChunkData(left - taken),
            other => other,
        };
    }

    fn data(&self, reader: &Reader, left: u64) -> Result<Step, BodyError> {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(reader.unread().len());
        if here == 0 {
            return Ok(Step::More);
        }
        if here as u64 > self.allowance { Err(BodyError::TooLarge) } else { Ok(Step::Data(here)) }
    }

    /// `chunk-size [ chunk-ext ] CRLF` (RFC 9112 7.1). Extensions are read by their grammar and dropped: nobody behind us sees them. A line is bounded, and so is
    /// what lines have more than their chunks.
    fn chunk_size(&mut self, reader: &mut Reader) -> Result<Step, BodyError> {
        let unread = reader.unread();
        let window = unread.get(..MAX_SIZE_LINE.min(unread.len())).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', window) else {
            return if window.len() == MAX_SIZE_LINE { Err(BodyError::Chunk) } else { Ok(Step::More) };
        };
        let Some([line @ .., b'\r']) = window.get(..end) else { return Err(BodyError::Chunk) };
        let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
        let (digits, extensions) = line.split_at(digits);
        if digits.is_empty() || digits.len() > MAX_SIZE_DIGITS || !chunk_extension::is_well_formed(extensions)
        {
            return Err(BodyError::Chunk);
        }
        let size = hex(digits).ok_or(BodyError::Chunk)?;
        if size > self.allowance {
            return Err(BodyError::TooLarge);
        }
        let earned = (size.min(1 << 20) as usize).saturating_add(FREE_EXTENSION);
        self.extensions = (self.extensions + extensions.len()).saturating_sub(earned);
        if self.extensions > MAX_EXTENSIONS {
            return Err(BodyError::Chunk);
        }
        reader.consume(end + 1);
        self.state = if size == 0 { State::Trailers { bytes: 0 } } else { State::ChunkData(size) };
        Ok(Step::Again)
    }

    fn chunk_end(&mut self, reader: &mut Reader) -> Result<Step, BodyError> {
        match reader.unread() {
            [b'\r', b'\n', ..] => {
                reader.consume(2);
                self.state = State::ChunkSize;
                Ok(Step::Again)
            }
            [] | [b'\r'] => Ok(Step::More),
            _ => Err(BodyError::Chunk),
        }
    }

    /// Trailers are checked for shape. Those of a client are dropped: none reaches a backend.
    fn trailer(&mut self, reader: &mut Reader, bytes: usize) -> Result<Step, BodyError> {
        let unread = reader.unread();
        let Some(end) = memchr::memchr(b'\n', unread) else {
            return if bytes + unread.len() > MAX_TRAILERS || reader.is_full() {
                Err(BodyError::Chunk)
            } else {
                Ok(Step::More)
            };
        };
        let line = match unread.get(..end) {
            Some([line @ .., b'\r']) => line,
            _ => return Err(BodyError::Chunk),
        };
        if !line.is_empty() && (!super::head::is_field_line(line) || (!self.keeps && frames(line))) {
            return Err(BodyError::Chunk);
        }
        if self.keeps
            && let Some(colon) = memchr::memchr(b':', line)
        {
            let (name, value) = line.split_at(colon);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            self.kept.get_or_insert_default().push(name, value);
        }
        self.state = if line.is_empty() { State::Done } else { State::Trailers { bytes: bytes + end + 1 } };
        reader.consume(end + 1);
        if bytes > MAX_TRAILERS { Err(BodyError::Chunk) } else { Ok(Step::Again) }
    }
}

/// Whether a client's trailer field speaks of framing, of the connection or of the host (RFC 9110 6.5.1 forbids it): some readers obey it there.
fn frames(line: &[u8]) -> bool {
    let name = line.split(|&b| b == b':').next().unwrap_or_default();
    let known = FieldName::of(&name.to_ascii_lowercase());
    known.is_hop_by_hop()
        || matches!(
            known,
            FieldName::Host | FieldName::ContentLength | FieldName::Expect | FieldName::Misspelled
        )
}

enum Step {
    /// So many decoded bytes are here.
    Data(usize),
    /// The state moved on.
    Again,
    /// More bytes are needed.
    More,
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |size, &digit| {
        let value = char::from(digit).to_digit(16)?;
        size.checked_mul(16)?.checked_add(u64::from(value))
    })
}

/// Appends `data` as one chunk.
pub(crate) fn encode_chunk(out: &mut Vec<u8>, data: &[u8]) {
    let digits = data.len().checked_ilog2().unwrap_or(0) / 4;
    for place in (0..=digits).rev() {
        let nibble = (data.len() >> (4 * place)) & 0xf;
        out.push(char::from_digit(nibble as u32, 16).unwrap_or('0') as u8);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// What ends a chunked body without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::encode_chunk;

    #[test]
    fn chunk_sizes_are_written_in_hex() {
        for (length, prefix) in
            [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (255, "ff\r\n"), (4096, "1000\r\n")]
        {
            let mut out = Vec::new();
            encode_chunk(&mut out, &vec![b'x'; length]);
            assert!(out.starts_with(prefix.as_bytes()), "{length}");
            assert_eq!(out.len(), prefix.len() + length + 2);
        }
    }
}
