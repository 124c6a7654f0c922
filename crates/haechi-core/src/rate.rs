//! Rate limits by the generic cell rate algorithm (GCRA), in whole nanoseconds.
//!
//! A limit of R requests in a time P lets one request through every P/R, and a burst of B at once after a time of rest. All that is kept of a caller
//! is one number: when the burst will be whole again (the "theoretical arrival time" of ITU-T I.371). A time that has passed says nothing, so who
//! has rested needs no entry anywhere.

mod gcra;
mod quota;
mod table;

pub use crate::ports::{LimitAnswer, Rate};
pub use gcra::{FullAt, Gcra};
pub use quota::QuotaCount;
pub use table::{LimitTable, SlotKey, TableStats};
