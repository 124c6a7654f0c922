//! Tokens: what names of fields, methods, cookies and the like are made of (RFC 9110 5.6.2).

/// Whether the byte may stand in a token (`tchar`).
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether the text is a token: not empty, and only such bytes.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Whether a field value reads alike everywhere: visible ASCII and the space.
pub fn is_printable(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::{is_token, is_token_byte};

    #[test]
    fn tokens_have_no_delimiter_space_or_control_character() {
        let delimiters = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_graphic() && !delimiters.contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte}");
        }
        assert!(is_token(b"x-a") && !is_token(b"") && !is_token(b"x a"));
    }
}
