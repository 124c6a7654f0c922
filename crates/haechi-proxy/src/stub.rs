#![allow(missing_docs, unused_variables, clippy::unused_async)]
use haechi_core::*;
use std::{net::IpAddr, sync::Arc, time::Duration};
pub struct Provider;
pub enum LoginRefused {
    InvalidCredentials,
    Busy,
    Unavailable(String),
}
pub enum RefreshRefused {
    Invalid,
    Replayed,
    Unavailable(String),
}
pub struct TokenPair {
    pub access_token: Secret<String>,
    pub expires_in: Duration,
    pub refresh_token: Secret<String>,
}
impl Provider {
    pub async fn login(&self, n: &str, p: Secret<String>, c: IpAddr) -> Result<TokenPair, LoginRefused> {
        Err(LoginRefused::Busy)
    }
    pub async fn refresh(&self, p: &Secret<String>) -> Result<TokenPair, RefreshRefused> {
        Err(RefreshRefused::Invalid)
    }
    pub async fn logout(&self, c: &Caller) -> Result<(), String> {
        Ok(())
    }
    pub fn jwks_json(&self) -> Arc<[u8]> {
        Arc::from([])
    }
    pub fn discovery_document(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
    pub fn identity_token(&self, c: &Caller, a: &str, l: Duration, now: Timestamp) -> Result<String, String> {
        Err(String::new())
    }
}
