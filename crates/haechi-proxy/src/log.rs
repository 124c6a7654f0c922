//! The access log: one line a request, JSON or for people, without secrets and without a way to forge a line.

use crate::ascii::{push_host, push_ip, push_number};
use crate::batches::{Batch, BatchSender};
use crate::outcome::RequestOutcome;
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Caller, CanonicalPath, Host, Timestamp};
use http::{Method, StatusCode};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a line tells. Query values, credentials and bodies have no place in it.
pub(crate) struct Line {
    pub(crate) received: Timestamp,
    pub(crate) id: RequestId,
    pub(crate) decision: Option<DecisionId>,
    /// In which direction shadow policies differ.
    pub(crate) shadow: Option<&'static str>,
    pub(crate) client: IpAddr,
    pub(crate) method: Option<Method>,
    pub(crate) host: Option<Host>,
    pub(crate) path: Option<CanonicalPath>,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) caller: Option<Arc<Caller>>,
    /// The authenticator that refused, where there is no caller.
    pub(crate) refused_by: Option<Arc<str>>,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) endpoint: Option<(Arc<str>, u16)>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) outcome: RequestOutcome,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) sent: u64,
    /// Nobody has sent the request: somebody asks what would become of it.
    pub(crate) supposed: bool,
}

impl Line {
    pub(crate) const fn new(id: RequestId, received: Timestamp, client: IpAddr) -> Self {
        Self {
            received,
            id,
            decision: None,
            shadow: None,
            client,
            method: None,
            host: None,
            path: None,
            route: None,
            caller: None,
            refused_by: None,
            service: None,
            endpoint: None,
            status: None,
            outcome: RequestOutcome::Aborted,
            reason: None,
            sent: 0,
            supposed: false,
        }
    }
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// Aligned text, for people.
    Text,
}

/// Where workers send their lines; the other end writes them.
#[derive(Clone, Debug)]
pub struct LogSink {
    /// Takes whole lines.
    pub lines: BatchSender<u8>,
    /// How lines are written.
    pub format: LogFormat,
    /// Whether lines for people have ANSI colours.
    pub color: bool,
}

/// A worker's end of the log: lines gather here, so that no request waits for the log.
pub(crate) struct AccessLog {
    lines: Option<Batch<u8>>,
    format: LogFormat,
    color: bool,
    second: Cell<(i64, [u8; 19])>,
}

/// Lines are sent at this many bytes, at the latest.
const SEND_AT: usize = 64 * 1024;

impl AccessLog {
    pub(crate) fn new(sink: Option<LogSink>) -> Self {
        let (format, color) =
            sink.as_ref().map_or((LogFormat::Json, false), |sink| (sink.format, sink.color));
        let lines = sink.map(|sink| Batch::new(sink.lines, SEND_AT));
        Self { lines, format, color, second: Cell::new((i64::MIN, [b' '; 19])) }
    }

    pub(crate) fn write(&self, line: &Line, took: Duration) {
        let Some(lines) = &self.lines else { return };
        lines.add(|out| match self.format {
            LogFormat::Json => self.json(out, line, took),
            LogFormat::Text => text(out, line, took, self.color),
        });
    }

    /// Sends the lines that were gathered; every tick.
    pub(crate) fn send(&self) {
        if let Some(lines) = &self.lines {
            lines.send();
        }
    }

