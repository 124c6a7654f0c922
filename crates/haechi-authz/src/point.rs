//! Decision points: external authorization services, behind one trait.

use crate::{Facts, HeaderChanges};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A decider that is asked over the network: OPA, or whatever speaks AuthZEN.
pub trait DecisionPoint: Send + Sync + fmt::Debug {
    /// Its name in the configuration.
    fn name(&self) -> &Arc<str>;

    /// The question as it is sent. Equal questions have equal answers for as long as [`Self::keeps`] says; so nothing in it may change from
    /// request to request without being part of what is asked.
    ///
    /// # Errors
    /// [`Unavailable`] for facts that cannot be asked about.
    fn question(&self, facts: &Facts<'_>) -> Result<Vec<u8>, Unavailable>;

    /// How long answers are kept.
    fn keeps(&self) -> AnswerLifetimes;

    /// Asks. It ends in time by itself.
    fn ask(&self, question: Vec<u8>) -> Answering<'_>;
}

/// An answer that is under way, or nothing that could be understood.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<PointAnswer, Unavailable>> + 'a>>;

/// What a decision point says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PointAnswer {
    /// Yes, with changes of what the backend receives.
    Allow(HeaderChanges),
    /// No.
    Deny(Denial),
}

/// How a decision point denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// What the client is told.
    pub kind: DenialKind,
}

/// What kind of denial a client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenialKind {
    /// The caller may not do this.
    #[default]
    Forbidden,
    /// The caller has to authenticate, or to do so in another way.
    Unauthenticated,
}

/// Yes or no, and nothing more.
impl From<bool> for PointAnswer {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Allow(HeaderChanges::NONE) } else { Self::Deny(Denial::default()) }
    }
}

impl PointAnswer {
    /// Whether it is a yes.
    pub const fn is_allow(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

/// How long answers are kept; zero for not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerLifetimes {
    /// Yes.
    pub allow: Duration,
    /// No.
    pub deny: Duration,
}

/// No answer that could be understood came in time. Never an allow, and never a no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decision point `{name}` cannot tell: {reason}")]
pub struct Unavailable {
    /// Which one.
    pub name: Arc<str>,
    /// What happened, without secrets.
    pub reason: String,
}
