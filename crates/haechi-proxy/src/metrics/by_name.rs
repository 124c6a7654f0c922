//! The cells of everything that has a name in the configuration.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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

/// Cells by name, for the few of which there is no index: found by walking along, without a lock and without a hash.
pub(crate) struct NamedList<T>(OnceLock<Box<Node<T>>>);

struct Node<T> {
    name: Arc<str>,
    cells: T,
    next: NamedList<T>,
}

impl<T> Default for NamedList<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Default> NamedList<T> {
    pub(super) fn of(&self, name: &Arc<str>) -> &T {
        let mut list = self;
        loop {
            let new = || Node { name: name.clone(), cells: T::default(), next: Self::default() };
            let node = list.0.get_or_init(|| Box::new(new()));
            if Arc::ptr_eq(&node.name, name) || node.name == *name {
                return &node.cells;
            }
            list = &node.next;
        }
    }

    pub(super) fn each(&self, mut show: impl FnMut(&str, &T)) {
        let mut list = self;
        while let Some(node) = list.0.get() {
            show(&node.name, &node.cells);
            list = &node.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ByName, NamedList};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[test]
    fn a_name_has_the_same_cells_whoever_writes_it() {
        let (map, list) = (ByName::<AtomicU64>::default(), NamedList::<AtomicU64>::default());
        for name in ["a", "b", "a", "c", "a"] {
            let name: Arc<str> = name.into();
            map.of(&name).fetch_add(1, Relaxed);
            list.of(&name).fetch_add(1, Relaxed);
        }
        let mut seen = (Vec::new(), Vec::new());
        map.each(|name, count| seen.0.push((name.to_owned(), count.load(Relaxed))));
        list.each(|name, count| seen.1.push((name.to_owned(), count.load(Relaxed))));
        let expected: Vec<_> = [("a", 3), ("b", 1), ("c", 1)].map(|(name, n)| (name.to_owned(), n)).into();
        assert_eq!((&seen.0, &seen.1), (&expected, &expected));
    }
}
