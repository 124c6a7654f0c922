//! The schema and its versions.

use super::open::Refusal;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType};
use sqlx::{Connection, SqlSafeStr, SqliteConnection};

/// What `PRAGMA application_id` says in a store of ours (see the first migration).
const APPLICATION_ID: i32 = 0x4841_4543;

/// Where the migrations that were applied are listed with their checksums.
const TABLE: &str = "migrations";

/// Every version of the schema, oldest first. Add to the end; never change one that was released.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "first", include_str!("../../migrations/sqlite/0001_first.sql")),
    (2, "changes", include_str!("../../migrations/sqlite/0002_changes.sql")),
];

/// Refuses a database that has something in it and is not a store of ours.
pub(super) async fn refuse_foreign(connection: &mut SqliteConnection) -> Result<(), Refusal> {
    let (id, objects): (i32, i64) = sqlx::query_as(
        "SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id",
    )
    .fetch_one(connection)
    .await?;
    if id == APPLICATION_ID || (id == 0 && objects == 0) { Ok(()) } else { Err(Refusal::Foreign) }
}

/// Applies the migrations that are missing, all or none. The write lock is held from the first look on, so that of two processes that start
/// at once one migrates and the other finds it done.
pub(super) async fn bring_up_to_date(connection: &mut SqliteConnection) -> Result<(), Refusal> {
    let known = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut write = connection.begin_with("BEGIN IMMEDIATE").await?;
    write.ensure_migrations_table(TABLE).await?;
    let applied = write.list_applied_migrations(TABLE).await?;
    for migration in missing(&known, &applied)? {
        write.apply(TABLE, migration).await?;
    }
    Ok(write.commit().await?)
}

/// The `known` migrations that were not `applied`, provided that all that were are known and unchanged.
fn missing<'a>(known: &'a [Migration], applied: &[AppliedMigration]) -> Result<Vec<&'a Migration>, Refusal> {
    for done in applied {
        let version = done.version;
        match known.iter().find(|migration| migration.version == version) {
            Some(migration) if migration.checksum == done.checksum => {}
            Some(_) => return Err(Refusal::Altered { version }),
            None => {
                let known = known.iter().map(|migration| migration.version).max().unwrap_or(0);
                return Err(Refusal::Newer { version, known });
            }
        }
    }
    let is_applied = |migration: &&Migration| applied.iter().any(|done| done.version == migration.version);
    Ok(known.iter().filter(|migration| !is_applied(migration)).collect())
}

impl From<MigrateError> for Refusal {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::Database(error),
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}
