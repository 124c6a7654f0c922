//! What the tests share: the gate as a process, two clients, and configurations in pieces.

pub(crate) mod authenticator_app;
mod certificates;
pub(crate) mod chromium;
mod command;
mod config;
mod curl;
pub(crate) mod frames;
mod gate;
mod h2_backend;
mod memory_group;
mod nginx;
mod openssl;
mod outside;
pub(crate) mod packages;
pub(crate) mod prometheus;
mod python;
mod raw;
mod running;
mod strace;
pub(crate) mod websocket;

pub(crate) use certificates::{Authority, s_client};
pub(crate) use command::{Finished, haechi, haechi_with, haechi_with_input, program};
pub(crate) use config::{Folder, PASSWORD, open_gate, routes_to};
pub(crate) use curl::{Reply, curl};
pub(crate) use gate::Gate;
pub(crate) use h2_backend::{H2Answer, H2Backend};
pub(crate) use haechi_testkit::{PATIENCE, eventually};
pub(crate) use memory_group::MemoryGroup;
pub(crate) use nginx::Nginx;
pub(crate) use openssl::OpensslCa;
pub(crate) use outside::Outside;
pub(crate) use python::{grpc_process, python, python_with_input};
pub(crate) use raw::Conversation;
pub(crate) use running::Running;
pub(crate) use strace::Strace;
