//! Just enough HTTP/1.1 to see what was on the wire (RFC 9112). Lenient on purpose: it shows what it got, it does not judge.

use std::fmt;
use std::io::{self, BufRead, Read};

/// The start line and the fields of one message. Bytes are shown as Latin-1, so that none is lost.
#[derive(Clone, Default)]
pub struct Head {
    /// All bytes up to and with the empty line.
    pub raw: Vec<u8>,
    /// The request or status line.
    pub start_line: String,
    /// Names as they were spelled, values without surrounding white space.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads up to the empty line; `None` where the peer closes before the first byte.
    ///
    /// # Errors
    /// `UnexpectedEof` where the peer closes within the head, and what the socket says.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = Self::default();
        loop {
            let start = head.raw.len();
            if reader.read_until(b'\n', &mut head.raw)? == 0 {
                return if head.raw.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            let line = latin1(&head.raw[start..]);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                return Ok(Some(head));
            }
            if head.start_line.is_empty() {
                line.clone_into(&mut head.start_line);
            } else {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                head.fields.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// The values of all fields named `name`, whatever the case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields.iter().filter(same).map(|field| field.1.as_str()).collect()
    }

    /// The value of the field named `name`.
    ///
    /// # Panics
    /// Where it stands more than once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "`{name}` stands {} times", values.len());
        values.first().copied()
    }

    /// The word of the start line at `index`: method, target, version or version, status.
    pub fn word(&self, index: usize) -> &str {
        self.start_line.split(' ').nth(index).unwrap_or("")
    }

    fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").last().is_some_and(|value| value.ends_with("chunked"))
    }

    fn content_length(&self) -> Option<u64> {
        self.all("content-length").first().and_then(|value| value.parse().ok())
    }

    /// Reads the body that a request with this head has, giving each piece to `sink` as it comes; returns the trailer fields.
    ///
    /// # Errors
    /// `UnexpectedEof` where it ends early, `InvalidData` where the chunks are broken.
    pub fn read_request_body(
        &self,
        reader: &mut impl BufRead,
        sink: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Vec<(String, String)>> {
        if self.is_chunked() {
            read_chunks(reader, sink)
        } else {
            read_exactly(reader, self.content_length().unwrap_or(0), sink).map(|()| Vec::new())
        }
    }

    /// Reads the body of an answer to a request that was not HEAD; without a stated length it ends with the connection.
    ///
    /// # Errors
    /// As for a request.
    pub fn read_answer_body(&self, reader: &mut impl BufRead, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let status = self.word(1);
        if status.starts_with('1') || status == "204" || status == "304" {
            return Ok(());
        }
        match self.content_length() {
            _ if self.is_chunked() => read_chunks(reader, sink).map(|_| ()),
            Some(length) => read_exactly(reader, length, sink),
            None => {
                let mut rest = Vec::new();
                let outcome = reader.read_to_end(&mut rest);
                sink(&rest);
                outcome.map(|_| ())
            }
        }
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start_line)?;
        self.fields.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}

/// Each byte as the character of the same number.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn read_exactly(reader: &mut impl BufRead, length: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut left = length;
    let mut piece = vec![0; 64 * 1024];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let count = reader.read(&mut piece[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sink(&piece[..count]);
        left -= count as u64;
    }
    Ok(())
}

fn read_chunks(reader: &mut impl BufRead, sink: &mut dyn FnMut(&[u8])) -> io::Result<Vec<(String, String)>> {
    loop {
        let line = read_line(reader)?;
        let digits = line.split(';').next().unwrap_or("").trim();
        let size =
            u64::from_str_radix(digits, 16).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        if size == 0 {
            break;
        }
        read_exactly(reader, size, sink)?;
        if !read_line(reader)?.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let mut trailers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else { return Ok(trailers) };
        trailers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if reader.take(64 * 1024).read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(latin1(&line).trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::Head;

    #[test]
    fn chunks_and_trailers_are_read_and_a_cut_is_seen() {
        let wire = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: 1\r\n\r\n";
        let mut reader = &wire[..];
        let head = Head::read(&mut reader).unwrap().unwrap();
        assert_eq!((head.word(0), head.word(1)), ("POST", "/a"));
        let mut body = Vec::new();
        let trailers =
            head.read_request_body(&mut reader, &mut |piece| body.extend_from_slice(piece)).unwrap();
        assert_eq!((body.as_slice(), trailers[0].0.as_str()), (&b"abc"[..], "x"));

        let cut = &wire[..wire.len() - 10];
        let mut reader = cut;
        let head = Head::read(&mut reader).unwrap().unwrap();
        assert!(head.read_request_body(&mut reader, &mut |_| ()).is_err());
    }
}
