//! Where frames begin and end (RFC 6455 5.2), without looking into them.

/// Follows one direction of a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    sender: Sender,
    /// Whether an extension was agreed on, which may give the reserved bits a meaning.
    extended: bool,
    /// What is left of the payload of the frame in progress.
    payload: u64,
    /// Whether a message has begun whose last fragment has not come.
    in_message: bool,
    /// Whether the frame in progress, or the last one, is a Close.
    closing: bool,
}

/// Who sends these frames: a client masks them, a server does not (RFC 6455 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// A header that breaks the protocol. It was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameFault {
    #[error("a frame is masked that may not be, or is not that must be")]
    Masking,
    #[error("a reserved bit or opcode without an extension that gives it a meaning")]
    Reserved,
    #[error("a control frame is fragmented, or over 125 bytes")]
    Control,
    #[error("a length is not written in the fewest bytes, or is over 2^63")]
    Length,
    #[error("a fragment without a beginning, or a message within another")]
    Fragment,
    #[error("a frame after Close")]
    AfterClose,
}

const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;

/// A header that was read whole.
struct Header {
    length: usize,
    payload: u64,
    fin: bool,
    opcode: u8,
}

impl Frames {
    /// At the beginning of what `sender` says.
    pub(crate) const fn new(sender: Sender, extended: bool) -> Self {
        Self { sender, extended, payload: 0, in_message: false, closing: false }
    }

    /// How many of `bytes`, which follow those that were passed before, may be passed on: whole headers and the payload behind them. The rest
    /// is the beginning of a header.
    ///
    /// # Errors
    /// [`FrameFault`] when the header at the front of `bytes` breaks the protocol.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Result<usize, FrameFault> {
        let mut passed = self.rest_of_frame(bytes);
        while self.payload == 0 {
            let header = match self.header(bytes.get(passed..).unwrap_or_default()) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                // What stands before it is passed on first.
                Err(_) if passed > 0 => break,
                Err(fault) => return Err(fault),
            };
            if header.opcode < CLOSE {
                self.in_message = !header.fin;
            }
            self.closing = header.opcode == CLOSE;
            self.payload = header.payload;
            passed += header.length;
            passed += self.rest_of_frame(bytes.get(passed..).unwrap_or_default());
        }
        Ok(passed)
    }

    /// How many of `bytes` belong to the frame in progress; none between frames.
    pub(crate) fn rest_of_frame(&mut self, bytes: &[u8]) -> usize {
        let here = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
        self.payload -= here as u64;
        here
    }

    /// Whether all that was passed is whole frames.
    pub(crate) const fn is_between(&self) -> bool {
        self.payload == 0
    }

    /// Whether a whole Close was passed: nothing may follow it.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closing && self.payload == 0
    }

    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, FrameFault> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        self.check_first(first & 0x70, fin, opcode)?;
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        if masked != (self.sender == Sender::Client) {
            return Err(FrameFault::Masking);
        }
        let Some((payload, extra)) = payload_length(second & 0x7f, bytes)? else { return Ok(None) };
        if opcode >= CLOSE && (payload > 125 || (opcode == CLOSE && payload == 1)) {
            return Err(FrameFault::Control);
        }
        let length = 2 + extra + if masked { 4 } else { 0 };
        // A mask is part of the header: a Close of ours may not stand before it.
        Ok((bytes.len() >= length).then_some(Header { length, payload, fin, opcode }))
    }

    fn check_first(&self, reserved: u8, fin: bool, opcode: u8) -> Result<(), FrameFault> {
        if self.closing {
            return Err(FrameFault::AfterClose);
        }
        if (reserved != 0 && !self.extended) || !matches!(opcode, 0..=2 | 8..=10) {
            return Err(FrameFault::Reserved);
        }
        if opcode >= CLOSE {
            return if fin { Ok(()) } else { Err(FrameFault::Control) };
        }
        if self.in_message == (opcode == CONTINUATION) { Ok(()) } else { Err(FrameFault::Fragment) }
    }
}

/// The payload's length, and how many bytes it takes besides the first; `None` while they have not come.
fn payload_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, FrameFault> {
    let big_endian = |extra: usize| {
        let digits = bytes.get(2..2 + extra)?;
        Some(digits.iter().fold(0, |sum: u64, digit| (sum << 8) | u64::from(*digit)))
    };
    match short {
        126 => match big_endian(2) {
            None => Ok(None),
            Some(length @ 126..) => Ok(Some((length, 2))),
            Some(_) => Err(FrameFault::Length),
        },
        127 => match big_endian(8) {
            None => Ok(None),
            Some(length @ 0x1_0000..=0x7fff_ffff_ffff_ffff) => Ok(Some((length, 8))),
            Some(_) => Err(FrameFault::Length),
        },
        short => Ok(Some((u64::from(short), 0))),
    }
}

