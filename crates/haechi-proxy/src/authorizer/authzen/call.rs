//! Where AuthZEN asks, and for what.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// One decision (6).
    Evaluation,
    /// Many (7).
    Evaluations,
    /// Where to ask (9).
    Metadata,
}

pub(super) const EVALUATION: &str = "/access/v1/evaluation";
pub(super) const EVALUATIONS: &str = "/access/v1/evaluations";
const METADATA: &str = "/.well-known/authzen-configuration";

impl Call {
    /// What is asked for at this path.
    pub(in crate::authorizer) fn of(path: &[u8]) -> Option<Self> {
        let calls =
            [(EVALUATION, Self::Evaluation), (EVALUATIONS, Self::Evaluations), (METADATA, Self::Metadata)];
        calls.into_iter().find(|(known, _)| known.as_bytes() == path).map(|(_, call)| call)
    }
}
