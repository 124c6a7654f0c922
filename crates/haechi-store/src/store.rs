//! A store behind its ports.

use crate::memory::Memory;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{Location, OpenError, SchemaStatus};
use haechi_core::ports::{
    ApiKeys, Approvals, Clients, IdentityRecords, Policies, Quotas, Revocations, Sessions, SigningKeys,
    StoreError, Users, WebSessions,
};
use std::fmt;
use std::sync::Arc;

/// Everything that keeps facts, one port each. Clones share the same store.
#[derive(Clone)]
pub struct Store {
    /// Users of the embedded identity provider and of `basic`.
    pub users: Arc<dyn Users>,
    /// Machine clients.
    pub clients: Arc<dyn Clients>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeys>,
    /// The use of API keys' quotas.
    pub quotas: Arc<dyn Quotas>,
    /// Login sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Browser sessions.
    pub web_sessions: Arc<dyn WebSessions>,
    /// Codes and consents of the embedded identity provider.
    pub identity_records: Arc<dyn IdentityRecords>,
    /// What was revoked, and the epoch.
    pub revocations: Arc<dyn Revocations>,
    /// The embedded identity provider's private keys.
    pub signing_keys: Arc<dyn SigningKeys>,
    /// Policies that count beside those of the files.
    pub policies: Arc<dyn Policies>,
    /// Changes that wait for a second person.
    pub approvals: Arc<dyn Approvals>,
    kind: Kind,
}

/// What is behind the ports, for what is no port's.
#[derive(Clone)]
enum Kind {
    Memory,
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Store {
    /// Opens the store that `url` names (see [`Location::parse`]), creating the file and bringing its schema up to date where needed. A file that
    /// another process has locked, a full disk or a database that does not answer is no error: every call is `Unavailable` until that has passed.
    ///
    /// # Errors
    /// [`OpenError`], saying what to do next.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::at(&Location::parse(url)?).await
    }

    /// Opens the store at `location`, likewise.
    ///
    /// # Errors
    /// [`OpenError`], saying what to do next.
    pub async fn at(location: &Location) -> Result<Self, OpenError> {
        match location {
            Location::Memory => Ok(Self::in_memory()),
            Location::Sqlite(file) => {
                let sqlite = Arc::new(Sqlite::open(file).await?);
                Ok(Self::over(sqlite.clone(), Kind::Sqlite(sqlite)))
            }
            Location::Postgres(database) => {
                let postgres = Arc::new(Postgres::open(database).await?);
                Ok(Self::over(postgres.clone(), Kind::Postgres(postgres)))
            }
        }
    }

    /// Which version the schema of the store at `location` has, without opening it for anything else and without changing it. A store in memory has
    /// none.
    ///
    /// # Errors
    /// [`OpenError`], where there is no store that could be opened.
    pub async fn status(location: &Location) -> Result<Option<SchemaStatus>, OpenError> {
        match location {
            Location::Memory => Ok(None),
            Location::Sqlite(file) => crate::sqlite::open::status(file).await.map(Some),
            Location::Postgres(database) => crate::postgres::open::status(database).await.map(Some),
        }
    }

    /// An empty store that is gone with the process.
    pub fn in_memory() -> Self {
        Self::over(Arc::new(Memory::default()), Kind::Memory)
    }

    /// Whether the store answers now: a real read, and a write where one failed since the last success or none was made for some time.
    ///
    /// # Errors
    /// [`StoreError`], saying why not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Memory => self.revocations.epoch().await.map(drop),
            Kind::Sqlite(sqlite) => sqlite.probe().await,
            Kind::Postgres(postgres) => postgres.probe().await,
        }
    }

    /// Waits for what is running and closes the files. Every call after it is `Unavailable`, on clones too.
    pub async fn close(&self) {
        match &self.kind {
            Kind::Memory => {}
            Kind::Sqlite(sqlite) => sqlite.close().await,
            Kind::Postgres(postgres) => postgres.close().await,
        }
    }

    fn over<S>(store: Arc<S>, kind: Kind) -> Self
    where
        S: Users
            + Clients
            + ApiKeys
            + Quotas
            + Sessions
            + WebSessions
            + IdentityRecords
            + Revocations
            + SigningKeys
            + Policies
            + Approvals
            + 'static,
    {
        Self {
            users: store.clone(),
            clients: store.clone(),
            api_keys: store.clone(),
            quotas: store.clone(),
            sessions: store.clone(),
            web_sessions: store.clone(),
            identity_records: store.clone(),
            revocations: store.clone(),
            signing_keys: store.clone(),
            policies: store.clone(),
            approvals: store,
            kind,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Memory => "memory",
            Kind::Sqlite(_) => "sqlite",
            Kind::Postgres(_) => "postgres",
        };
        f.debug_struct("Store").field("kind", &kind).finish_non_exhaustive()
    }
}
