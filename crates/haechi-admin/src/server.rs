//! The admin listener.

use crate::{Context, endpoints};
use std::future::Future;
use std::io;
use tokio::net::TcpListener;

/// Answers on `listener` until `end` comes true.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, endpoints::router(context)).with_graceful_shutdown(end).await
}
