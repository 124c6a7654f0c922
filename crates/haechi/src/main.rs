//! haechi
mod config;
fn main() {}
