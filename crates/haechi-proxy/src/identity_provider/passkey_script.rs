//! The one script that pages with passkeys need: a file of its own, named by its hash, because the pages run nothing inline.

use aws_lc_rs::digest::{SHA256, digest};
use std::sync::LazyLock;

/// The script.
pub(super) const SCRIPT: &str = include_str!("passkey.js");

/// What the script is called, below the provider's path: another one has another name, so browsers may keep it for ever.
static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = digest(&SHA256, SCRIPT.as_bytes());
    let hex: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("passkey-{hex}.js")
});

/// What the script is called, below the provider's path.
pub fn passkey_script() -> &'static str {
    &SCRIPT_NAME
}
