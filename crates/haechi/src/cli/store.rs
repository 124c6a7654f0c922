//! The store of the configuration, for commands that work on it.

use super::{Common, Failure, configuration};
use crate::config::Config;
use haechi_core::ports::StoreError;
use haechi_store::Store;
use std::future::Future;
use std::sync::Arc;

/// The configuration and its open store.
pub(crate) struct Opened {
    pub(crate) config: Arc<Config>,
    pub(crate) store: Store,
}

/// Loads the configuration, opens its store, does `work`, and closes the store whatever came of it.
pub(crate) fn with_store<F: Future<Output = Result<(), Failure>>>(
    common: &Common,
    work: impl FnOnce(Opened) -> F,
) -> Result<(), Failure> {
    let config = Arc::new(configuration(&common.config)?);
    let Some(location) = config.store.clone() else {
        let file = common.config.display();
        return Err(Failure::fault(format!("`{file}` has no store; add `store: sqlite:haechi.db`")));
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
    runtime.block_on(async {
        let store = Store::at(&location).await.map_err(Failure::fault)?;
        let done = work(Opened { config, store: store.clone() }).await;
        store.close().await;
        done
    })
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::fault(error)
    }
}
