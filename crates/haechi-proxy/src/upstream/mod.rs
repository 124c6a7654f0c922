//! Reaching services: which endpoint, over which connection.

pub(crate) mod balance;
pub(crate) mod connect;
pub(crate) mod pool;
