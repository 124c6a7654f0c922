//! The header fields of a backend's response that go on to the client.

use crate::headers::{nominated, nominates};
use crate::identity_headers::IdentityHeaders;
use haechi_core::{FieldName, Fields};

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
