//! `passthrough`: the credential travels on untouched, and the service behind the gate verifies it.

use super::definition::OpenScheme;
use haechi_authn::schemes::passthrough;
use std::sync::Arc;

pub(super) const DEFINITION: OpenScheme = OpenScheme {
    word: passthrough::NAME,
    forwards_credentials: true,
    build: || Arc::new(passthrough::authenticator()),
};
