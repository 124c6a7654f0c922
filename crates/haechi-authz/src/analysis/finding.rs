//! What was found about one question.

use super::example::Example;
use serde::Serialize;

/// What was found about one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Nobody and nothing: that is proved.
    None,
    /// This one. Cedar says so of the analysed form; whoever shows it asks the engine first.
    Example(Box<Example>),
    /// It could not be decided, and why.
    Undecided(String),
}
