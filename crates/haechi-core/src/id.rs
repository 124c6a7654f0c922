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

fn hex32(bits: u128) -> [u8; 32] {
    let mut out = [b'0'; 32];
    for (index, digit) in out.iter_mut().enumerate() {
        let nibble = ((bits >> (124 - 4 * index)) & 0xf) as u8;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::RequestId;

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
