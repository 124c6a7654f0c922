//! Opening the database.

use super::condition::Condition;
use super::listening::Listening;
use super::opening::{self, Opening};
use super::refusal::Refusal;
use super::{Postgres, options, schema};
use crate::{OpenError, PostgresLocation, SchemaStatus};
use sqlx::Connection;
use sqlx::postgres::PgPoolOptions;
use std::sync::Arc;
use std::time::Duration;

/// A connection that was idle for so long is asked whether it is still there.
const ASKED_AFTER: Duration = Duration::from_secs(1);
/// A connection that nobody needs is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// No connection lives longer, so that a balancer in between can give us another server.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);

impl Postgres {
    /// Opens the database, bringing its schema up to date where needed. What may pass by itself (nobody answers, there is no connection left) is no
    /// error: operations are `Unavailable` until it has passed.
    pub(crate) async fn open(location: &PostgresLocation) -> Result<Self, OpenError> {
        let options = options::limited(location)?;
        let condition = Arc::new(Condition::new(location.statement_timeout));
        let pool = pool(location, &condition).connect_lazy_with(options.clone());
        let listens = (!location.transaction_pooler).then_some(options);
        let postgres = Self {
            pool,
            location: location.clone(),
            condition,
            opening: Opening::new(options::unlimited(location)?),
            listening: Listening::new(listens, location.statement_timeout),
        };
        match postgres.opening.look_until(opening::AT_START).await {
            Some(Err(refusal)) if !refusal.may_pass() => Err(refusal.of(location)),
            _ => Ok(postgres),
        }
    }
}

/// Looks which version the schema has, and changes nothing.
pub(crate) async fn status(location: &PostgresLocation) -> Result<SchemaStatus, OpenError> {
    let options = options::unlimited(location)?;
    let looked = async {
        let mut connection = opening::connect(&options).await?;
        let status = schema::status(&mut connection).await?;
        connection.close().await?;
        Ok::<_, Refusal>(status)
    };
    looked.await.map_err(|refusal| refusal.of(location))
}

fn pool(location: &PostgresLocation, condition: &Arc<Condition>) -> PgPoolOptions {
    let condition = condition.clone();
    PgPoolOptions::new()
        .max_connections(location.pool_size)
        .acquire_timeout(location.statement_timeout)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let trusted = condition.trusts_one_of_age(meta.age);
            Box::pin(async move {
                if trusted && meta.idle_for >= ASKED_AFTER {
                    connection.ping().await?;
                }
                Ok(trusted)
            })
        })
}
