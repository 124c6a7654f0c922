//! Being told that something changed. What is told may get lost; those who follow the log ask for themselves from time to time.

use super::log::CHANNEL;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use std::time::Duration;
use tokio::sync::Mutex;

/// After a failure nobody listens for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// One connection that listens, beside those of the pool.
pub(super) struct Listening {
    /// `None` where a pooler stands between, which gives every transaction another connection.
    pool: Option<PgPool>,
    listener: Mutex<Option<PgListener>>,
}

impl Listening {
    pub(super) fn new(options: Option<PgConnectOptions>, patience: Duration) -> Self {
        let pool = options.map(|options| {
            let one = PgPoolOptions::new().max_connections(1).acquire_timeout(patience);
            one.idle_timeout(None).max_lifetime(None).connect_lazy_with(options)
        });
        Self { pool, listener: Mutex::new(None) }
    }

    /// Waits until something may have changed: somebody said so, or the connection was made anew, so that something may have been missed.
    pub(super) async fn changed(&self) {
        let Some(pool) = &self.pool else { return std::future::pending().await };
        let mut listener = self.listener.lock().await;
        if let Err(error) = next(pool, &mut listener).await {
            *listener = None;
            tracing::debug!(%error, "cannot listen for changes; asking for them goes on");
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) async fn close(&self) {
        if let Some(pool) = &self.pool {
            pool.close().await;
        }
    }
}

async fn next(pool: &PgPool, listener: &mut Option<PgListener>) -> Result<(), sqlx::Error> {
    if let Some(listening) = listener {
        return listening.try_recv().await.map(drop);
    }
    let mut listening = PgListener::connect_with(pool).await?;
    listening.listen(CHANNEL).await?;
    *listener = Some(listening);
    Ok(())
}
