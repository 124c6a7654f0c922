//! Which of the languages that pages are written in a request prefers (RFC 9110 12.5.4).

use crate::Fields;

/// Whether Korean is preferred to English. Whoever names both alike, or neither, reads English.
pub fn prefers_korean(fields: &Fields) -> bool {
    let values = fields.iter().filter(|field| field.name == b"accept-language");
    let (mut english, mut korean) = (None, None);
    for range in values.flat_map(|field| field.value.split(|&byte| byte == b',')) {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let tag = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix(b"q=")).map_or(Some(1000), weight);
        let primary = tag.split(|&byte| byte == b'-').next().unwrap_or_default();
        let of = match primary {
            name if name.eq_ignore_ascii_case(b"ko") => &mut korean,
            name if name.eq_ignore_ascii_case(b"en") => &mut english,
            _ => continue,
        };
        *of = (*of).max(weight);
    }
    korean.unwrap_or(0) > english.unwrap_or(0)
}

/// A weight in thousandths (RFC 9110 12.4.2); `None` for what is none.
fn weight(text: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(text).ok()?;
    let value: f32 = text.parse().ok().filter(|value| (0.0..=1.0).contains(value))?;
    Some((value * 1000.0) as u16)
}
