//! Three small services that tell what they were sent: the gate's side is what the demo is about.

use axum::Json;
use axum::extract::Request;
use axum::response::{Html, IntoResponse};
use serde_json::{Map, Value, json};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// What a browser sees at `/`.
const WELCOME: &str = include_str!("welcome.html");

/// Their addresses: `web`, `orders`, `admin`.
pub(super) type Addresses = [SocketAddr; 3];

/// Starts them on the current runtime, on free ports of 127.0.0.1.
pub(super) async fn start() -> io::Result<Addresses> {
    Ok([one("web").await?, one("orders").await?, one("admin").await?])
}

async fn one(name: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let service = axum::Router::new().fallback(move |request: Request| async move {
        match request.uri().path() {
            "/" => Html(WELCOME).into_response(),
            _ => Json(told(name, &request)).into_response(),
        }
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            tracing::error!(%error, name, "a demo backend stopped");
        }
    });
    Ok(address)
}

/// What the service was asked, and every field by which the gate says who is calling.
fn told(name: &str, request: &Request) -> Value {
    let of_interest =
        |field: &str| field.starts_with("x-auth-") || field == "authorization" || field == "x-api-key";
    let fields = request.headers().iter().filter(|(field, _)| of_interest(field.as_str()));
    let saw: Map<String, Value> = fields
        .map(|(field, value)| (field.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    json!({ "service": name, "method": request.method().as_str(), "path": request.uri().path(), "saw": saw })
}
