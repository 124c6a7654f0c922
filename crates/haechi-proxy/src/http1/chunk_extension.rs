//! Chunk extensions (RFC 9112 7.1.1): read by their grammar, so that nobody could find the end of the line elsewhere.

use haechi_core::token::is_token_byte;

/// Whether what follows a chunk's size is `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` and nothing else.
pub(super) fn is_well_formed(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(after) = blank(rest).strip_prefix(b";") else { return false };
        let Some(after) = token(blank(after)) else { return false };
        rest = after;
        if let Some(value) = blank(rest).strip_prefix(b"=") {
            let value = blank(value);
            let Some(after) = quoted(value).or_else(|| token(value)) else { return false };
            rest = after;
        }
    }
    true
}

/// Without the white space at its front.
fn blank(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// What follows a token.
fn token(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|&b| !is_token_byte(b)).unwrap_or(text.len());
    if end == 0 { None } else { text.get(end..) }
}

/// What follows a quoted string (RFC 9110 5.6.4).
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = match byte {
            b'"' => return Some(after),
            b'\\' => after.split_first().filter(|(escaped, _)| is_text(**escaped)).map(|(_, after)| after)?,
            _ if is_text(byte) => after,
            _ => return None,
        };
    }
}

const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::is_well_formed;

    #[test]
    fn the_grammar_and_nothing_else_is_taken() {
        for legal in [
            "",
            ";a",
            ";a=b",
            " ; a = b\t;c",
            ";chunk-signature=0123456789abcdef",
            ";a=\"b;c \\\" d\"",
            ";a=\"\";b",
            ";ieof",
        ] {
            assert!(is_well_formed(legal.as_bytes()), "{legal:?}");
        }
        for odd in [
            " ",
            ";",
            ";;",
            ";a;",
            ";=b",
            ";a=",
            "a",
            " a",
            ";a b",
            ";a=b c",
            ";a=\"b",
            ";a=\"b\\",
            ";a=\"b\"c",
            ";a\r",
            ";a=\"\r\"",
            ";a=\"\0\"",
            ";a=\u{7f}",
            ";a=\"b\" ",
            "\t",
            "x1",
        ] {
            assert!(!is_well_formed(odd.as_bytes()), "{odd:?}");
        }
    }
}
