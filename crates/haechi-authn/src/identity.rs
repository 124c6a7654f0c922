//! The embedded identity provider, without its HTTP: users, passwords, sessions, tokens and keys.

pub(crate) mod passwords;

pub use passwords::{Lockout, PasswordRefused, PasswordVerifier};
