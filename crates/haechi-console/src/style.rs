//! The one style, below a name that changes with it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::LazyLock;

/// What browsers are given.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Where it is.
pub(crate) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    format!("/console/assets/{}.css", hash.get(..16).unwrap_or(&hash))
});