    fn json(&self, out: &mut Vec<u8>, line: &Line, took: Duration) {
        out.extend_from_slice(b"{\"time\":\"");
        self.time(out, line.received);
        out.extend_from_slice(b"\",\"event\":\"request\",\"request_id\":\"");
        out.extend_from_slice(&line.id.hex());
        out.push(b'"');
        if let Some(decision) = line.decision {
            out.extend_from_slice(b",\"decision_id\":\"");
            out.extend_from_slice(&decision.hex());
            out.push(b'"');
        }
        out.extend_from_slice(b",\"client\":\"");
        push_ip(out, line.client);
        out.push(b'"');
        optional(out, b",\"method\":\"", line.method.as_ref().map(Method::as_str));
        if let Some(host) = &line.host {
            out.extend_from_slice(b",\"host\":\"");
            push_host(out, host);
            out.push(b'"');
        }
        optional(out, b",\"path\":\"", line.path.as_ref().map(CanonicalPath::as_str));
        optional(out, b",\"route\":\"", line.route.as_deref());
        number(out, b",\"status\":", line.status.map_or(0, |status| u64::from(status.as_u16())));
        optional(out, b",\"outcome\":\"", Some(line.outcome.name()));
        if line.supposed {
            out.extend_from_slice(b",\"supposed\":true");
        }
        if let Some(caller) = &line.caller {
            optional(out, b",\"authenticator\":\"", Some(&caller.authenticator));
            if !caller.subject.is_empty() {
                optional(out, b",\"subject\":\"", Some(&caller.subject));
            }
        } else {
            optional(out, b",\"authenticator\":\"", line.refused_by.as_deref());
        }
        optional(out, b",\"service\":\"", line.service.as_deref());
        if let Some((host, port)) = &line.endpoint {
            out.extend_from_slice(b",\"endpoint\":\"");
            out.extend_from_slice(host.as_bytes());
            out.push(b':');
            push_number(out, u64::from(*port));
            out.push(b'"');
        }
        optional(out, b",\"reason\":\"", line.reason.as_deref());
        optional(out, b",\"shadow\":\"", line.shadow);
        number(out, b",\"bytes_sent\":", line.sent);
        number(out, b",\"duration_us\":", u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        out.extend_from_slice(b"}\n");
    }

    /// RFC 3339 in milliseconds; the part up to the second is kept from line to line.
    fn time(&self, out: &mut Vec<u8>, at: Timestamp) {
        let (mut second, mut text) = self.second.get();
        if second != at.as_seconds() {
            second = at.as_seconds();
            let formatted = at.rfc3339().to_string();
            if let Some(whole) = formatted.as_bytes().get(..19).and_then(|part| part.try_into().ok()) {
                text = whole;
            }
            self.second.set((second, text));
        }
        out.extend_from_slice(&text);
        let millis = at.as_millis().rem_euclid(1000);
        let digit = |value: i64| b'0' + (value % 10) as u8;
        out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis)]);
        out.push(b'Z');
    }
}

fn number(out: &mut Vec<u8>, before: &[u8], value: u64) {
    out.extend_from_slice(before);
    push_number(out, value);
}

fn display(out: &mut Vec<u8>, before: &str, value: &dyn std::fmt::Display, after: &str) {
    // Writing to memory does not fail.
    let _ = write!(out, "{before}{value}{after}");
}

fn optional(out: &mut Vec<u8>, before: &[u8], value: Option<&str>) {
    let Some(value) = value else { return };
    out.extend_from_slice(before);
    escape(out, value);
    out.push(b'"');
}

/// JSON string contents in which no character can end the line, move a terminal's cursor or hide text.
fn escape(out: &mut Vec<u8>, text: &str) {
    if !has_odd(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            ' '..='~' => out.push(c as u8),
            _ if c.is_alphanumeric() => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    display(out, "\\u", &format_args!("{unit:04x}"), "");
                }
            }
        }
    }
}

