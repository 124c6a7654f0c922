//! Whom a certificate is about and who signed it. [`names`] is to be shown; [`distinguished_name`] can be compared.

use super::der::{INTEGER, SEQUENCE, VERSION, element};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;
/// `[3] EXPLICIT Extensions`.
const EXTENSIONS: u8 = 0xa3;
/// `subjectAltName`, 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// What people call the parts of a name, by their object identifiers.
const PARTS: [(&[u8], &str); 8] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x55, 0x04, 0x05], "serialNumber"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
];

/// The names in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Whom it is about, in the form of RFC 4514; empty where only `names` say.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// `subjectAltName`: DNS names, addresses, URIs and mail addresses.
    pub names: Vec<String>,
}

/// Reads them; `None` for what is no certificate.
pub fn names(der: &[u8]) -> Option<Names> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (body, _) = element(certificate, SEQUENCE)?;
    let rest = element(body, VERSION).map_or(body, |(_, rest)| rest);
    let (_, rest) = element(rest, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (issuer, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let (subject, rest) = element(rest, SEQUENCE)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    let names = alternative_names(rest).unwrap_or_default();
    Some(Names { subject: distinguished(subject), issuer: distinguished(issuer), names })
}

/// A distinguished name as text (RFC 4514), different for different names. `name` is the content of its `SEQUENCE`.
///
/// `None` for one that is empty, or holds what has no text of its own: other kinds of strings, bytes that are no text, control characters.
pub fn distinguished_name(mut name: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !name.is_empty() {
        let (set, rest) = element(name, SET)?;
        name = rest;
        parts.push(members(set)?.into_iter().map(exact).collect::<Option<Vec<_>>>()?.join("+"));
    }
    parts.reverse();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// To be shown: what cannot be read is left out or replaced.
pub(super) fn distinguished(mut name: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((set, rest)) = element(name, SET) {
        name = rest;
        let pairs = members(set).unwrap_or_default();
        let shown = pairs.into_iter().filter_map(|(identifier, value)| part(identifier, &text(value)?));
        parts.push(shown.collect::<Vec<_>>().join("+"));
    }
    // The last one first (RFC 4514 2.1).
    parts.reverse();
    parts.join(",")
}

/// Object identifiers and values, whole.
fn members(mut set: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut pairs = Vec::new();
    while !set.is_empty() {
        let (pair, rest) = element(set, SEQUENCE)?;
        set = rest;
        pairs.push(element(pair, OBJECT_IDENTIFIER)?);
    }
    Some(pairs)
}

fn exact((identifier, value): (&[u8], &[u8])) -> Option<String> {
    let (text, _) =
        [UTF8_STRING, PRINTABLE_STRING, IA5_STRING].into_iter().find_map(|tag| element(value, tag))?;
    let text = str::from_utf8(text).ok().filter(|text| !text.contains(char::is_control))?;
    part(identifier, text)
}

fn part(identifier: &[u8], text: &str) -> Option<String> {
    let known = PARTS.iter().find(|(known, _)| *known == identifier);
    let name = known.map_or_else(|| dotted(identifier), |(_, name)| (*name).to_owned());
    Some(format!("{name}={}", escaped(text)))
}

/// An object identifier as people write it (X.690 8.19).
fn dotted(identifier: &[u8]) -> String {
    let (mut numbers, mut number) = (Vec::new(), 0u64);
    for byte in identifier {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(std::mem::take(&mut number));
        }
    }
    let first = numbers.first().copied().unwrap_or_default();
    let top = (first / 40).min(2);
    let rest = numbers.iter().skip(1).copied();
    [top, first - top * 40].into_iter().chain(rest).map(|n| n.to_string()).collect::<Vec<_>>().join(".")
}

fn text(der: &[u8]) -> Option<String> {
    let of = |tag| element(der, tag).map(|(text, _)| text);
    if let Some(text) = of(BMP_STRING) {
        let units: Vec<u16> = text.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        return Some(String::from_utf16_lossy(&units));
    }
    let text = [UTF8_STRING, PRINTABLE_STRING, IA5_STRING, TELETEX_STRING].into_iter().find_map(of)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// RFC 4514 2.4, and nothing that a terminal takes for a command.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        let at_an_end = at == 0 || at + letter.len_utf8() == text.len();
        let special = matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=');
        if special || (letter == ' ' && at_an_end) || (letter == '#' && at == 0) {
            out.push('\\');
        }
        out.push(if letter.is_control() { '\u{fffd}' } else { letter });
    }
    out
}

