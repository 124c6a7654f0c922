//! The schema and its versions.

use super::refusal::Refusal;
use crate::migrations::{Migrations, Mismatch, SchemaStatus};
use sqlx::migrate::{Migrate, MigrateError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use std::collections::BTreeSet;

/// What `PRAGMA application_id` says in a store of ours (see the first migration).
const APPLICATION_ID: i32 = 0x4841_4543;

/// Where the migrations that were applied are listed with their checksums.
const TABLE: &str = "migrations";

/// Every version of the schema, oldest first. Add to the end; never change one that was released.
const MIGRATIONS: Migrations = Migrations(&[
    (1, "first", include_str!("../../migrations/sqlite/0001_first.sql")),
    (2, "changes", include_str!("../../migrations/sqlite/0002_changes.sql")),
    (3, "key life", include_str!("../../migrations/sqlite/0003_key_life.sql")),
    (4, "quotas", include_str!("../../migrations/sqlite/0004_quotas.sql")),
    (5, "clients", include_str!("../../migrations/sqlite/0005_clients.sql")),
    (6, "revisions", include_str!("../../migrations/sqlite/0006_revisions.sql")),
    (7, "web sessions", include_str!("../../migrations/sqlite/0007_web_sessions.sql")),
    (8, "policies", include_str!("../../migrations/sqlite/0008_policies.sql")),
    (9, "standard provider", include_str!("../../migrations/sqlite/0009_standard_provider.sql")),
    (10, "second factor", include_str!("../../migrations/sqlite/0010_second_factor.sql")),
    (11, "passkeys", include_str!("../../migrations/sqlite/0011_passkeys.sql")),
]);

/// Refuses a database that has something in it and is not a store of ours.
pub(super) async fn refuse_foreign(connection: &mut SqliteConnection) -> Result<(), Refusal> {
    let (id, objects): (i32, i64) = sqlx::query_as(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
    )
    .fetch_one(connection)
    .await?;
    if id == APPLICATION_ID || (id == 0 && objects == 0) { Ok(()) } else { Err(Refusal::Foreign) }
}

/// The tables, columns and indexes that the migrations make, one line of text each, as a fault names them.
pub(super) type Shape = BTreeSet<String>;

/// What the operations need: made by the migrations in a database of its own.
pub(super) async fn shape() -> Result<Shape, Refusal> {
    let mut made = SqliteConnectOptions::new().in_memory(true).disable_statement_logging().connect().await?;
    for &(_, _, sql) in MIGRATIONS.0 {
        made.execute(sql).await?;
    }
    let shape = shape_of(&mut made).await?;
    made.close().await?;
    Ok(shape)
}

async fn shape_of(connection: &mut SqliteConnection) -> Result<Shape, Refusal> {
    let rows: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "SELECT type, name, NULL FROM sqlite_schema UNION ALL \
         SELECT m.type, m.name, c.name || '` ' || c.type || iif(c.\"notnull\", ' NOT NULL', '') || iif(c.pk, ' in the key', '') \
         FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table'",
    )
    .fetch_all(connection)
    .await?;
    let line = |(kind, name, column): (String, String, Option<String>)| match column {
        Some(column) => format!("the column `{name}.{column}"),
        None => format!("the {kind} `{name}`"),
    };
    Ok(rows.into_iter().map(line).collect())
}

/// Refuses a database that does not have all migrations and no others, or lacks something that they make.
pub(super) async fn check(connection: &mut SqliteConnection, shape: &Shape) -> Result<(), Refusal> {
    let applied = connection.list_applied_migrations(TABLE).await?;
    if let Some(migration) = MIGRATIONS.missing(&applied)?.first() {
        let newest = applied.iter().map(|done| done.version).max().unwrap_or(0);
        return Err(Refusal::Older { version: newest, known: migration.version });
    }
    let found = shape_of(connection).await?;
    // A table before its columns.
    match shape.iter().rev().find(|line| !found.contains(*line)) {
        Some(what) => Err(Refusal::Incomplete { what: what.clone() }),
        None => Ok(()),
    }
}

/// Brings the schema up to date, and refuses a database that then lacks something. The write lock is taken only where there is something to write.
pub(super) async fn bring_up_to_date(
    connection: &mut SqliteConnection,
    shape: &Shape,
) -> Result<(), Refusal> {
    let listed = is_listed(connection).await?;
    let applied = if listed { connection.list_applied_migrations(TABLE).await? } else { Vec::new() };
    if !listed || !MIGRATIONS.missing(&applied)?.is_empty() {
        migrate(connection).await?;
    }
    check(connection, shape).await?;
    let epochs: i64 =
        sqlx::query_scalar("SELECT count(*) FROM change_epoch").fetch_one(&mut *connection).await?;
    if epochs == 1 {
        Ok(())
    } else {
        Err(Refusal::Incomplete { what: "the row of `change_epoch`".to_owned() })
    }
}

/// Of a file that has nothing in it, or is not there.
pub(super) const EMPTY: SchemaStatus = SchemaStatus { applied: 0, known: MIGRATIONS.newest() };

/// Which version the schema has.
pub(super) async fn status(connection: &mut SqliteConnection) -> Result<SchemaStatus, Refusal> {
    if !is_listed(connection).await? {
        return Ok(EMPTY);
    }
    let applied = connection.list_applied_migrations(TABLE).await?;
    Ok(SchemaStatus { applied: applied.iter().map(|done| done.version).max().unwrap_or(0), ..EMPTY })
}

async fn is_listed(connection: &mut SqliteConnection) -> Result<bool, Refusal> {
    let listed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?")
            .bind(TABLE)
            .fetch_one(connection)
            .await?;
    Ok(listed > 0)
}

/// Applies the migrations that are missing, all or none. The write lock is held from the first look on, so that of two processes that start
/// at once one migrates and the other finds it done.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), Refusal> {
    let mut write = connection.begin_with("BEGIN IMMEDIATE").await?;
    write.ensure_migrations_table(TABLE).await?;
    let applied = write.list_applied_migrations(TABLE).await?;
    for migration in MIGRATIONS.missing(&applied)? {
        write.apply(TABLE, &migration).await?;
    }
    Ok(write.commit().await?)
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Altered { version } => Self::Altered { version },
            Mismatch::Newer { version, known } => Self::Newer { version, known },
        }
    }
}

impl From<MigrateError> for Refusal {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::Database(error),
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}