/// Whether there is something to escape: anything but visible ASCII and the space, a quote or a backslash. Eight at a time, because most texts of a
/// line are short and have nothing.
fn has_odd(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    eights.iter().chain([&last]).any(|eight| has_odd_of_eight(u64::from_ne_bytes(*eight)))
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The high bit of each byte that is zero (Hacker's Delight, 6-1).
const fn zero_bytes(bytes: u64) -> u64 {
    !((bytes & !HIGH).wrapping_add(!HIGH) | bytes) & HIGH
}

/// Whether a byte is below the space, above `~`, a quote or a backslash. No sum carries from one byte into the next.
const fn has_odd_of_eight(eight: u64) -> bool {
    let low = eight & !HIGH;
    let above = low.wrapping_add(ONES) & HIGH;
    let below = !low.wrapping_add(ONES * (0x80 - 0x20)) & HIGH;
    let quote = zero_bytes(eight ^ (ONES * b'"' as u64));
    let backslash = zero_bytes(eight ^ (ONES * b'\\' as u64));
    (eight & HIGH) | above | below | quote | backslash != 0
}

/// A line for people: `200 GET /orders/1  alice@local  order  1.2 ms`.
fn text(out: &mut Vec<u8>, line: &Line, took: Duration, color: bool) {
    let status = line.status.map_or_else(|| "---".to_owned(), |status| status.as_u16().to_string());
    let (paint, plain) = match line.outcome {
        _ if !color => ("", ""),
        RequestOutcome::Forwarded
        | RequestOutcome::Answered
        | RequestOutcome::Redirected
        | RequestOutcome::Preflight => ("\x1b[32m", "\x1b[0m"),
        RequestOutcome::Unauthenticated | RequestOutcome::Denied => ("\x1b[33m", "\x1b[0m"),
        _ => ("\x1b[31m", "\x1b[0m"),
    };
    let who = line.caller.as_ref().map_or_else(String::new, |caller| match &*caller.subject {
        "" => caller.authenticator.to_string(),
        subject => format!("{subject}@{}", caller.authenticator),
    });
    let method = line.method.as_ref().map_or("?", Method::as_str);
    let path = line.path.as_ref().map_or("?", CanonicalPath::as_str);
    let supposed = if line.supposed { " (supposed)" } else { "" };
    let mut shown = Vec::new();
    escape(&mut shown, &format!("{method:<6} {path:<28} {:<15} {who}{supposed}", line.outcome.name()));
    display(out, "  ", &format_args!("{paint}{status}{plain} "), "");
    out.extend_from_slice(&shown);
    display(out, "  ", &format_args!("{:.1} ms", took.as_secs_f64() * 1000.0), "\n");
}

#[cfg(test)]
mod tests {
    use super::{AccessLog, Line, escape, has_odd};
    use haechi_core::Timestamp;
    use haechi_core::id::RequestId;
    use std::time::Duration;

    #[test]
    fn no_character_breaks_out_of_a_line() {
        let mut out = Vec::new();
        escape(&mut out, "a\"b\\c\nd\x1b[2Je\u{2028}f\u{202e}g\u{9b}h\u{e9}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"a\"b\\c\u000ad\u001b[2Je\u2028f\u202eg\u009bh"#.to_owned() + "\u{e9}"
        );
    }

    #[test]
    fn what_is_escaped_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let odd = !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\';
            for length in 1..20 {
                for place in 0..length {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    assert_eq!(has_odd(&text), odd, "{byte} at {place} of {length}");
                }
            }
        }
        assert!(!has_odd(b""));
    }

    #[test]
    fn times_have_milliseconds() {
        let log = AccessLog::new(None);
        let mut out = Vec::new();
        log.time(&mut out, Timestamp::from_millis(1_700_000_000_007));
        log.time(&mut out, Timestamp::from_millis(1_700_000_000_890));
        assert_eq!(String::from_utf8(out).unwrap(), "2023-11-14T22:13:20.007Z2023-11-14T22:13:20.890Z");
    }

    #[test]
    fn a_line_is_json() {
        let line = Line::new(RequestId::from_bits(5), Timestamp::from_millis(0), [127, 0, 0, 1].into());
        let mut out = Vec::new();
        AccessLog::new(None).json(&mut out, &line, Duration::from_micros(12));
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["duration_us"], 12);
        assert_eq!(value["outcome"], "aborted");
    }
}