fn alternative_names(mut rest: &[u8]) -> Option<Vec<String>> {
    // Unique identifiers may stand before the extensions.
    for tag in [0x81, 0xa1, 0x82, 0xa2] {
        rest = element(rest, tag).map_or(rest, |(_, rest)| rest);
    }
    let (extensions, _) = element(rest, EXTENSIONS)?;
    let (mut extensions, _) = element(extensions, SEQUENCE)?;
    while let Some((extension, rest)) = element(extensions, SEQUENCE) {
        extensions = rest;
        let (identifier, rest) = element(extension, OBJECT_IDENTIFIER)?;
        if identifier != ALTERNATIVE_NAMES {
            continue;
        }
        let rest = element(rest, BOOLEAN).map_or(rest, |(_, rest)| rest);
        let (value, _) = element(rest, OCTET_STRING)?;
        let (mut listed, _) = element(value, SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((&tag, _)) = listed.split_first() {
            let (name, rest) = element(listed, tag)?;
            listed = rest;
            names.extend(alternative_name(tag, name));
        }
        return Some(names);
    }
    None
}

/// `rfc822Name`, `dNSName`, `uniformResourceIdentifier` and `iPAddress` (RFC 5280 4.2.1.6).
fn alternative_name(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        0x81 | 0x82 | 0x86 => {
            let text = String::from_utf8_lossy(name);
            Some(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
        }
        0x87 => {
            let four = <[u8; 4]>::try_from(name).map(|bytes| IpAddr::from(Ipv4Addr::from(bytes)));
            let sixteen = <[u8; 16]>::try_from(name).map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)));
            four.or(sixteen).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{distinguished_name, dotted, escaped, names};

    /// DER of a short element.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn pair(kind: u8, tag: u8, text: &[u8]) -> Vec<u8> {
        der(0x30, &[der(0x06, &[0x55, 0x04, kind]), der(tag, text)].concat())
    }

    #[test]
    fn different_names_have_different_texts() {
        let common_name = |text: &str| der(0x31, &pair(3, 0x0c, text.as_bytes()));
        let unit = |text: &str| der(0x31, &pair(11, 0x13, text.as_bytes()));
        let all = [
            common_name("a"),
            [common_name("a"), unit("b")].concat(),
            [unit("b"), common_name("a")].concat(),
            common_name("a,OU=b"),
            common_name("a+OU=b"),
            der(0x31, &[pair(3, 0x0c, b"a"), pair(11, 0x0c, b"b")].concat()),
            common_name("a\\"),
            common_name(" a"),
            common_name("a "),
            common_name("#a"),
            common_name("관리자"),
        ];
        let texts: Vec<String> = all.iter().map(|name| distinguished_name(name).unwrap()).collect();
        let distinct: std::collections::BTreeSet<&String> = texts.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{texts:?}");
        assert_eq!(texts[1], "OU=b,CN=a");
        assert_eq!(texts[5], "CN=a+OU=b");
    }

    #[test]
    fn what_has_no_text_of_its_own_has_no_name() {
        for (tag, text) in [(0x0c, &b"\xff"[..]), (0x0c, b"a\0b"), (0x14, b"a"), (0x1e, b"\0a"), (0x04, b"a")]
        {
            assert_eq!(distinguished_name(&der(0x31, &pair(3, tag, text))), None, "{tag}");
        }
        assert_eq!(distinguished_name(b""), None);
        assert_eq!(distinguished_name(b"abc"), None);
    }

    #[test]
    fn identifiers_and_texts_are_written_as_people_write_them() {
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01]), "1.2.840.113549.1.9.1");
        assert_eq!(dotted(&[0x55, 0x04, 0x0d]), "2.5.4.13");
        assert_eq!(escaped("a, b\u{7}"), "a\\, b\u{fffd}");
        assert_eq!(names(b"\x30\x03abc"), None);
    }
}
