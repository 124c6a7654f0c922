//! The one style and the one script, below names that change with them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::LazyLock;

/// What browsers are given.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Where it is.
pub(crate) static STYLE_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/console/assets/{}.css", hash(STYLE)));

/// What shows decisions as they are made. Everything else works without script.
pub(crate) const LIVE: &str = include_str!("live.js");

/// Where it is.
pub(crate) static LIVE_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/console/assets/{}.js", hash(LIVE)));

fn hash(text: &str) -> String {
    let mut hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()).as_ref());
    hash.truncate(16);
    hash
}
