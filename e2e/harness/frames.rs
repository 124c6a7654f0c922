//! An HTTP/2 client that sends whatever frames it is given. It shares no code with the gate.

use haechi_testkit::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One frame as it stood on the wire (RFC 9113 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A connection to the gate over which HTTP/2 is spoken by prior knowledge.
pub(crate) struct Frames {
    socket: TcpStream,
}

impl Frames {
    /// Says the preface and empty settings.
    pub(crate) fn with(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut frames = Self { socket };
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    /// A gate that has had enough may have closed: that is for what is read to show.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        drop(self.socket.write_all(&frame(kind, flags, stream, payload)));
        self
    }

    /// Many frames at once.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        drop(self.socket.write_all(bytes));
        self
    }

    /// A whole request without a body.
    pub(crate) fn request(&mut self, stream: u32, fields: &[(&str, &str)]) -> &mut Self {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))
    }

    /// The next frame; `None` when the connection has closed.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.socket.read_exact(&mut head) {
            Ok(()) => {}
            Err(fault) if matches!(fault.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return None;
            }
            Err(fault) => panic!("no frame: {fault}"),
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.socket.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads on to the first frame that is `wanted`.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.next().expect("the connection closed first");
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// Reads on to the goodbye, and gives its error code (RFC 9113 7).
    #[track_caller]
    pub(crate) fn goodbye(&mut self) -> u32 {
        code(&self.until(|frame| frame.kind == GOAWAY).payload[4..])
    }

    /// Reads on to the reset of `stream`, and gives its error code.
    #[track_caller]
    pub(crate) fn reset(&mut self, stream: u32) -> u32 {
        code(&self.until(|frame| frame.kind == RST_STREAM && frame.stream == stream).payload)
    }

    /// Reads on to the answer's head on `stream`, and gives its status.
    #[track_caller]
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        let frame = self.until(|frame| matches!(frame.kind, HEADERS | RST_STREAM) && frame.stream == stream);
        assert_eq!(frame.kind, HEADERS, "the stream was reset: {:?}", frame.payload);
        status(&frame.payload)
    }
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// `:status` at the front of a field block: an index into the static table (RFC 7541 A), or a literal that names index 8.
fn status(block: &[u8]) -> u16 {
    // Changes of the table's size come before all else.
    let block = &block[block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap()..];
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        0x08 | 0x48 if block[1] & 0x80 == 0 => digits(&block[2..5]),
        0x08 | 0x48 => huffman_digits(&block[2..]),
        other => panic!("no status at the front: {other:#x}"),
    }
}

fn digits(text: &[u8]) -> u16 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// Three digits in the Huffman code of RFC 7541 B: `0`, `1`, `2` in five bits, the others in six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits = u32::from_be_bytes([bytes[0], bytes[1], bytes.get(2).copied().unwrap_or(0xff), 0xff]);
    let mut at = 0;
    (0..3).fold(0, |number, _| {
        let rest = bits << at;
        let digit = if rest >> 27 < 3 {
            at += 5;
            rest >> 27
        } else {
            at += 6;
            (rest >> 26) - 0x19 + 3
        };
        number * 10 + digit as u16
    })
}

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field block of literals that are not indexed (RFC 7541 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// The length as an integer with a prefix of seven bits (RFC 7541 5.1), then the bytes.
pub(crate) fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push((length % 128) as u8 | 0x80);
            length /= 128;
        }
        block.push(length as u8);
    }
    block.extend_from_slice(text.as_bytes());
}

/// The head of a plain GET.
pub(crate) fn get(path: &str) -> [(&str, &str); 4] {
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]
}
