//! What is to be proved of a configuration.

use haechi_authn::StepUp;
use haechi_authz::analysis;

/// What is to be true of routes.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    /// In terms of all that policies know.
    pub(crate) rules: analysis::Property,
    /// Which login whoever fits has, of which policies know nothing. Empty, it is any.
    pub(crate) login: StepUp,
}
