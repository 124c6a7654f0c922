//! `anonymous`: everybody may come, and nobody is asked who they are.

use super::definition::OpenScheme;
use haechi_authn::schemes::anonymous;
use std::sync::Arc;

pub(super) const DEFINITION: OpenScheme = OpenScheme {
    word: anonymous::NAME,
    forwards_credentials: false,
    build: || Arc::new(anonymous::authenticator()),
};
