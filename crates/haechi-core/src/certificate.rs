//! What is read of a certificate that is believed because somebody named it (RFC 5280 4.1): an authority, or one that stands for a key. Who signed
//! it is not asked, so its own time is all there is to check, and libraries that verify chains do not look at it.

mod der;
mod names;

pub use der::element;
pub use names::{Names, distinguished_name, names};

use crate::Timestamp;
use der::{INTEGER, SEQUENCE, VERSION};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate, as far as it is read.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// The `SubjectPublicKeyInfo`, whole.
    pub public_key: &'a [u8],
    /// The first instant at which it holds.
    pub not_before: Timestamp,
    /// The last instant at which it holds.
    pub not_after: Timestamp,
}

impl Certificate<'_> {
    /// Whether its time is now.
    ///
    /// # Errors
    /// What to say of it otherwise.
    pub fn check_valid(&self, now: Timestamp) -> Result<(), &'static str> {
        if now > self.not_after {
            Err("has expired")
        } else if now < self.not_before {
            Err("is not valid yet")
        } else {
            Ok(())
        }
    }
}

/// Reads one; `None` for anything else.
pub fn read(der: &[u8]) -> Option<Certificate<'_>> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (body, _) = element(certificate, SEQUENCE)?;
    // Version 1 is written by leaving it out.
    let rest = element(body, VERSION).map_or(body, |(_, rest)| rest);
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (validity, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (_, after_key) = element(rest, SEQUENCE)?;
    let public_key = rest.get(..rest.len().checked_sub(after_key.len())?)?;
    let (not_before, validity) = time(validity)?;
    let (not_after, _) = time(validity)?;
    Some(Certificate { public_key, not_before, not_after })
}

/// A list of revoked certificates, as far as it is read: when it was made, when the next one is due (RFC 5280 5.1.2), and who signed it, for people
/// to read. `None` for anything else, and for a list that does not say when the next one is due.
pub fn revocation_list(der: &[u8]) -> Option<(Timestamp, Timestamp, String)> {
    let (list, _) = element(der, SEQUENCE)?;
    let (body, _) = element(list, SEQUENCE)?;
    let rest = element(body, INTEGER).map_or(body, |(_, rest)| rest);
    let (_, rest) = element(rest, SEQUENCE)?;
    let (issuer, rest) = element(rest, SEQUENCE)?;
    let (this_update, rest) = time(rest)?;
    let (next_update, _) = time(rest)?;
    Some((this_update, next_update, names::distinguished(issuer)))
}

/// `UTCTime` with two digits of the year, or `GeneralizedTime` with four; both end in seconds and `Z` (RFC 5280 4.1.2.5).
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let short = element(der, UTC_TIME).map(|(text, rest)| (text, rest, 2));
    let (text, rest, digits) =
        short.or_else(|| element(der, GENERALIZED_TIME).map(|(text, rest)| (text, rest, 4)))?;
    let (year, fields) = text.strip_suffix(b"Z")?.split_at_checked(digits)?;
    let year = match number(year)? {
        year if digits == 4 => year,
        year @ 0..50 => year + 2000,
        year => year + 1900,
    };
    let mut fields = fields.chunks(2).map(number);
    let mut field = |range: std::ops::RangeInclusive<i64>| fields.next()?.filter(|n| range.contains(n));
    let (month, day) = (field(1..=12)?, field(1..=31)?);
    let (hour, minute, second) = (field(0..=23)?, field(0..=59)?, field(0..=59)?);
    if fields.next().is_some() {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some((Timestamp::from_seconds(seconds), rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// Days between 1970-01-01 and this day of the Gregorian calendar, whose year is taken to begin in March.
const fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century = year.div_euclid(100);
    let leap_days = year.div_euclid(4) - century + century.div_euclid(4);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::{days_since_epoch, read, time};
    use crate::Timestamp;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 26), 20_783),
            ((1950, 1, 1), -7_305),
            ((9999, 12, 31), 2_932_896),
        ] {
            assert_eq!(days_since_epoch(date.0, date.1, date.2), days, "{date:?}");
        }
    }

    #[test]
    fn times_have_seconds_and_a_zone() {
        let at = |tag: u8, text: &str| {
            let der = [&[tag, text.len() as u8], text.as_bytes()].concat();
            time(&der).map(|(time, _)| time)
        };
        assert_eq!(at(0x17, "700101000001Z"), Some(Timestamp::from_seconds(1)));
        assert_eq!(at(0x18, "19700101000001Z"), Some(Timestamp::from_seconds(1)));
        assert!(at(0x17, "491231235959Z") > at(0x17, "500101000000Z"), "2049 and 1950");
        for wrong in
            ["", "Z", "7001010000Z", "700101000001", "701301000001Z", "70010100000aZ", "700101000001.5Z"]
        {
            assert_eq!(at(0x17, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn other_bytes_are_no_certificate() {
        for der in [&[][..], &[0x30, 0], &[0x30, 2, 0x30, 0], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert!(read(der).is_none());
        }
    }
}
