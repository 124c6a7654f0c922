//! What gRPC adds to a request (gRPC over HTTP/2, "Requests"): how long its caller waits.

use haechi_core::Fields;
use std::time::Duration;

/// A `grpc-timeout` that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`grpc-timeout` is not a time: at most eight digits and one of `H`, `M`, `S`, `m`, `u`, `n`, once")]
pub(crate) struct BadTimeout;

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
    use super::{BadTimeout, timeout};
    use haechi_core::Fields;
    use std::time::Duration;

    fn read(values: &[&str]) -> Result<Option<Duration>, BadTimeout> {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.push(b"grpc-timeout", value.as_bytes()));
        timeout(&fields)
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
