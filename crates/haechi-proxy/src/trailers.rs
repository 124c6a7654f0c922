//! Trailer fields of a backend's response: which of them may stand behind a body (RFC 9110 6.5.1).

use crate::identity_headers::IdentityHeaders;
use haechi_core::fields::Field;
use haechi_core::{FieldName, Fields};

/// What a recipient decides by before the body, or what only we say: behind the body it would come too late, or forged.
const NEVER: [&[u8]; 23] = [
    b"age",
    b"allow",
    b"alt-svc",
    b"authentication-info",
    b"authentication-control",
    b"cache-control",
    b"clear-site-data",
    b"content-disposition",
    b"content-range",
    b"content-security-policy",
    b"expires",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authentication-info",
    b"proxy-status",
    b"range",
    b"refresh",
    b"retry-after",
    b"set-cookie",
    b"strict-transport-security",
    b"vary",
    b"warning",
];

/// The trailer fields that are passed on; `None` where none is.
pub(crate) fn passed_on(sent: &Fields) -> Option<Fields> {
    let mut fields = Fields::default();
    for field in sent.iter().filter(may_pass) {
        fields.push(field.name, field.value);
    }
    (!fields.is_empty()).then_some(fields)
}

/// Whether the client said that it takes trailer fields (RFC 9110 10.1.4).
pub(crate) fn accepted(request: &Fields) -> bool {
    // `TE` is one of the fields that end here; most requests have none of them.
    request.has(FieldName::HopByHop)
        && request
            .iter()
            .filter(|field| field.name == b"te")
            .flat_map(|field| field.value.split(|&b| b == b','))
            .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn may_pass(field: &Field<'_>) -> bool {
    // A name that the gate decides by has no place behind a body.
    field.known == FieldName::Other
        && !NEVER.contains(&field.name)
        && !field.name.starts_with(b"access-control-")
        && IdentityHeaders::default().lets_out(field.name)
}

#[cfg(test)]
mod tests {
    use super::{accepted, passed_on};
    use haechi_core::Fields;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    #[test]
    fn only_what_decides_nothing_passes() {
        for name in [
            "Content-Length",
            "Transfer-Encoding",
            "Trailer",
            "Connection",
            "Set-Cookie",
            "X-Request-Id",
            "X-Auth-Subject",
            "X-Auth-Anything",
            "X-Accel-Redirect",
            "Authorization",
            "WWW-Authenticate",
            "Cache-Control",
            "Content-Type",
            "Access-Control-Allow-Origin",
            "Location",
        ] {
            assert!(passed_on(&fields(&[(name, "x")])).is_none(), "{name}");
        }
        let sent = fields(&[("grpc-status", "0"), ("set-cookie", "a=b"), ("Server-Timing", "db;dur=1")]);
        let passed = passed_on(&sent).unwrap();
        let names: Vec<_> = passed.iter().map(|field| field.name).collect();
        assert_eq!(names, [&b"grpc-status"[..], b"server-timing"]);
    }

    #[test]
    fn te_says_whether_they_are_wanted() {
        assert!(accepted(&fields(&[("TE", "gzip;q=0.5, Trailers")])));
        for other in [&[("TE", "gzip")][..], &[("Trailer", "trailers")], &[("X-TE", "trailers")], &[]] {
            assert!(!accepted(&fields(other)), "{other:?}");
        }
    }
}
