//! Nodes over one server.

use haechi_core::ports::{LimitCheck, Rate, SharedLimits};
use haechi_shared::{Location, SharedState};
use haechi_testkit::PATIENCE;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

/// A node of a test. Dropped, it is gone without a word.
pub(crate) struct Node {
    pub(crate) state: SharedState,
    pub(crate) limits: Arc<dyn SharedLimits>,
    following: AbortHandle,
}

impl Node {
    pub(crate) fn at(url: &str) -> Self {
        let state = SharedState::new(&Location::parse(url).unwrap()).unwrap();
        let following = tokio::spawn(state.clone().follow()).abort_handle();
        Self { limits: state.limits(), state, following }
    }

    /// With time enough for a loaded machine.
    pub(crate) async fn ready(url: &str) -> Self {
        let node = Self::at(&format!("{url}?timeout=2s"));
        node.reaches(true).await;
        node
    }

    pub(crate) async fn reaches(&self, wanted: bool) {
        wait(|| self.limits.is_reachable() == wanted && self.state.fault().is_none() == wanted).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.following.abort();
    }
}

pub(crate) async fn wait(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
}

pub(crate) fn check(key: u8, requests: u32, per: Duration, burst: u32) -> LimitCheck {
    let number = |number| NonZeroU32::new(number).unwrap();
    LimitCheck { key: [key; 16], rate: Rate { requests: number(requests), per, burst: number(burst) } }
}
