//! The header fields of a backend's response that go on to the client.

use haechi_core::{FieldName, Fields};

/// The fields of a backend's answer without what ends at this hop, and what only we say.
pub(crate) fn end_to_end(sent: &Fields) -> Fields {
    let mut fields = Fields::with_capacity(sent.len() + 2, 512);
    let nominated = |name: &[u8]| {
        let options = sent.all(FieldName::Connection).flat_map(|value| value.split(|&b| b == b','));
        options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(name))
    };
    let has_connection = sent.has(FieldName::Connection);
    for field in sent.iter() {
        let ends_here = field.known.is_hop_by_hop()
            || matches!(field.known, FieldName::ContentLength | FieldName::RequestId)
            || (has_connection && nominated(field.name));
        if !ends_here {
            fields.push(field.name, field.value);
        }
    }
    fields
}
