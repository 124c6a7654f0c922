//! The crate from outside, against plain Cedar.

mod analysis;
mod reference;
