//! Response headers: which header fields of a backend's response go on to the client.

use crate::headers::{nominated, nominates};
use crate::identity_headers::IdentityHeaders;
use haechi_core::{FieldName, Fields};

const CACHE_CONTROL: &[u8] = b"cache-control";

/// Keeps an answer to one caller out of caches that others share (RFC 9111 5.2.2.7), unless the backend has said who may keep it.
pub(crate) fn add_private(fields: &mut Fields) {
    let (mut is_there, mut decided) = (false, false);
    for field in fields.iter().filter(|field| field.name == CACHE_CONTROL) {
        is_there = true;
        decided |= field.value.split(|&b| b == b',').any(says_who_may_keep);
    }
    if decided {
        return;
    }
    if !is_there {
        return fields.push(CACHE_CONTROL, b"private");
    }
    // One field, for caches that read only the first.
    let mut value = Vec::with_capacity(64);
    for field in fields.iter().filter(|field| field.name == CACHE_CONTROL && !field.value.is_empty()) {
        value.extend_from_slice(field.value);
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(b"private");
    fields.retain(|field| field.name != CACHE_CONTROL);
    fields.push(CACHE_CONTROL, &value);
}

/// Whether a directive of `Cache-Control` is about whether caches that others share may keep the answer.
fn says_who_may_keep(directive: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"public", b"private", b"no-store", b"s-maxage"];
    let name = directive.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii();
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The fields of a backend's answer without what ends at this hop, what only we say, and what the service's words between gate and backend are.
pub(crate) fn end_to_end(mut fields: Fields, headers: &IdentityHeaders) -> Fields {
    let nominating = nominates(&fields).then(|| fields.clone());
    fields.retain(|field| {
        let named = |sent: &Fields| nominated(sent).any(|option| option.eq_ignore_ascii_case(field.name));
        !field.known.is_hop_by_hop()
            && !matches!(field.known, FieldName::ContentLength | FieldName::RequestId | FieldName::Misspelled)
            && headers.lets_out(field.name)
            && !nominating.as_ref().is_some_and(named)
    });
    fields
}

#[cfg(test)]
mod tests {
    use super::add_private;
    use haechi_core::Fields;

    fn after(values: &[&str]) -> Vec<String> {
        let mut fields = Fields::default();
        values.iter().for_each(|value| fields.push(b"cache-control", value.as_bytes()));
        fields.push(b"etag", b"1");
        add_private(&mut fields);
        let all = fields.iter().filter(|field| field.name == b"cache-control");
        all.map(|field| String::from_utf8(field.value.to_vec()).unwrap()).collect()
    }

    #[test]
    fn private_is_added_unless_the_backend_says_who_may_keep_it() {
        assert_eq!(after(&[]), ["private"]);
        assert_eq!(after(&[""]), ["private"]);
        assert_eq!(after(&["max-age=60"]), ["max-age=60, private"]);
        assert_eq!(after(&["max-age=60", "no-cache"]), ["max-age=60, no-cache, private"]);
        assert_eq!(after(&["x-public=1, publicly"]), ["x-public=1, publicly, private"]);
        for value in [
            "public",
            "PUBLIC, max-age=1",
            "max-age=1 , private",
            "private=\"a, b\"",
            "no-store",
            "s-maxage=9",
        ] {
            assert_eq!(after(&[value]), [value]);
        }
        assert_eq!(after(&["max-age=1", "public"]), ["max-age=1", "public"], "any of the fields says it");
    }
}
