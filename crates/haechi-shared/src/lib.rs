//! The shared room: state that moves too fast for the store and that all nodes must agree on. Only this crate knows Redis.
