//! Tests of the built binary over real sockets, with clients and token libraries that are not the gate's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has failed, and a panic is how it says so"
)]

mod harness;

mod access_lost;
mod admin_access;
mod admin_api;
mod admin_changes;
mod admin_policies;
mod admin_runtime;
mod answers;
mod api_key_life;
mod api_keys;
mod architecture;
mod audit;
mod authn_jwt;
mod authz;
mod basic;
mod clients;
mod cluster;
mod commands;
mod commands_at_a_gate;
mod console;
mod cors;
mod dashboards;
mod decision_points;
mod decisions;
mod defaults;
mod demo;
mod deployment;
mod diagnostics;
mod differential;
mod doors;
mod dpop;
mod drain;
mod endpoints;
mod examples;
mod exchange;
mod external;
mod failures;
mod first_commands;
mod floods;
mod forwarded_certificate;
mod forwarding;
mod grpc;
mod guessing;
mod headers;
mod http2;
mod http2_upstream;
mod identity;
mod include;
mod interim;
mod introspection;
mod lifecycle;
mod limits;
mod log_files;
mod log_sinks;
mod login;
mod mass_revocation;
mod matching;
mod methods;
mod metrics;
mod mtls;
mod no_request_lost;
mod nodes;
mod observability;
mod own_account;
mod paths;
mod policies;
mod problems;
mod protected_resources;
mod prove;
mod providers;
mod proxy_protocol;
mod pyjwt;
mod rate_limits;
mod refusals;
mod reload;
mod response_headers;
mod revoked_streams;
mod second_factor;
mod signature;
mod smuggling;
mod standard_provider;
mod store_faults;
mod stored_policies;
mod streams;
mod tls;
mod tools;
mod tracing;
mod trailers;
mod upgrade;
mod upstream_auth;
mod upstream_tls;
mod user_commands;
mod websocket;
mod websocket_http2;
