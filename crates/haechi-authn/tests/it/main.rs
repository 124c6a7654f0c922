//! What the authenticators promise, seen from outside.

mod jwt_cache;
mod jwt_refusals;
mod key_source;
mod support;
mod vectors;
