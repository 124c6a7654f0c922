//! Requests, and what may go wrong with them. The same seed gives the same cases.

/// Bytes to send, and where to cut them.
pub(super) struct Case {
    pub(super) bytes: Vec<u8>,
    cuts: Vec<usize>,
}

impl Case {
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        ends.scan(0, |start, end| {
            let piece = &self.bytes[*start..end];
            *start = end;
            Some(piece)
        })
    }
}

const REQUESTS: [&str; 9] = [
    "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n",
    "GET /a/%62?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\nX-A:\r\n\r\n",
    "HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-A\r\nX-A: b\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "PUT /c HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\nGET /in HTTP/1.1\r\nHost: a\r\n",
    "POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: t\r\n\r\n",
    "GET http://a:80/f?g HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "DELETE /h HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
];

/// A second request behind the first; where it is hidden in a body, or becomes one, somebody was fooled.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: hidden\r\n\r\n";

const LINE_ENDS: [&str; 7] = ["\n", "\r", "\r\r\n", "\n\r", "\r\n\r\n", " \r\n", "\r\n "];
const LENGTHS: [&str; 22] = [
    "5",
    "0",
    "05",
    "+5",
    "-5",
    "5 ",
    "5,5",
    "5, 5",
    "5,6",
    "0x5",
    "5.0",
    "5;",
    "\t5",
    "",
    " ",
    "1e1",
    "18446744073709551616",
    "18446744073709551621",
    "999999999999999999",
    "5\u{b}",
    "\u{660}",
    "5\r\n",
];
const CODINGS: [&str; 20] = [
    "chunked",
    "Chunked",
    "CHUNKED",
    "chunked ",
    "\tchunked",
    "\u{b}chunked",
    "\"chunked\"",
    "chunked,",
    ",chunked",
    "chunked, chunked",
    "gzip, chunked",
    "chunked, gzip",
    "identity",
    "identity, chunked",
    "chunked;q=1",
    "chunked;",
    "xchunked",
    "chunke",
    "chunked\r\n chunked",
    "",
];
const HOSTS: [&str; 18] = [
    "a", "A", "b", "a:80", "a:080", "a:", "a:0", "a:99999", "a, b", "a b", "u@a", "a/b", "a?b", "a#b",
    "[::1]", "[::1", "", "a\\b",
];
const TARGETS: [&str; 30] = [
    "/",
    "/a#b",
    "/#",
    "*",
    "a",
    "",
    "//a",
    "/a//b",
    "/a/../b",
    "/%2e%2e/b",
    "/a%2fb",
    "/a%00b",
    "/a\\b",
    "/a;b",
    "/a b",
    "/a\tb",
    "/%61",
    "/a?b?c",
    "/a?b#c",
    "/\u{e9}",
    "http://a/",
    "http://a",
    "http://a?b",
    "HTTP://A/x",
    "http://b/",
    "http://u@a/",
    "http:///x",
    "https://a/",
    "ftp://a/",
    "a:80",
];
const SIZES: [&str; 22] = [
    "5",
    "05",
    "005",
    "0000000000000005",
    "5 ",
    " 5",
    "\t5",
    "+5",
    "-5",
    "0x5",
    "5;a",
    "5;a=b",
    "5 ;a=b",
    "5;\n",
    "5;a=\"\r\n\"",
    "g",
    "",
    "5\r",
    "100000005",
    "10000000000000005",
    "ffffffffffffffff",
    "5_0",
];
const VERSIONS: [&str; 10] = [
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/0.9",
    "HTTP/2.0",
    "http/1.1",
    "HTTP/1.1 ",
    "HTTP/1.10",
    "HTTP/01.1",
    "",
];
const METHODS: [&str; 9] = ["GET", "POST", "HEAD", "OPTIONS", "get", "G@T", "GET ", "PATCH", " GET"];
const LINES: [&str; 21] = [
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length : 5",
    "Content-Length\t: 5",
    "Content-Length:5",
    "content_length: 5",
    "Content-Length 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\r\n chunked",
    "Transfer_Encoding: chunked",
    "transfer-encoding: identity",
    "Host: b",
    "Connection: close",
    "Connection: content-length",
    "Expect: 100-continue",
    " X-Folded: a",
    "\tfolded",
    ": empty",
    "no colon",
    "X-A: b\u{0}c",
];

