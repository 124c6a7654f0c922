//! Elements of DER (X.690).

/// A sequence, or a sequence of.
pub(super) const SEQUENCE: u8 = 0x30;
/// An integer.
pub(super) const INTEGER: u8 = 0x02;
/// `[0] EXPLICIT Version` of a certificate.
pub(super) const VERSION: u8 = 0xa0;

/// The content of the first element of DER, which must have this tag, and what follows it.
pub fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}
