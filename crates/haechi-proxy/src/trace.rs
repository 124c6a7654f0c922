//! W3C Trace Context, level 1: a valid `traceparent` is continued under a span of ours, anything else is replaced.

use haechi_core::{FieldName, Fields};

/// The trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: [u8; 32],
    sampled: u8,
    /// Whether the client's `tracestate` goes with it.
    pub(crate) continued: bool,
}

impl Trace {
    /// Continues the client's trace, or begins one with `fresh` (32 lower-case hex digits, not all zero).
    pub(crate) fn of(fields: &Fields, fresh: [u8; 32]) -> Self {
        let sent = fields.sole(FieldName::TraceParent).ok().flatten();
        sent.and_then(parse).unwrap_or(Self { id: fresh, sampled: b'0', continued: false })
    }

    /// Appends the value of the `traceparent` field that the backend gets.
    pub(crate) fn write(&self, out: &mut Vec<u8>, span: u64) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        out.extend_from_slice(b"00-");
        out.extend_from_slice(&self.id);
        out.push(b'-');
        out.extend((0..16).rev().filter_map(|place| HEX.get(((span.max(1) >> (4 * place)) & 0xf) as usize)));
        out.extend_from_slice(b"-0");
        out.push(self.sampled);
    }
}

/// `version "-" trace-id "-" parent-id "-" flags`; later versions may have more behind.
fn parse(value: &[u8]) -> Option<Trace> {
    let (version, id, parent, flags) =
        (value.get(..2)?, value.get(3..35)?, value.get(36..52)?, value.get(53..55)?);
    let dashes = [2, 35, 52].iter().all(|&at| value.get(at) == Some(&b'-'));
    let length_fits =
        if version == b"00" { value.len() == 55 } else { matches!(value.get(55), None | Some(b'-')) };
    let lower_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &[u8]| part.iter().all(|&b| b == b'0');
    let legal = dashes
        && length_fits
        && version != b"ff"
        && [version, id, parent, flags].into_iter().all(lower_hex)
        && !zero(id)
        && !zero(parent);
    let sampled = char::from(*flags.last()?).to_digit(16)? & 1;
    legal.then_some(Trace { id: id.try_into().ok()?, sampled: b'0' + sampled as u8, continued: true })
}

#[cfg(test)]
mod tests {
    use super::Trace;
    use haechi_core::Fields;

    const FRESH: [u8; 32] = *b"11111111111111111111111111111111";

    fn continued(values: &[&str]) -> String {
        let mut fields = Fields::default();
        for value in values {
            fields.push(b"traceparent", value.as_bytes());
        }
        let mut out = Vec::new();
        Trace::of(&fields, FRESH).write(&mut out, 0xab);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_valid_trace_goes_on_under_our_span() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(continued(&[sent]), "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01");
    }

    #[test]
    fn anything_else_begins_a_new_one() {
        let fresh = "00-11111111111111111111111111111111-00000000000000ab-00";
        for sent in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(continued(&[sent]), fresh, "{sent}");
        }
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(continued(&[good, good]), fresh);
    }
}
