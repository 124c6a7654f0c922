//! Reading a trail: verifying it, and finding records in it.

mod checks;
mod digests;
mod find;
mod line;
mod opened;
mod report;
mod stream;
mod verify;

pub use find::{Filter, people};
pub use line::Line;
pub use opened::open;
pub use report::{Fault, Report};
pub use stream::{Ending, each_line, lines_while};
pub use verify::{Expectations, verify};

#[cfg(test)]
mod tests;
