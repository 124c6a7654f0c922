//! The admin API: where it is, and who may call it.

use super::listener_tls::ListenerTls;
use crate::config::defaults::{self, ApprovalLifetime, Approvals};
use crate::config::record::record;
use crate::config::source::At;
use crate::config::value::{Identifier, PolicyPattern, RoleName};
use haechi_core::Host;
use std::net::SocketAddr;

record! {
    "`admin`"
    /// The admin API, and the probes `/livez`, `/readyz`, `/metrics`. Needs `bind`, `socket`, or both.
    struct Admin {
        /// An IP address and a port. Elsewhere than on loopback it needs `tls`, and somebody who may call.
        optional bind as "bind": At<SocketAddr>,
        /// A Unix socket, made with the mode 0600: whoever may open it is an administrator and needs no token. Relative to the configuration's folder.
        optional socket as "socket": At<String>,
        /// Speaks TLS at `bind`: certificates, and which clients must show one.
        optional tls as "tls": At<ListenerTls>,
        /// Names under which the admin API may be called at `bind`, besides those of its certificates; on loopback, besides `localhost`. An IP address may always stand for it.
        default hosts as "hosts": Vec<At<Host>> = Vec::new(),
        /// Who may do everything, besides those with the built-in role `haechi-admin`.
        default administrators as "administrators": Vec<OperatorRole> = Vec::new(),
        /// Who may look at everything, besides those with the built-in role `haechi-auditor`.
        default auditors as "auditors": Vec<OperatorRole> = Vec::new(),
        /// Cedar policy files that narrow what administrators and auditors may do. `*` stands for any part of a file's name. `haechi schema cedar --admin` prints what they may speak of.
        optional policies as "policies": Vec<At<PolicyPattern>>,
        /// Whether `/console` at `bind` shows pages to people with the built-in roles, who log in as users of `identity`. Needs both.
        optional console as "console": At<bool>,
        /// Whether whoever may change things here may have the gate write another configuration into its own file. It is checked first, and put into force or taken back.
        optional write_config as "write_config": At<bool>,
        /// How many people it takes to change the configuration by call, to change a policy of the store, or to erase what the audit trail has of a person: with 2, somebody else must agree to what one asks for. Needs `store`.
        optional approvals as "approvals": At<Approvals>,
        /// How long a change waits for the second person.
        default approval_lifetime as "approval_lifetime": ApprovalLifetime = defaults::APPROVAL_LIFETIME,
    }
}

record! {
    "who may call the admin API"
    /// A role as an authenticator gives it, whose holders may call the admin API.
    struct OperatorRole {
        /// The authenticator that must vouch for it.
        required authenticator as "authenticator": At<Identifier>,
        /// The role, as the authenticator's `claims` and `role_map` give it. It need not stand under `roles`, unless the authenticator knows users or keys of the store.
        required role as "role": At<RoleName>,
    }
}
