//! Wiring: the only place that names concrete stores, engines and runtimes, and puts them behind the ports.

mod admin_socket;
mod archive;
pub(crate) mod assembly;
mod audit;
mod authenticators;
mod decisions;
mod descriptors;
mod directory;
mod doors;
mod endpoints;
mod fetch;
mod gate;
mod health;
mod history;
mod http_client;
pub(crate) mod identity;
mod inspection;
mod key_expiry;
mod log;
mod metrics;
mod notify;
mod operators;
mod otlp;
pub(crate) mod panics;
mod plan;
pub(crate) mod points;
mod reload;
pub(crate) mod rules;
mod signals;
mod sinks;
mod sockets;
mod stamp;
mod store_watch;
mod tls;
mod topology;
mod upgrade;

pub(crate) use assembly::Assembly;
pub(crate) use gate::{Gate, control_runtime};
pub(crate) use http_client::{builder as client_builder, message as client_message};
#[cfg(test)]
pub(crate) use identity::DEFAULT_LOCKOUT;
pub(crate) use identity::{PUBLISHED_AHEAD, empty_keyring, issuer as own_issuer, open_store, signing_keys};
pub(crate) use points::GivenAnswers;
pub(crate) use rules::rules;
pub(crate) use sockets::Inherited;
