//! Configurations as they are analysed, and the real path that every example is led along before it is shown.

mod confirm;
mod loaded;
mod show;

pub(crate) use confirm::ExampleOutcome;
pub(crate) use loaded::Loaded;
pub(crate) use show::{explain_command, lines};
