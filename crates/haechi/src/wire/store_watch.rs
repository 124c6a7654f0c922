//! Readiness of the store: asks at an interval whether it can read and write, so that nobody who asks for readiness has to wait for it.

use arc_swap::ArcSwapOption;
use haechi_store::Store;
use std::sync::Arc;
use std::time::Duration;

/// How often the store is asked.
const EVERY: Duration = Duration::from_secs(1);

/// What the store said last.
#[derive(Debug)]
pub(crate) struct StoreWatch {
    /// Why it cannot be used; `None` while it can.
    fault: ArcSwapOption<String>,
}

impl StoreWatch {
    /// Not asked yet, which counts as not ready.
    pub(crate) fn new() -> Self {
        let unknown = "the store was not asked yet".to_owned();
        Self { fault: ArcSwapOption::from_pointee(unknown) }
    }

    /// Why the store cannot be used, when it was last asked.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.load().as_deref().cloned()
    }

    /// Asks for ever. What changes is told once.
    pub(crate) async fn follow(self: Arc<Self>, store: Store) {
        let mut told = None;
        loop {
            let fault = store.ping().await.err().map(|error| error.to_string());
            match (&told, &fault) {
                (None, Some(reason)) => tracing::warn!(reason, "the store cannot be used"),
                (Some(_), None) => tracing::info!("the store can be used again"),
                (Some(before), Some(reason)) if before != reason => {
                    tracing::warn!(reason, "the store still cannot be used");
                }
                _ => {}
            }
            told.clone_from(&fault);
            self.fault.store(fault.map(Arc::new));
            tokio::time::sleep(EVERY).await;
        }
    }
}
