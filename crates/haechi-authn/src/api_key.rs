//! The text of an API key: `hk_<32 random bytes, base62>_<checksum>` (docs/api-keys.md).

use crate::random::{self, RandomnessError};
use haechi_core::Secret;
use std::fmt;
use zeroize::Zeroize;

/// What every key begins with, so that secret scanners find it.
pub const PREFIX: &str = "hk_";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The fewest base62 digits that hold 256 bits. Always all of them, so that one key has one spelling.
const BODY_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
/// How long a key's text is, in bytes.
pub const LENGTH: usize = PREFIX.len() + BODY_LENGTH + 1 + CHECKSUM_LENGTH;

/// An API key. Shown once, when it is made; only its SHA-256 is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Secret<String>);

/// Text that is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnApiKey {
    /// Not `hk_`, 43 letters and digits, `_`, 6 letters and digits.
    #[error("the API key is malformed")]
    Malformed,
    /// A mistyped or invented key: no store need be asked.
    #[error("the API key's checksum is wrong")]
    Checksum,
}

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = random::bytes()?;
        let key = Self::of(&bytes);
        bytes.zeroize();
        Ok(key)
    }

    /// Reads a key as a client sends it.
    ///
    /// # Errors
    /// [`NotAnApiKey`].
    pub fn parse(text: &[u8]) -> Result<Self, NotAnApiKey> {
        let text = str::from_utf8(text).map_err(|_| NotAnApiKey::Malformed)?;
        let (body, checksum) = split(text).ok_or(NotAnApiKey::Malformed)?;
        if !fits_in_256_bits(body) {
            return Err(NotAnApiKey::Malformed);
        }
        if checksum.as_bytes() != checksum_of(body) {
            return Err(NotAnApiKey::Checksum);
        }
        Ok(Self(Secret::from(text)))
    }

    /// The key as it is shown, once.
    pub const fn expose(&self) -> &String {
        self.0.expose()
    }

    /// SHA-256 of the key's text: what the store keeps.
    pub fn sha256(&self) -> [u8; 32] {
        random::sha256(self.0.expose().as_bytes())
    }

    fn of(bytes: &[u8; 32]) -> Self {
        let body = base62(bytes);
        let checksum = checksum_of(&body);
        Self(Secret::new(format!("{PREFIX}{body}_{}", checksum.escape_ascii())))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([secret])")
    }
}

/// The keys that stand anywhere in `text`, and where they begin: what has a key's form and its checksum, whatever stands around it.
pub fn keys_in(text: &[u8]) -> impl Iterator<Item = (usize, ApiKey)> {
    let begins = memchr::memmem::find_iter(text, PREFIX);
    begins.filter_map(|start| Some((start, ApiKey::parse(text.get(start..start + LENGTH)?).ok()?)))
}

/// Whether text has what every key begins with; a key need not be whole to be one that was put in the wrong place.
pub fn looks_like_a_key(text: &[u8]) -> bool {
    text.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

fn split(text: &str) -> Option<(&str, &str)> {
    if text.len() != LENGTH {
        return None;
    }
    let (body, checksum) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let alphanumeric = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
    (body.len() == BODY_LENGTH && alphanumeric(body) && alphanumeric(checksum)).then_some((body, checksum))
}

/// Long division by 62, from the last digit to the first.
fn base62(bytes: &[u8; 32]) -> String {
    let mut number = *bytes;
    let mut digits = [0; BODY_LENGTH];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let dividend = remainder << 8 | u32::from(*byte);
            // A quotient of less than 62 * 256 by 62 fits in a byte.
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        *digit = digit_of(u64::from(remainder));
    }
    number.zeroize();
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn fits_in_256_bits(body: &str) -> bool {
    let mut number = [0_u64; 4];
    for digit in body.bytes() {
        let Some(mut carry) = value_of(digit) else { return false };
        for word in number.iter_mut().rev() {
            // At most 62 * (2^64 - 1) + 61: the upper word is the carry.
            let product = u128::from(*word) * 62 + u128::from(carry);
            *word = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            return false;
        }
    }
    number.zeroize();
    true
}

fn checksum_of(body: &str) -> [u8; CHECKSUM_LENGTH] {
    let digest = random::sha256(body.as_bytes());
    let mut rest = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let mut digits = [0; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(rest % 62);
        rest /= 62;
    }
    digits
}

/// What a digit counts, as [`DIGITS`] has them.
const fn value_of(digit: u8) -> Option<u64> {
    match digit {
        b'0'..=b'9' => Some((digit - b'0') as u64),
        b'A'..=b'Z' => Some((digit - b'A') as u64 + 10),
        b'a'..=b'z' => Some((digit - b'a') as u64 + 36),
        _ => None,
    }
}

fn digit_of(value: u64) -> u8 {
    usize::try_from(value).ok().and_then(|index| DIGITS.get(index)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, BODY_LENGTH, LENGTH, NotAnApiKey, checksum_of, looks_like_a_key};
    use proptest::prelude::*;

    #[test]
    fn the_smallest_and_the_greatest() {
        let least = ApiKey::of(&[0; 32]);
        assert!(least.expose().starts_with(&format!("hk_{}_", "0".repeat(43))));
        let most = ApiKey::of(&[255; 32]);
        assert_eq!(ApiKey::parse(most.expose().as_bytes()), Ok(most));
        let beyond = "z".repeat(BODY_LENGTH);
        let text = format!("hk_{beyond}_{}", checksum_of(&beyond).escape_ascii());
        assert_eq!(ApiKey::parse(text.as_bytes()), Err(NotAnApiKey::Malformed), "more than 256 bits");
    }

    #[test]
    fn digits_count_what_they_stand_for() {
        for byte in 0..=255 {
            let place = super::DIGITS.iter().position(|digit| *digit == byte);
            assert_eq!(super::value_of(byte), place.map(|place| place as u64), "{byte}");
        }
    }

    #[test]
    fn two_keys_differ_and_neither_is_printed() {
        let (a, b) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_ne!(a.sha256(), b.sha256());
        assert_eq!(format!("{a:?}"), "ApiKey([secret])");
    }

    proptest! {
        #[test]
        fn every_key_is_read_again(bytes: [u8; 32]) {
            let key = ApiKey::of(&bytes);
            prop_assert_eq!(key.expose().len(), LENGTH);
            prop_assert_eq!(ApiKey::parse(key.expose().as_bytes()), Ok(key));
        }

        #[test]
        fn different_bytes_are_different_keys(a: [u8; 32], b: [u8; 32]) {
            prop_assert_eq!(a == b, ApiKey::of(&a) == ApiKey::of(&b));
        }

        #[test]
        fn one_changed_character_is_noticed(bytes: [u8; 32], at in 0..LENGTH, to in "[!-~]") {
            let key = ApiKey::of(&bytes);
            let mut text = key.expose().clone();
            text.replace_range(at..=at, &to);
            prop_assume!(&text != key.expose());
            prop_assert!(ApiKey::parse(text.as_bytes()).is_err());
        }

        #[test]
        fn nothing_else_is_a_key(text in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(ApiKey::parse(&text).is_err());
            looks_like_a_key(&text);
        }
    }
}
