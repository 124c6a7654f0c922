//! The cells of everything that has a name in the configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Cells by name. They stay when a configuration no longer has the name: what was counted was counted.
#[derive(Default)]
pub(crate) struct ByName<T>(Mutex<BTreeMap<Arc<str>, Arc<T>>>);

impl<T: Default> ByName<T> {
    /// The cells of this name. Takes a lock: a plan looks them up once, when it comes into force.
    pub(crate) fn of(&self, name: &Arc<str>) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.clone()).or_default().clone()
    }

    pub(super) fn each(&self, mut show: impl FnMut(&str, &T)) {
        // A scrape holds the lock for as long as it takes to copy the list, so that no worker waits for it.
        let known: Vec<_> = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().map(|(name, cells)| (name.clone(), cells.clone())).collect()
        };
        known.iter().for_each(|(name, cells)| show(name, cells));
    }
}
