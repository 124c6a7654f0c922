//! The one thing that is read from DER here: modulus and exponent of an `RSAPublicKey` (RFC 8017 A.1.1).

use haechi_core::certificate::element;

/// Modulus and exponent, big-endian without leading zeros; `None` for anything else.
pub(crate) fn rsa_public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, rest) = element(der, 0x30)?;
    let (modulus, after) = element(body, 0x02)?;
    let (exponent, end) = element(after, 0x02)?;
    (rest.is_empty() && end.is_empty()).then(|| (magnitude(modulus), magnitude(exponent)))
}

fn magnitude(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|&&b| b == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::rsa_public_key;

    #[test]
    fn reads_two_integers_and_nothing_else() {
        let der = [0x30, 8, 0x02, 2, 0, 0x81, 0x02, 2, 1, 1];
        assert_eq!(rsa_public_key(&der), Some((&[0x81][..], &[1, 1][..])));
        assert_eq!(rsa_public_key(&der[..9]), None);
        assert_eq!(rsa_public_key(&[&der[..], &[0]].concat()), None);
        assert_eq!(rsa_public_key(&[0x31, 0]), None);
        assert_eq!(rsa_public_key(&[0x30, 0x85, 1, 1, 1, 1, 1]), None);
    }
}
