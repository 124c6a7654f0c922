//! What is known of the policies of the store.

use haechi_audit::Bundle;
use haechi_core::ports::PoliciesInForce;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of the policies of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StorePolicies {
    /// There is no store, or a command that looks at files alone.
    #[default]
    None,
    /// The store could not be asked yet. There may be some, and nothing is decided without them.
    Unknown,
    /// These are all.
    Known(Arc<KnownPolicies>),
}

/// Policies of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownPolicies {
    /// The change that made them so.
    pub(crate) serial: i64,
    /// The text of each, by name.
    pub(crate) texts: BTreeMap<String, String>,
}

impl StorePolicies {
    /// What the store says.
    pub(crate) fn of_store(found: PoliciesInForce) -> Self {
        let text = |one: haechi_core::ports::PolicyVersion| Some((one.name, one.text?));
        let texts = found.policies.into_iter().filter_map(text).collect();
        Self::Known(Arc::new(KnownPolicies { serial: found.serial, texts }))
    }

    /// What a configuration was kept with.
    pub(super) fn of_bundle(bundle: &Bundle) -> Self {
        match bundle.incomplete {
            true => Self::Unknown,
            false => Self::Known(Arc::new(KnownPolicies { serial: 0, texts: bundle.stored.clone() })),
        }
    }

    /// The change that made them so, where they are known.
    pub(crate) fn serial(&self) -> Option<i64> {
        match self {
            Self::Known(known) => Some(known.serial),
            Self::None | Self::Unknown => None,
        }
    }

    /// The text of each, by name; none where they are not known.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        match self {
            Self::Known(known) => known.texts.clone(),
            Self::None | Self::Unknown => BTreeMap::new(),
        }
    }
}
