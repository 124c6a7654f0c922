//! W3C Trace Context, level 1: a valid `traceparent` is continued under a span of ours, anything else is replaced.

use haechi_core::id::hex16;
use haechi_core::{FieldName, Fields};

/// The trace that a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: [u8; 32],
    /// The client's span, where the trace is the client's.
    parent: [u8; 16],
    /// Whether the trace is being recorded.
    pub(crate) sampled: bool,
    /// Whether the client's `tracestate` goes with it.
    pub(crate) continued: bool,
}

impl Trace {
    /// Continues the client's trace, or begins one with `fresh` (32 lower-case hex digits, not all zero), which is recorded if `sampled` says so.
    /// A trace that is continued is recorded if the client's is.
    pub(crate) fn of(fields: &Fields, fresh: [u8; 32], sampled: impl FnOnce() -> bool) -> Self {
        let sent = fields.sole(FieldName::TraceParent).ok().flatten();
        let begin = || Self { id: fresh, parent: [b'0'; 16], sampled: sampled(), continued: false };
        sent.and_then(parse).unwrap_or_else(begin)
    }

    /// The trace's id.
    pub(crate) fn id(&self) -> u128 {
        self.id.iter().fold(0, |id, digit| (id << 4) | u128::from(nibble(*digit)))
    }

    /// The client's span; none where the trace begins here.
    pub(crate) fn parent(&self) -> Option<u64> {
        let parent = self.parent.iter().fold(0, |id, digit| (id << 4) | u64::from(nibble(*digit)));
        self.continued.then_some(parent)
    }

    /// Appends the value of the `traceparent` field that the backend gets.
    pub(crate) fn write(&self, out: &mut Vec<u8>, span: u64) {
        out.extend_from_slice(b"00-");
        out.extend_from_slice(&self.id);
        out.push(b'-');
        out.extend_from_slice(&hex16(span.max(1)));
        out.extend_from_slice(if self.sampled { b"-01" } else { b"-00" });
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
    let sampled = nibble(*flags.last()?) & 1 == 1;
    let (id, parent) = (id.try_into().ok()?, parent.try_into().ok()?);
    legal.then_some(Trace { id, parent, sampled, continued: true })
}

/// The value of a lower-case hex digit.
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
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
        Trace::of(&fields, FRESH, || false).write(&mut out, 0xab);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_valid_trace_goes_on_under_our_span() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(continued(&[sent]), "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000ab-01");
    }

    #[test]
    fn what_is_recorded_is_the_clients_word_and_else_ours() {
        let trace = |sent: Option<&str>, ours: bool| {
            let mut fields = Fields::default();
            sent.into_iter().for_each(|value| fields.push(b"traceparent", value.as_bytes()));
            Trace::of(&fields, FRESH, || ours)
        };
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("0b", true)] {
            let sent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            let continued = trace(Some(&sent), !sampled);
            assert_eq!(continued.sampled, sampled, "{flags}");
            assert_eq!(continued.id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
            assert_eq!(continued.parent(), Some(0x00f0_67aa_0ba9_02b7));
        }
        let begun = trace(None, true);
        assert_eq!((begun.sampled, begun.parent(), begun.id()), (true, None, u128::MAX / 15));
        assert!(!trace(None, false).sampled);
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
