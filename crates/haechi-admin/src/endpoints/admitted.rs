//! Authorization of the admin API: who changes something must be an administrator, who reads may be an auditor too.

use crate::Context;
use crate::context::Needs;
use crate::error::AdminError;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

/// Proof that the caller may change what the gate does.
pub(super) struct Operator;

/// Proof that the caller may see what the gate does.
pub(super) struct Reader;

impl FromRequestParts<Context> for Operator {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, AdminError> {
        admit(parts, context, Needs::Change).map(|()| Self)
    }
}

impl FromRequestParts<Context> for Reader {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, AdminError> {
        admit(parts, context, Needs::Read).map(|()| Self)
    }
}

fn admit(parts: &Parts, context: &Context, needs: Needs) -> Result<(), AdminError> {
    let mut given = parts.headers.get_all(AUTHORIZATION).iter();
    let token = match (given.next(), given.next()) {
        (Some(value), None) => bearer(value.as_bytes()),
        (None, _) => "",
        (Some(_), Some(_)) => return Err(AdminError::AmbiguousCredential),
    };
    let absent = !parts.headers.contains_key(AUTHORIZATION);
    context.operators.admit(token, needs).map_err(|refused| AdminError::of(refused, absent))
}

/// What stands after `Bearer `; empty where something else stands, which no token is.
fn bearer(value: &[u8]) -> &str {
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
            std::str::from_utf8(token).unwrap_or_default()
        }
        _ => "",
    }
}
