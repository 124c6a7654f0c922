//! What gRPC and gRPC-Web add to a request (gRPC over HTTP/2, "Requests"; gRPC-Web): what its caller reads, and how long it waits.

use haechi_core::{FieldName, Fields};
use std::time::Duration;

/// A `grpc-timeout` that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`grpc-timeout` is not a time: at most eight digits and one of `H`, `M`, `S`, `m`, `u`, `n`, once")]
pub(crate) struct BadTimeout;

/// The content type of gRPC itself, whose status stands in trailers.
pub(crate) const NATIVE: &str = "application/grpc";

/// The content types of gRPC-Web that callers are answered in as they ask; others in the first that theirs begins with, from the end.
const WEB: [&str; 9] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web+json",
    "application/grpc-web+thrift",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
    "application/grpc-web-text+json",
    "application/grpc-web-text+thrift",
    "application/grpc-web-text-base64",
];

/// The content type in which a caller reads the answer; `None` for one who speaks neither gRPC nor gRPC-Web.
pub(crate) fn content_type(fields: &Fields) -> Option<&'static str> {
    let sent = fields.all(FieldName::ContentType).find(|value| begins(value, NATIVE))?;
    let Some(web) = web(sent) else { return Some(NATIVE) };
    // A client that can read text alone says so (gRPC-Web, "Text-encoded streams").
    let text = |value: &[u8]| value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter_map(web_text).next();
    let asked = fields.all(FieldName::Accept).find_map(text).filter(|_| web_text(sent).is_none());
    Some(asked.unwrap_or(web))
}

fn web(value: &[u8]) -> Option<&'static str> {
    let essence = value.split(|&b| b == b';').next().unwrap_or(value).trim_ascii();
    let exactly = WEB.into_iter().find(|known| essence.eq_ignore_ascii_case(known.as_bytes()));
    exactly.or_else(|| WEB.into_iter().rev().find(|known| begins(essence, known)))
}

fn web_text(value: &[u8]) -> Option<&'static str> {
    web(value).filter(|known| known.starts_with("application/grpc-web-text"))
}

fn begins(value: &[u8], prefix: &str) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// How long the caller waits; `None` when it does not say.
pub(crate) fn timeout(fields: &Fields) -> Result<Option<Duration>, BadTimeout> {
    let Some(value) = fields.sole_named(b"grpc-timeout").map_err(|_| BadTimeout)? else { return Ok(None) };
    let (unit, digits) = value.split_last().ok_or(BadTimeout)?;
    if !matches!(digits.len(), 1..=8) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadTimeout);
    }
    let count = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return Err(BadTimeout),
    }))
}

#[cfg(test)]
mod tests {
    use super::{BadTimeout, content_type, timeout};
    use haechi_core::Fields;
    use std::time::Duration;

    fn read(values: &[&str]) -> Result<Option<Duration>, BadTimeout> {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.push(b"grpc-timeout", value.as_bytes()));
        timeout(&fields)
    }

    #[test]
    fn callers_are_answered_in_the_content_type_that_they_ask_with() {
        let asked = |sent: &str, accept: &str| {
            let mut fields = Fields::default();
            fields.push(b"content-type", sent.as_bytes());
            fields.push(b"accept", accept.as_bytes());
            content_type(&fields)
        };
        for (sent, accept, answered) in [
            ("application/grpc", "*/*", Some("application/grpc")),
            ("application/grpc+proto", "*/*", Some("application/grpc")),
            ("application/grpc-web", "*/*", Some("application/grpc-web")),
            ("Application/gRPC-Web+Proto; charset=utf-8", "", Some("application/grpc-web+proto")),
            ("application/grpc-web+cbor", "", Some("application/grpc-web")),
            ("application/grpc-web-text", "", Some("application/grpc-web-text")),
            (
                "application/grpc-web-text+proto",
                "application/grpc-web-text",
                Some("application/grpc-web-text+proto"),
            ),
            ("application/grpc-web-text-base64", "", Some("application/grpc-web-text-base64")),
            ("application/grpc-web-text+cbor", "", Some("application/grpc-web-text")),
            (
                "application/grpc-web+proto",
                "*/*, application/grpc-web-text",
                Some("application/grpc-web-text"),
            ),
            ("application/grpc", "application/grpc-web-text", Some("application/grpc")),
            ("application/json", "application/grpc-web-text", None),
        ] {
            assert_eq!(asked(sent, accept), answered, "{sent}, {accept}");
        }
    }

    #[test]
    fn each_unit_is_read() {
        for (value, meant) in [
            ("2H", Duration::from_secs(7200)),
            ("3M", Duration::from_secs(180)),
            ("10S", Duration::from_secs(10)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("5u", Duration::from_micros(5)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(read(&[value]), Ok(Some(meant)), "{value}");
        }
        assert_eq!(read(&[]), Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        for value in ["", "S", "10", "10s", "-1S", "1.5S", "123456789S", "1 S", "1SS"] {
            assert_eq!(read(&[value]), Err(BadTimeout), "{value}");
        }
        assert_eq!(read(&["1S", "1S"]), Err(BadTimeout));
    }
}
