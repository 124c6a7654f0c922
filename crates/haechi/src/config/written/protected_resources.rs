//! `protected_resources`: what clients are told of resources before they have a token.

use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::ScopeName;
use haechi_core::PathPattern;
use reqwest::Url;

record! {
    "a protected resource"
    /// A resource of which clients are told where to get tokens for it: everything below a path (RFC 9728).
    struct ProtectedResource {
        /// Below which path it is, such as `/mcp`; `/` for the whole site.
        required path as "path": At<PathPattern>,
        /// The issuers of tokens for it. Those whose tokens the routes below the path take, where this is left out.
        optional authorization_servers as "authorization_servers": At<Vec<At<Url>>>,
        /// The scopes that clients may need.
        default scopes as "scopes": Vec<ScopeName> = Vec::new(),
        /// What people call it.
        optional name as "name": String,
        /// Where people read about it.
        optional documentation as "documentation": Url,
    }
}
