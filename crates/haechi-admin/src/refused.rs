//! Configurations that are at fault.

/// A configuration that is at fault.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Each fault as an object with `file`, `line`, `column`, `message` and `help`.
    pub faults: serde_json::Value,
    /// The same for people.
    pub report: String,
}
