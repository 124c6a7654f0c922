//! The text of an API key that was made elsewhere (docs/api-keys.md, "Import").

use crate::api_key::ApiKey;
use crate::random;

/// The shortest secret that is accepted, in characters.
pub const SHORTEST: usize = 20;
/// The longest, likewise.
pub const LONGEST: usize = 512;
/// The fewest bits that a secret's own characters must be able to tell: its length times the logarithm of how many different ones it has.
pub const FEWEST_BITS: u32 = 64;

/// Text that is no key of another gateway. A key is found by a fast hash of it, so one that can be guessed is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecretError {
    /// Too short or too long.
    #[error("the API key is not {SHORTEST} to {LONGEST} characters long")]
    Length,
    /// A space, a control character, or a letter outside ASCII.
    #[error("the API key has characters other than visible ASCII")]
    Characters,
    /// The same few characters again and again.
    #[error("the API key has too few different characters to be hard to guess")]
    Guessable,
    /// It has our form, but was not made by us.
    #[error("the API key has the form of one of this gate's and a wrong checksum")]
    Checksum,
}

/// The SHA-256 by which `text` is found, whatever its form: one of ours, or one that was made elsewhere.
///
/// # Errors
/// [`BadSecretError`].
pub fn sha256_of(text: &[u8]) -> Result<[u8; 32], BadSecretError> {
    check(text)?;
    Ok(random::sha256(text))
}

/// Whether `text` may be a key, whatever its form.
///
/// # Errors
/// [`BadSecretError`].
pub fn check(text: &[u8]) -> Result<(), BadSecretError> {
    if !(SHORTEST..=LONGEST).contains(&text.len()) {
        return Err(BadSecretError::Length);
    }
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err(BadSecretError::Characters);
    }
    if text.starts_with(crate::api_key::PREFIX.as_bytes()) && text.len() == crate::api_key::LENGTH {
        return ApiKey::parse(text).map(drop).map_err(|_| BadSecretError::Checksum);
    }
    let mut seen = [false; 256];
    for byte in text {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    // At most 512 characters of at most 94 kinds.
    let bits = (different as f64).log2() * text.len() as f64;
    if bits < f64::from(FEWEST_BITS) { Err(BadSecretError::Guessable) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{BadSecretError, sha256_of};
    use crate::api_key::ApiKey;

    #[test]
    fn what_other_gateways_give_is_accepted() {
        for text in [
            "GQMqzkxqbVfDgaQgNZxQoYvnjsU8RtHp",
            "62eb165c070a41d5c1b58d9d3d725ca1",
            "2c5e7d52-8e08-4f2f-9a51-3c0b9e9a6a11",
            "sk_live_51Hc0JKL2mNo3PqR4StU5vWx6",
            "01234567890123456789",
        ] {
            assert_eq!(sha256_of(text.as_bytes()), Ok(crate::random::sha256(text.as_bytes())), "{text}");
        }
        let ours = ApiKey::generate().unwrap();
        assert_eq!(sha256_of(ours.expose().as_bytes()), Ok(ours.sha256()));
    }

    #[test]
    fn what_can_be_guessed_is_not() {
        let long = "aB3".repeat(200);
        for (text, error) in [
            ("", BadSecretError::Length),
            ("secret", BadSecretError::Length),
            ("aB3dE5gH7jK9mN1pQ3s", BadSecretError::Length),
            (&long, BadSecretError::Length),
            ("aB3dE5gH7jK9 mN1pQ3sT5", BadSecretError::Characters),
            ("aB3dE5gH7jK9\u{e9}mN1pQ3sT5", BadSecretError::Characters),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", BadSecretError::Guessable),
            ("abcabcabcabcabcabcabc", BadSecretError::Guessable),
        ] {
            assert_eq!(sha256_of(text.as_bytes()), Err(error), "{text}");
        }
        let ours = ApiKey::generate().unwrap();
        let turned = format!("{}x", &ours.expose()[..ours.expose().len() - 1]);
        let expected =
            if turned == *ours.expose() { Ok(ours.sha256()) } else { Err(BadSecretError::Checksum) };
        assert_eq!(sha256_of(turned.as_bytes()), expected);
    }
}
