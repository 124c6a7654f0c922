//! Time-based one-time passwords (RFC 6238) as every authenticator app makes them: HMAC-SHA-1, six digits, steps of 30 seconds.

use super::redirect_uri::push_encoded;
use crate::random::{self, RandomnessError};
use aws_lc_rs::hmac;
use haechi_core::{Secret, Timestamp};

/// RFC 4226 4 asks for 160 bits.
const BYTES: usize = 20;
const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;
/// A phone's clock may be so many steps off (RFC 6238 5.2).
const STEPS_OFF: u64 = 1;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an app and the gate share.
pub(super) struct TotpSecret(Secret<[u8; BYTES]>);

impl TotpSecret {
    pub(super) fn generate() -> Result<Self, RandomnessError> {
        Ok(Self(Secret::new(random::bytes()?)))
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Secret::new(bytes.try_into().ok()?)))
    }

    pub(super) const fn bytes(&self) -> &[u8; BYTES] {
        self.0.expose()
    }

    /// As people type it: base32 (RFC 4648 6).
    pub(super) fn text(&self) -> Secret<String> {
        Secret::new(base32(self.bytes()))
    }

    /// What apps read from a QR code or a link. `issuer` is the gate's address.
    pub(super) fn uri(&self, issuer: &str, account: &str) -> Secret<String> {
        let place = issuer.split_once("://").map_or(issuer, |(_, place)| place);
        let encoded = |text: &str| {
            let mut out = String::with_capacity(text.len());
            push_encoded(&mut out, text);
            out
        };
        let (place, account) = (encoded(place), encoded(account));
        let secret = self.text();
        let secret = secret.expose();
        Secret::new(format!(
            "otpauth://totp/{place}:{account}?secret={secret}&issuer={place}&algorithm=SHA1&digits=6&period=30"
        ))
    }

    /// The step that a code is of, if it is of one about `now` that comes after `last`: no code counts twice (RFC 6238 5.2).
    pub(super) fn step_of(&self, code: &str, last: Option<u64>, now: Timestamp) -> Option<u64> {
        let code = Secret::new(digits(code)?);
        let here = step_at(now);
        let steps = here.saturating_sub(STEPS_OFF)..=here.saturating_add(STEPS_OFF);
        // All are compared, whichever fits.
        steps
            .filter(|step| Secret::new(self.code(*step)) == code)
            .fold(None, |_, step| Some(step))
            .filter(|step| last.is_none_or(|last| *step > last))
    }

    /// RFC 4226 5.3, the counter being the step.
    pub(super) fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.bytes());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let four = tag.iter().skip(offset).take(4);
        let number = four.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

fn step_at(now: Timestamp) -> u64 {
    u64::try_from(now.as_seconds().div_euclid(STEP_SECONDS)).unwrap_or_default()
}

/// Six digits, which people write with spaces.
fn digits(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// Base32 of what is a multiple of five bytes.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5);
    for five in bytes.chunks(5) {
        let number = five.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            let at = usize::try_from(number >> (5 * place) & 31).unwrap_or_default();
            text.extend(BASE32.get(at).map(|letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{TotpSecret, base32};
    use haechi_core::Timestamp;

    fn secret() -> TotpSecret {
        TotpSecret::of_bytes(b"12345678901234567890").unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, of which six digits are the last six of eight.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = Timestamp::from_seconds(seconds);
            let step = u64::try_from(seconds / 30).unwrap();
            assert_eq!(secret().step_of(code, None, at), Some(step), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_each_way_and_once() {
        let at = Timestamp::from_seconds;
        let code = "050471";
        let step = 1_111_111_111 / 30;
        let of = |seconds, last| secret().step_of(code, last, at(seconds));
        assert_eq!(of(1_111_111_111 + 30, None), Some(step));
        assert_eq!(of(1_111_111_111 - 30, None), Some(step));
        assert_eq!(of(1_111_111_111 + 60, None), None);
        assert_eq!(of(1_111_111_111 - 60, None), None);
        assert_eq!(of(1_111_111_111, Some(step - 1)), Some(step));
        assert_eq!(of(1_111_111_111, Some(step)), None, "twice");
        assert_eq!(of(1_111_111_111, Some(step + 1)), None, "an older one");
    }

    #[test]
    fn what_is_no_code_is_none() {
        let at = Timestamp::from_seconds(1_111_111_111);
        assert!(secret().step_of(" 050 471 ", None, at).is_some());
        for text in ["", "05047", "0504711", "05047a", "０５０４７１", "+50471", "050470"] {
            assert_eq!(secret().step_of(text, None, at), None, "{text}");
        }
    }

    #[test]
    fn apps_get_the_secret_in_base32() {
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret().uri("http://localhost:8080", "앨 리스").expose(),
            "otpauth://totp/localhost%3A8080:%EC%95%A8%20%EB%A6%AC%EC%8A%A4?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=localhost%3A8080&algorithm=SHA1&digits=6&period=30"
        );
    }
}
