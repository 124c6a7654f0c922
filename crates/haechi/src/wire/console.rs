//! What the console knows of the configuration in force.

use super::reload::Reloader;
use arc_swap::ArcSwap;
use haechi_authn::identity::Provider;
use haechi_console::Gate;
use haechi_core::metrics::{Page, Source};
use haechi_proxy::Plan;
use std::sync::Arc;

/// The configuration, and the plan that was made of it.
pub(super) struct ConsoleGate {
    pub(super) reloader: Arc<Reloader>,
    pub(super) plan: Arc<ArcSwap<Plan>>,
    pub(super) metrics: Arc<[Box<dyn Source>]>,
}

impl Gate for ConsoleGate {
    fn is_shown(&self) -> bool {
        self.reloader.config().admin.as_ref().is_some_and(|admin| admin.console)
    }

    fn metrics(&self) -> String {
        let mut page = Page::default();
        self.metrics.iter().for_each(|source| source.show(&mut page));
        page.to_string()
    }

    fn provider(&self) -> Option<Arc<Provider>> {
        self.plan.load().identity().cloned()
    }
}