/// xorshift64*: small, and the same everywhere.
pub(super) struct Mutator(u64);

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> Case {
        let mut bytes = self.pick(&REQUESTS).as_bytes().to_vec();
        // One in eight stays as it is.
        for _ in 0..[0, 1, 1, 1, 1, 2, 2, 3][self.below(8)] {
            self.mutate(&mut bytes);
        }
        for _ in 0..[0, 1, 1, 2][self.below(4)] {
            bytes.extend_from_slice(HIDDEN.as_bytes());
        }
        let mut cuts: Vec<usize> = (0..self.below(4)).map(|_| self.below(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        Case { bytes, cuts }
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        match self.below(16) {
            0 | 1 => self.replace_one_of(bytes, b"\r\n", &LINE_ENDS),
            2 => self.value_of(bytes, b"Content-Length: ", &LENGTHS),
            3 => self.value_of(bytes, b"Transfer-Encoding: ", &CODINGS),
            4 => self.value_of(bytes, b"Host: ", &HOSTS),
            5 => self.word(bytes, 1, &TARGETS),
            6 => self.word(bytes, 2, &VERSIONS),
            7 => self.word(bytes, 0, &METHODS),
            8 => self.value_of(bytes, b"\r\n\r\n", &SIZES),
            9 | 10 => self.insert_line(bytes),
            11 => self.repeat_line(bytes),
            12 => self.replace_one_of(
                bytes,
                b": ",
                &[":", " : ", "\t:", ":\t", ":  ", ":\r\n ", ":\u{c}", ":\u{a0}"],
            ),
            13 => self.insert_byte(bytes),
            14 => self.change_byte(bytes),
            _ => self.cut_out(bytes),
        }
    }

    /// Another text for one occurrence of `old`.
    fn replace_one_of(&mut self, bytes: &mut Vec<u8>, old: &[u8], with: &[&str]) {
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
        if !places.is_empty() {
            let at = places[self.below(places.len())];
            bytes.splice(at..at + old.len(), self.pick(with).bytes());
        }
    }

    /// Another text for what follows `name` up to the line's end.
    fn value_of(&mut self, bytes: &mut Vec<u8>, name: &[u8], with: &[&str]) {
        let Some(start) =
            (0..bytes.len()).find(|at| bytes[*at..].starts_with(name)).map(|at| at + name.len())
        else {
            return;
        };
        let end = (start..bytes.len()).find(|at| bytes[*at] == b'\r').unwrap_or(bytes.len());
        bytes.splice(start..end, self.pick(with).bytes());
    }

    /// Another text for a word of the first line.
    fn word(&mut self, bytes: &mut Vec<u8>, number: usize, with: &[&str]) {
        let end = (0..bytes.len()).find(|at| bytes[*at] == b'\r').unwrap_or(bytes.len());
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(word) = words.get_mut(number) {
            *word = self.pick(with);
            bytes.splice(..end, words.join(" ").bytes());
        }
    }

    fn insert_line(&mut self, bytes: &mut Vec<u8>) {
        let at = self.line_start(bytes);
        let line = format!("{}\r\n", self.pick(&LINES));
        bytes.splice(at..at, line.bytes());
    }

    fn repeat_line(&mut self, bytes: &mut Vec<u8>) {
        let start = self.line_start(bytes);
        let end = (start..bytes.len()).find(|at| bytes[*at] == b'\n').map_or(bytes.len(), |at| at + 1);
        let line = bytes[start..end].to_vec();
        let at = self.line_start(bytes);
        bytes.splice(at..at, line);
    }

    fn insert_byte(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let odd = [0, 1, 9, 10, 11, 12, 13, 32, 34, 35, 44, 48, 58, 59, 92, 127, 128, 160, 255];
        bytes.insert(at, odd[self.below(odd.len())]);
    }

    fn change_byte(&mut self, bytes: &mut [u8]) {
        if let Some(last) = bytes.len().checked_sub(1) {
            let at = self.below(last + 1);
            bytes[at] ^= 1 << self.below(8);
        }
    }

    fn cut_out(&mut self, bytes: &mut Vec<u8>) {
        let start = self.below(bytes.len() + 1);
        let end = (start + 1 + self.below(4)).min(bytes.len());
        bytes.drain(start..end.max(start));
    }

    /// Where a line begins, the first included.
    fn line_start(&mut self, bytes: &[u8]) -> usize {
        let starts: Vec<usize> =
            [0].into_iter().chain((1..bytes.len()).filter(|at| bytes[at - 1] == b'\n')).collect();
        starts[self.below(starts.len())]
    }

    fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[self.below(among.len())]
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}