/// A Close frame (RFC 6455 5.5.1), masked where a client is to have said it. `reason` is at most 123 bytes.
pub(crate) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.bytes().take(123));
    let mut frame = vec![0x80 | CLOSE, payload.len() as u8];
    if let (Some(mask), Some(second)) = (mask, frame.get_mut(1)) {
        *second |= 0x80;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        frame.extend_from_slice(&mask);
    }
    frame.extend_from_slice(&payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::{FrameFault, Frames, Sender, close};
    use proptest::prelude::*;

    fn frame(first: u8, payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match payload {
            0..126 => frame.push(mask | payload as u8),
            126..0x1_0000 => {
                frame.push(mask | 126);
                frame.extend_from_slice(&(payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + payload + if masked { 4 } else { 0 }, 0xff);
        frame
    }

    /// A conversation in order: data and control frames, messages in fragments.
    fn conversation(masked: bool) -> impl Strategy<Value = Vec<Vec<u8>>> {
        let sizes = prop_oneof![0usize..130, Just(65_535), Just(65_536), Just(70_000)];
        prop::collection::vec((sizes, any::<bool>(), 0usize..126, any::<bool>()), 0..8).prop_map(
            move |list| {
                let mut frames = Vec::new();
                let mut in_message = false;
                for (size, fin, ping, pings) in list {
                    let opcode = if in_message { 0 } else { 2 };
                    frames.push(frame(opcode | if fin { 0x80 } else { 0 }, size, masked));
                    in_message = !fin;
                    if pings {
                        frames.push(frame(0x89, ping, masked));
                    }
                }
                frames
            },
        )
    }

    proptest! {
        /// However the bytes come, everything passes in the end, and a boundary is told exactly where a frame ended.
        #[test]
        fn boundaries_are_where_frames_end(
            frames in any::<bool>().prop_flat_map(|masked| (Just(masked), conversation(masked))),
            cuts in prop::collection::vec(1usize..40_000, 1..64),
        ) {
            let (masked, frames) = frames;
            let ends: Vec<usize> = frames.iter().scan(0, |sum, frame| { *sum += frame.len(); Some(*sum) }).collect();
            let wire = frames.concat();
            let mut follower = Frames::new(if masked { Sender::Client } else { Sender::Server }, false);
            let (mut passed, mut arrived) = (0, 0);
            let mut cuts = cuts.into_iter().cycle();
            while arrived < wire.len() {
                arrived = (arrived + cuts.next().unwrap()).min(wire.len());
                let count = follower.pass(&wire[passed..arrived]).unwrap();
                passed += count;
                prop_assert!(arrived - passed < 14, "what is held back is less than a header");
                prop_assert_eq!(follower.is_between(), passed == 0 || ends.contains(&passed));
            }
            prop_assert_eq!(passed, wire.len());
        }

        /// Whatever arrives, a follower neither panics nor passes more than there is.
        #[test]
        fn anything_may_arrive(bytes in prop::collection::vec(any::<u8>(), 0..300), client in any::<bool>(), extended in any::<bool>()) {
            let mut follower = Frames::new(if client { Sender::Client } else { Sender::Server }, extended);
            let mut rest = &bytes[..];
            while let Ok(count @ 1..) = follower.pass(rest) {
                prop_assert!(count <= rest.len());
                rest = &rest[count..];
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_does_not_pass() {
        let cases: [(&[u8], FrameFault); 14] = [
            (&[0x82, 0x01], FrameFault::Masking),
            (&[0xc2, 0x80], FrameFault::Reserved),
            (&[0x83, 0x80], FrameFault::Reserved),
            (&[0x8b, 0x80], FrameFault::Reserved),
            (&[0x09, 0x80], FrameFault::Control),
            (&[0x89, 0xfe, 0, 126], FrameFault::Control),
            (&[0x88, 0x81, 0, 0, 0, 0, 0], FrameFault::Control),
            (&[0x82, 0xfe, 0, 125], FrameFault::Length),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], FrameFault::Length),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], FrameFault::Length),
            (&[0x80, 0x80], FrameFault::Fragment),
            (&[0x00, 0x80], FrameFault::Fragment),
            (&[0x02, 0x80, 0, 0, 0, 0, 0x81, 0x80], FrameFault::Fragment),
            (&[0x88, 0x80, 0, 0, 0, 0, 0x82, 0x80], FrameFault::AfterClose),
        ];
        for (bytes, fault) in cases {
            let mut frames = Frames::new(Sender::Client, false);
            let passed = frames.pass(bytes);
            let end = match passed {
                Ok(count @ 1..) => frames.pass(&bytes[count..]),
                other => other,
            };
            assert_eq!(end, Err(fault), "{bytes:x?}");
        }
        assert_eq!(Frames::new(Sender::Server, false).pass(&[0x82, 0x81]), Err(FrameFault::Masking));
        assert_eq!(
            Frames::new(Sender::Server, true).pass(&[0xc2, 0x00]),
            Ok(2),
            "an extension was agreed on"
        );
    }

    #[test]
    fn a_close_of_ours_is_one_frame() {
        for (mask, sender) in [(None, Sender::Server), (Some([1, 2, 3, 4]), Sender::Client)] {
            let wire = close(1008, "over", mask);
            let mut frames = Frames::new(sender, false);
            assert_eq!(frames.pass(&wire), Ok(wire.len()));
            assert!(frames.is_closed());
        }
        assert_eq!(close(1001, "", None), [0x88, 2, 3, 0xe9]);
    }
}
