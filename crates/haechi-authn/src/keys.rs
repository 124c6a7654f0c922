//! Where verification keys come from, and how they stay current.
//!
//! Workers read a [`KeySet`], an immutable snapshot, without a lock. The control side replaces it whole, and only ever by a good one.

pub mod fetch;
mod freshness;
mod refresh;
pub mod set;
pub(crate) mod signature;
pub mod source;
pub mod web;

pub use fetch::{Fetch, FetchFault, Fetched};
pub use refresh::{DEFAULT_MAX_AGE, Origin, Refresh, SPACING};
pub use set::{Choice, Identity, KeySet, Keys, SetFault, Skipped};
pub use source::{KeyReport, KeySource, KeyStats, KeyUpdate, SourceFault};
pub use web::{AddressFault, WebOrigin};
