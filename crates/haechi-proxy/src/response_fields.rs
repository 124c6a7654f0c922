//! The header fields of a backend's response that go on to the client.

use crate::headers::{nominated, nominates};
use haechi_core::{FieldName, Fields};

/// The fields of a backend's answer without what ends at this hop, and what only we say.
pub(crate) fn end_to_end(mut fields: Fields) -> Fields {
    let nominating = nominates(&fields).then(|| fields.clone());
    fields.retain(|field| {
        let named = |sent: &Fields| nominated(sent).any(|option| option.eq_ignore_ascii_case(field.name));
        !field.known.is_hop_by_hop()
            && !matches!(field.known, FieldName::ContentLength | FieldName::RequestId)
            && !nominating.as_ref().is_some_and(named)
    });
    fields
}
