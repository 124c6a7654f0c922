//! Scripts that drive Chromium (Debian's package): `e2e/chromium`.

use super::packages::with_packages;
use std::path::{Path, PathBuf};

/// The scripts with their packages.
pub(crate) fn scripts() -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/chromium");
    let files = ["package.json", "browser.mjs", "pages.mjs", "passkeys.mjs", "oidc.mjs", "console.mjs"];
    let folder = with_packages("e2e-chromium", &scripts, &files, "otpauth");
    std::fs::create_dir_all(folder.join("screenshots")).unwrap();
    folder
}
