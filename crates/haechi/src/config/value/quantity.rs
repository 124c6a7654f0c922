//! Durations, sizes and counts, each with its bounds.

use crate::config::read::{Defs, Reader, Value, placeholder_schema, text_schema};
use crate::config::yaml::Node;
use serde_json::{Value as Json, json};
use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// A duration between `MIN` and `MAX` milliseconds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BoundedDuration<const MIN: u64, const MAX: u64>(pub(crate) Duration);

impl<const MAX: u64> BoundedDuration<0, MAX> {
    /// The duration, where 0 stands for no limit.
    pub(crate) const fn or_never(self) -> Duration {
        if self.0.is_zero() { Duration::MAX } else { self.0 }
    }
}

/// A size between `MIN` and `MAX` bytes, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size<const MIN: u64, const MAX: u64>(pub(crate) u64);

/// A number between `MIN` and `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count<const MIN: u32, const MAX: u32>(pub(crate) u32);

/// A part of all, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fraction(pub(crate) f64);

impl Value for Fraction {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a part of one", node, |text| {
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            let number = text.parse().ok().filter(|number| plain && (0.0..=1.0).contains(number));
            number.map(Self).ok_or_else(|| "write a number from 0 to 1: `0.1` is one in ten".to_owned())
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        let placeholder = placeholder_schema(defs);
        json!({ "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, placeholder] })
    }

    fn shown(&self) -> Json {
        self.0.into()
    }
}

impl<const MIN: u64, const MAX: u64> Value for BoundedDuration<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a duration", node, |text| {
            let millis = parse_duration(text)
                .ok_or("write a number and a unit: `500ms`, `10s`, `15m`, `1h` or `30d`")?;
            within(millis, MIN, MAX, show_duration).map(|millis| Self(Duration::from_millis(millis)))
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        let description = "A number and a unit: `500ms`, `10s`, `15m`, `1h`, `30d`.";
        text_schema(defs, "duration", description, "^[0-9]+(ms|s|m|h|d)$")
    }

    fn shown(&self) -> Json {
        show_duration(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)).into()
    }
}

impl<const MIN: u64, const MAX: u64> Value for Size<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a size", node, |text| {
            let bytes =
                parse_size(text).ok_or("write a number of bytes, or a unit: `64KiB`, `10MiB`, `1GiB`")?;
            within(bytes, MIN, MAX, show_size).map(Self)
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        let placeholder = placeholder_schema(defs);
        defs.refer("size", |_| {
            json!({
                "description": "A number of bytes, or a number and a unit: `64KiB`, `10MiB`, `1GiB`.",
                "anyOf": [
                    { "type": "integer", "minimum": 0 },
                    { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$" },
                    placeholder,
                ],
            })
        })
    }

    fn shown(&self) -> Json {
        show_size(self.0).into()
    }
}

impl<const MIN: u32, const MAX: u32> Value for Count<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a number", node, |text| {
            let number = digits(text).ok_or_else(|| format!("write a whole number from {MIN} to {MAX}"))?;
            let number = within(number, u64::from(MIN), u64::from(MAX), |number| number.to_string())?;
            u32::try_from(number).map(Self).map_err(|_| format!("at most {MAX}"))
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        let placeholder = placeholder_schema(defs);
        json!({ "anyOf": [{ "type": "integer", "minimum": MIN, "maximum": MAX }, placeholder] })
    }

    fn shown(&self) -> Json {
        self.0.into()
    }
}

impl Value for bool {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.parsed("a boolean", node, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("write `true` or `false`".to_owned()),
        })
    }

    fn schema(defs: &mut Defs) -> Json {
        let placeholder = placeholder_schema(defs);
        json!({ "anyOf": [{ "type": "boolean" }, placeholder] })
    }

    fn shown(&self) -> Json {
        (*self).into()
    }
}

fn within(value: u64, min: u64, max: u64, show: impl Fn(u64) -> String) -> Result<u64, String> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(format!("it must be from {} to {}", show(min), show(max)))
    }
}

/// Decimal digits only: no sign, no `_`, no exponent.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// In milliseconds.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    digits(number)?.checked_mul(*factor)
}

fn parse_size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "" => 1,
        _ => SIZE_UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    digits(number)?.checked_mul(factor)
}

fn show_duration(millis: u64) -> String {
    let unit = DURATION_UNITS.iter().rev().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor));
    let (unit, factor) = unit.copied().unwrap_or(("s", 1000));
    format!("{}{unit}", millis / factor)
}

fn show_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.into_iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::{parse_duration, parse_size, show_duration, show_size};

    #[test]
    fn durations_and_sizes_need_exact_units() {
        assert_eq!(
            ["500ms", "10s", "15m", "1h", "30d"].map(parse_duration).map(Option::unwrap),
            [500, 10_000, 900_000, 3_600_000, 2_592_000_000]
        );
        for text in [
            "",
            "10",
            "s",
            "10 s",
            "-1s",
            "1.5s",
            "1S",
            "1_0s",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(
            ["0", "12", "64KiB", "10MiB"].map(parse_size).map(Option::unwrap),
            [0, 12, 65536, 10_485_760]
        );
        for text in ["", "KiB", "10KB", "10k", "1e3", "-1", "+1", "0x10", "18446744073709551615GiB"] {
            assert_eq!(parse_size(text), (text.is_empty()).then_some(0).filter(|_| false), "{text}");
        }
    }

    #[test]
    fn defaults_are_shown_as_they_would_be_written() {
        assert_eq!(
            [0, 500, 60_000, 90_000, 86_400_000].map(show_duration),
            ["0s", "500ms", "1m", "90s", "1d"]
        );
        assert_eq!([0, 100, 65536, 104_857_600].map(show_size), ["0", "100", "64KiB", "100MiB"]);
    }
}
