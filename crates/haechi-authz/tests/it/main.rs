//! The crate from outside, against plain Cedar.

mod reference;
