//! Flood protection for HTTP/2: counts a client's frames (RFC 9113 4.1) as their bytes pass, and tells when they come too fast (10.5).

use std::time::{Duration, Instant};

/// What a client may send per second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameLimits {
    /// `RST_STREAM`.
    pub(crate) resets: u32,
    /// `SETTINGS`.
    pub(crate) settings: u32,
}

/// Why a connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Streams were opened and reset too fast.
    Resets,
    /// Settings were changed too fast.
    Settings,
    /// Too many frames that carry nothing: `PING`, `PRIORITY`, `WINDOW_UPDATE`, empty ones, unknown ones.
    Control,
}

impl Flood {
    /// The counter's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Settings => "settings",
            Self::Control => "control_frames",
        }
    }
}

/// Reads frame headers, skips payloads, counts per second.
pub(crate) struct Guard {
    limits: FrameLimits,
    /// What is left of the connection preface.
    preface: usize,
    header: [u8; HEADER],
    have: usize,
    /// What is left of the frame's payload.
    payload: usize,
    head: Head,
    second: Instant,
    resets: u32,
    settings: u32,
    control: u32,
    /// The frames of bodies that have come since it was last asked: streams, and how many in a row.
    data: Vec<(u32, usize)>,
    /// Bytes of this connection so far.
    total: u64,
    /// Bytes that we wrote in this second: answers give a client reason to send window updates and pings.
    written: usize,
}

/// Where a field block (RFC 9113 4.3) stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    None,
    /// More frames of it follow.
    Open,
    /// It ends with the payload that is passing.
    Ending,
}

/// `PRI * HTTP/2.0` and what follows it (RFC 9113 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;
/// The bits of a stream's identifier (RFC 9113 4.1).
const STREAM_ID: u32 = 0x7fff_ffff;
/// Frames that carry nothing, per second, from a client that we send nothing.
const CONTROL: u32 = 1000;
/// One more for each so many bytes that we write.
const BYTES_PER_CONTROL: usize = 64;
const SECOND: Duration = Duration::from_secs(1);

impl Guard {
    /// Watches a connection from its preface on.
    pub(crate) fn new(limits: FrameLimits, now: Instant) -> Self {
        Self {
            limits,
            preface: PREFACE.len(),
            header: [0; HEADER],
            have: 0,
            payload: 0,
            head: Head::None,
            second: now,
            resets: 0,
            settings: 0,
            control: 0,
            data: Vec::new(),
            total: 0,
            written: 0,
        }
    }

    /// Whether a field block has begun and not ended.
    pub(crate) fn is_in_head(&self) -> bool {
        self.head != Head::None
    }

    /// Hands out, by stream, how many frames with something of a body have come since the last call. Returns whether there were any.
    pub(crate) fn take_data(&mut self, mut each: impl FnMut(u32, usize)) -> bool {
        let some = !self.data.is_empty();
        self.data.drain(..).for_each(|(stream, count)| each(stream, count));
        some
    }

    /// How many bytes have arrived in all.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// We wrote so many bytes.
    pub(crate) const fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count);
    }

    /// Takes note of bytes that arrived.
    ///
    /// # Errors
    /// [`Flood`] when they pass a limit.
    pub(crate) fn read(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        if now.duration_since(self.second) >= SECOND {
            self.second = now;
            (self.resets, self.settings, self.control, self.written) = (0, 0, 0, 0);
        }
        self.total += bytes.len() as u64;
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.preface + self.payload);
            if self.preface > 0 {
                let skipped = skipped.min(self.preface);
                self.preface -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
            } else if self.payload > 0 {
                self.payload -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                self.passed();
            } else {
                let taken = self.take_header(bytes);
                bytes = bytes.get(taken..).unwrap_or_default();
                if self.have == HEADER {
                    self.have = 0;
                    self.count()?;
                    self.passed();
                }
            }
        }
        Ok(())
    }

    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(HEADER - self.have);
        let room = self.header.iter_mut().skip(self.have);
        room.zip(bytes).take(taken).for_each(|(place, byte)| *place = *byte);
        self.have += taken;
        taken
    }

    /// A payload has passed, or there was none.
    fn passed(&mut self) {
        if self.payload == 0 && self.head == Head::Ending {
            self.head = Head::None;
        }
    }

    /// Counts the frame whose header was read.
    fn count(&mut self) -> Result<(), Flood> {
        const END_STREAM: u8 = 1;
        const END_HEADERS: u8 = 4;
        let [a, b, c, kind, flags, stream @ ..] = self.header;
        self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        match kind {
            // DATA carries something unless it is empty, and then it may still end the stream.
            0 if self.payload > 0 || flags & END_STREAM != 0 => {
                if self.payload > 0 {
                    self.note_data(u32::from_be_bytes(stream) & STREAM_ID);
                }
                Ok(())
            }
            // HEADERS, CONTINUATION. A head is a request, and its continuations are bounded by its size; but an empty one is neither.
            1 | 9 => {
                self.head = if flags & END_HEADERS == 0 { Head::Open } else { Head::Ending };
                if kind == 1 || self.payload > 0 { Ok(()) } else { self.count_control() }
            }
            3 => tally(&mut self.resets, self.limits.resets, Flood::Resets),
            4 => tally(&mut self.settings, self.limits.settings, Flood::Settings),
            _ => self.count_control(),
        }
    }

    fn note_data(&mut self, stream: u32) {
        match self.data.last_mut() {
            Some((last, count)) if *last == stream => *count += 1,
            _ => self.data.push((stream, 1)),
        }
    }

    fn count_control(&mut self) -> Result<(), Flood> {
        let earned = u32::try_from(self.written / BYTES_PER_CONTROL).unwrap_or(u32::MAX);
        tally(&mut self.control, CONTROL.saturating_add(earned), Flood::Control)
    }
}

fn tally(count: &mut u32, limit: u32, flood: Flood) -> Result<(), Flood> {
    *count = count.saturating_add(1);
    if *count > limit { Err(flood) } else { Ok(()) }
}
