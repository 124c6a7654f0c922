//! Identifiers of requests and decisions.

use std::fmt;

/// 128 random bits, written as 32 lower-case hex digits. Also usable as a W3C trace id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

/// Names one decision; `haechi explain --decision ID` finds it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionId(u128);

macro_rules! hex_id {
    ($name:ident) => {
        impl $name {
            /// From random bits. Zero is moved to one, because a W3C trace id must not be zero.
            pub const fn from_bits(bits: u128) -> Self {
                Self(if bits == 0 { 1 } else { bits })
            }

            /// The bits.
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// Reads the 32 hex digits as they are written; `None` for anything else.
            pub fn parse(text: &str) -> Option<Self> {
                let digits = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let bits = u128::from_str_radix(text, 16).ok().filter(|bits| digits && *bits != 0)?;
                Some(Self(bits))
            }

            /// The 32 hex digits as ASCII bytes.
            pub fn hex(self) -> [u8; 32] {
                hex32(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_id!(RequestId);
hex_id!(DecisionId);

/// 64 bits as 16 lower-case hex digits.
pub fn hex16(bits: u64) -> [u8; 16] {
    let mut out = [0; 16];
    let (high, low) = out.split_at_mut(8);
    high.copy_from_slice(&hex8((bits >> 32) as u32));
    low.copy_from_slice(&hex8(bits as u32));
    out
}

fn hex32(bits: u128) -> [u8; 32] {
    let mut out = [0; 32];
    let (high, low) = out.split_at_mut(16);
    high.copy_from_slice(&hex16((bits >> 64) as u64));
    low.copy_from_slice(&hex16(bits as u64));
    out
}

/// All eight digits at once, one in each byte of a number: a request has some hundred and fifty of them.
const fn hex8(bits: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let spread = bits as u64;
    let spread = (spread | (spread << 16)) & 0x0000_ffff_0000_ffff;
    let spread = (spread | (spread << 8)) & 0x00ff_00ff_00ff_00ff;
    let digits = (spread | (spread << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // One in each byte whose digit is a letter.
    let letters = ((digits + 6 * ONES) >> 4) & ONES;
    (digits + b'0' as u64 * ONES + letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::{RequestId, hex16};

    #[test]
    fn every_digit_is_written() {
        assert_eq!(&hex16(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        assert_eq!(&hex16(u64::MAX), b"ffffffffffffffff");
        assert_eq!(&hex16(0x9a00_0000_0000_00a9), b"9a000000000000a9");
    }

    #[test]
    fn hex_and_display_agree() {
        let id = RequestId::from_bits(0x0123_4567_89ab_cdef_0000_0000_0000_0042);
        assert_eq!(id.to_string().as_bytes(), id.hex());
        assert_eq!(RequestId::parse(&id.to_string()), Some(id));
        for text in ["", "1", "+123456789abcdef0000000000000042", &id.to_string().to_uppercase()] {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn zero_is_not_an_id() {
        assert_ne!(RequestId::from_bits(0).bits(), 0);
    }
}
