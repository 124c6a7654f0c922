//! The calls. One table says of each its address, who may make it, what it takes and gives, and under which name it is written to the audit trail: the
//! server, the OpenAPI document and the tests go by it.

mod approvals;
mod audit;
mod clients;
mod config;
mod decision_stream;
mod decisions;
mod imports;
mod inspection;
mod keys;
mod policies;
mod probes;
mod sessions;
mod signing_keys;
mod tokens;
mod topology;
mod users;

use crate::operation::{Method, Operation, edit, guarded, read, watch, write};

/// Every call.
pub const OPERATIONS: &[Operation] = &[
    read!(live, Nothing, Get "/livez", probes::live, "Whether the process runs"),
    read!(ready, Nothing, Get "/readyz", probes::ready, "Whether every part that requests depend on can do its work"),
    read!(metrics, Nothing, Get "/metrics", probes::metrics, "Metrics, in the Prometheus text format"),
    read!(openapi, Read, Get "/api/v1/openapi.json", probes::openapi, "This document"),
    write!(reload_config, "config.reload", Post "/api/v1/config/reload", config::reload, "Read the configuration again and put it into force, whole or not at all"),
    read!(validate_config, Change, Post "/api/v1/config/validate", config::validate, "Say what a reload of the body would find wrong; nothing changes"),
    read!(show_config, Read, Get "/api/v1/config", config::show, "Show the configuration in force, with secrets starred"),
    guarded!(apply_config, "config.apply", Put "/api/v1/config", config::apply, "Write the body into the configuration's file and put it into force, or leave both as they were"),
    read!(diff_config, Change, Post "/api/v1/config/diff", config::diff, "Say which access the body would add and remove, with an example each; nothing changes"),
    read!(replay_config, Change, Post "/api/v1/config/replay", config::replay, "Say which of the decisions that were recorded lately would come out otherwise with the body; nothing changes"),
    read!(prove_config, Change, Post "/api/v1/config/prove", config::prove, "Say whether the properties that the body names are true of it, with a counterexample where not; nothing changes"),
    read!(test_config, Change, Post "/api/v1/config/test", config::test, "Say what becomes of cases under a configuration; nothing changes"),
    read!(list_config_history, Read, Get "/api/v1/config/history", config::history, "List the configurations that were in force, newest first"),
    read!(show_kept_config, Read, Get "/api/v1/config/history/{sha256}", config::kept, "Show a configuration that was in force, with secrets starred"),
    read!(explain_request, Read, Post "/api/v1/explain", inspection::explain, "Say what becomes of a request that nobody has sent, and why"),
    read!(show_matrix, Read, Get "/api/v1/matrix", inspection::matrix, "Show who may do what: routes and methods by kinds of callers"),
    read!(show_matrix_cell, Read, Get "/api/v1/matrix/cell", inspection::cell, "Prove what stands in a cell of the matrix: that nobody of the kind passes or that everybody does, or an example"),
    read!(who_can, Read, Get "/api/v1/who-can", inspection::who_can, "List the roles, users, API keys and clients that may make a request"),
    read!(list_issuers, Read, Get "/api/v1/issuers", inspection::issuers, "List where the keys of each authenticator come from, and how they are"),
    read!(list_certificates, Read, Get "/api/v1/certificates", inspection::certificates, "List the certificates of the configuration in force"),
    read!(search_audit, Read, Get "/api/v1/audit", audit::search, "Search the audit trail, newest records first"),
    read!(verify_audit, Read, Post "/api/v1/audit/verify", audit::verify, "Say whether anything in the audit trail was removed, added, altered or moved"),
    read!(review_access, Read, Get "/api/v1/review", audit::review, "Say which access and which accounts nobody used, by the audit trail, and which change takes unused roles away"),
    write!(export_subject, "subject.export", Get "/api/v1/audit/export", audit::export, "Give everything that the audit trail has about a person, as JSON lines. That it was given is on record"),
    write!(erase_subject, "subject.erase", Post "/api/v1/audit/erase", audit::erase, "Destroy the key of a person: what the audit trail has of them cannot be read any more"),
    read!(list_policies, Read, Get "/api/v1/policies", policies::list, "List the policies of files, and those of the store"),
    read!(show_policy, Read, Get "/api/v1/policies/{name}", policies::show, "Show a policy with its text"),
    guarded!(put_policy, "policy.put", Put "/api/v1/policies/{name}", policies::put, "Put a policy into the store, for all nodes, or give it another text. It counts when it is valid and every property is proved"),
    guarded!(delete_policy, "policy.delete", Delete "/api/v1/policies/{name}", policies::delete, "Take a policy of the store out of force, on all nodes. Its versions are kept"),
    read!(list_policy_versions, Read, Get "/api/v1/policies/{name}/versions", policies::versions, "List all versions of a policy of the store, newest first"),
    read!(show_policy_version, Read, Get "/api/v1/policies/{name}/versions/{version}", policies::version, "Show a version of a policy of the store"),
    guarded!(rollback_policy, "policy.rollback", Post "/api/v1/policies/{name}/rollback", policies::rollback, "Give a policy of the store the text of an earlier version, as a version of its own"),
    read!(list_approvals, Read, Get "/api/v1/approvals", approvals::list, "List changes that wait for a second person, and those that were decided, newest first"),
    read!(show_approval, Read, Get "/api/v1/approvals/{id}", approvals::show, "Show a change that waits for a second person, or was decided"),
    write!(approve_change, "approval.approve", Post "/api/v1/approvals/{id}/approve", approvals::approve, "Agree to a change that somebody else asked for. It is checked again, and made"),
    write!(reject_change, "approval.reject", Delete "/api/v1/approvals/{id}", approvals::reject, "Say no to a change that waits, or take one back"),
    read!(list_decisions, Read, Get "/api/v1/decisions", decisions::list, "List the decisions that were made lately, newest first"),
    read!(list_shadow_decisions, Read, Get "/api/v1/decisions/shadow", decisions::shadow, "List one decision for each way in which shadow policies would change what happens"),
    watch!(stream_decisions, Read, Get "/api/v1/decisions/stream", decision_stream::stream, "Give decisions as they are made, as server-sent events, for as long as the caller may see them"),
    read!(show_decision, Read, Get "/api/v1/decisions/{id}", decisions::one, "Show one decision"),
    read!(list_routes, Read, Get "/api/v1/routes", topology::routes, "List routes by name"),
    read!(show_route, Read, Get "/api/v1/routes/{name}", topology::route, "Show a route"),
    read!(list_services, Read, Get "/api/v1/services", topology::services, "List services by name, with their endpoints as this process knows them"),
    read!(show_service, Read, Get "/api/v1/services/{name}", topology::service, "Show a service and its endpoints as this process knows them"),
    write!(set_endpoint_state, "endpoint.set_state", Put "/api/v1/services/{name}/endpoints/{id}/state", topology::set_endpoint_state, "Keep new requests from an endpoint, in this process, or let them come again"),
    read!(list_users, Read, Get "/api/v1/users", users::list, "List users by name"),
    write!(add_user, "user.add", Post "/api/v1/users", users::add, "Add a user"),
    read!(show_user, Read, Get "/api/v1/users/{name}", users::show, "Show a user"),
    edit!(delete_user, "user.delete", Delete "/api/v1/users/{name}", users::delete, "Delete a user and log the user out"),
    edit!(set_user_roles, "user.set_roles", Put "/api/v1/users/{name}/roles", users::set_roles, "Replace a user's roles. A user who loses one is logged out"),
    edit!(set_user_attributes, "user.set_attributes", Put "/api/v1/users/{name}/attributes", users::set_attributes, "Replace a user's attributes and log the user out"),
    edit!(set_user_password, "user.set_password", Put "/api/v1/users/{name}/password", users::set_password, "Replace a user's password and log the user out"),
    edit!(set_user_state, "user.set_state", Put "/api/v1/users/{name}/state", users::set_state, "Disable a user, who is logged out, or enable the user again"),
    edit!(unlock_user, "user.unlock", Post "/api/v1/users/{name}/unlock", users::unlock, "Let a user log in again who failed too often"),
    edit!(remove_passkeys, "user.remove_passkeys", Delete "/api/v1/users/{name}/passkeys", users::remove_passkeys, "Take all of a user's passkeys away, for whoever has lost a device, and log the user out"),
    edit!(remove_second_factor, "user.remove_second_factor", Delete "/api/v1/users/{name}/second-factor", users::remove_second_factor, "Take a user's second factor away, for whoever has lost it, and log the user out"),
    write!(import_users, "user.import", Post "/api/v1/users/import", imports::users, "Add users who come from elsewhere with the hashes of their passwords, all of them or none"),
    write!(export_users, "user.export", Post "/api/v1/users/export", imports::exported_users, "Give users by name with the hashes of their passwords. That they were given is on record"),
    write!(import_keys, "key.import", Post "/api/v1/keys/import", imports::keys, "Add API keys that another gateway has given out, all of them or none. They keep working as they are"),
    read!(list_keys, Read, Get "/api/v1/keys", keys::list, "List API keys, newest first"),
    write!(create_key, "key.create", Post "/api/v1/keys", keys::create, "Create an API key. Its secret is shown in this answer and never again"),
    read!(show_key, Read, Get "/api/v1/keys/{id}", keys::show, "Show an API key"),
    edit!(rotate_key, "key.rotate", Post "/api/v1/keys/{id}/rotate", keys::rotate, "Give an API key a new secret, which is shown in this answer and never again"),
    edit!(revoke_key, "key.revoke", Post "/api/v1/keys/{id}/revoke", keys::revoke, "Revoke an API key for good, on every node within 5 s"),
    read!(list_sessions, Read, Get "/api/v1/sessions", sessions::list, "List the newest logins that can be refreshed"),
    write!(end_session, "session.end", Delete "/api/v1/sessions/{id}", sessions::end, "End a login, on every node within 5 s"),
    edit!(end_user_sessions, "session.end_all", Delete "/api/v1/users/{name}/sessions", sessions::end_of_user, "End all logins of a user, on every node within 5 s"),
    read!(list_clients, Read, Get "/api/v1/clients", clients::list, "List machine clients by name"),
    write!(add_client, "client.add", Post "/api/v1/clients", clients::add, "Add a machine client. Its secret is shown in this answer and never again"),
    read!(show_client, Read, Get "/api/v1/clients/{id}", clients::show, "Show a machine client"),
    edit!(rotate_client, "client.rotate", Post "/api/v1/clients/{id}/rotate", clients::rotate, "Give a machine client a new secret, which is shown in this answer and never again, or other public keys"),
    edit!(delete_client, "client.delete", Delete "/api/v1/clients/{id}", clients::delete, "Delete a machine client; its access tokens stop working within 5 s"),
    read!(inspect_token, Read, Post "/api/v1/tokens/inspect", tokens::inspect, "Say what an access token says, and whether it works"),
    write!(revoke_token, "token.revoke", Post "/api/v1/tokens/revoke", tokens::revoke, "Revoke one access token, on every node within 5 s"),
    read!(list_signing_keys, Read, Get "/api/v1/signing-keys", signing_keys::list, "List the keys that tokens are signed with, oldest first"),
    write!(rotate_signing_key, "signing_key.rotate", Post "/api/v1/signing-keys/rotate", signing_keys::rotate, "Make the next signing key. It is published at once and signs later"),
    write!(retire_signing_key, "signing_key.retire", Post "/api/v1/signing-keys/{kid}/retire", signing_keys::retire, "Withdraw a signing key whose successor signs"),
    write!(reseal_signing_keys, "signing_key.reseal", Post "/api/v1/signing-keys/reseal", signing_keys::reseal, "Seal all signing keys anew with the first seal of the configuration"),
];
