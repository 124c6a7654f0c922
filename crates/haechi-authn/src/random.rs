//! Random names and secrets.

use aws_lc_rs::rand::fill;

/// The machine gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read random bytes from the system")]
pub struct RandomnessError;

/// 128 random bits in hex: an id that is never given twice.
pub(crate) fn id() -> Result<String, RandomnessError> {
    let bits: [u8; 16] = bytes()?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Random bytes from the operating system.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let mut out = [0; N];
    fill(&mut out).map_err(|_| RandomnessError)?;
    Ok(out)
}

/// In lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256, for what is random already.
pub(crate) fn sha256(text: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
    let mut out = [0; 32];
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}
