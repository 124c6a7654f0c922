//! The schema and its versions.

use super::refusal::Refusal;
use crate::migrations::{Migrations, Mismatch, SchemaStatus};
use sqlx::migrate::Migrate;
use sqlx::{Connection, Executor, PgConnection, query_as, query_scalar};

/// Where the migrations that were applied are listed with their checksums.
const TABLE: &str = "haechi.migrations";

/// Every version of the schema, oldest first. Add to the end; never change one that was released. A migration after which older programs must not
/// go on sets `haechi.compatibility.oldest_known` to its own number.
const MIGRATIONS: Migrations =
    Migrations(&[(1, "first", include_str!("../../migrations/postgres/0001_first.sql"))]);

/// Whoever changes the schema holds this lock ("HAEC"), so that of several nodes that start at once one migrates and the others find it done.
const LOCK: i64 = 0x4841_4543;

/// What the operations need, a table and its columns in each line; and the indexes that keep promises.
const TABLES: [(&str, &str); 9] = [
    ("users", "id name password_hash roles attributes disabled created_at failures locked_until"),
    ("clients", "id name secret_sha256 roles scopes attributes created_at"),
    (
        "api_keys",
        "id number sha256 owner name roles scopes attributes expires_at allowed_addresses rate_limit quota created_at last_used_at state",
    ),
    ("sessions", "id user_id expires_at created_at forget_after"),
    ("refresh_tokens", "sha256 session used"),
    ("signing_keys", "id number algorithm pkcs8 active_from retired_at published_until created_at"),
    ("changes", "epoch kind id kept_until"),
    ("change_epoch", "one value forgotten"),
    ("compatibility", "one oldest_known"),
];
const INDEXES: [&str; 2] = ["working_refresh_token", "latest_signing_key"];

/// Brings the schema up to date, and refuses a database that then lacks something. The lock is taken only where there is something to write.
pub(super) async fn bring_up_to_date(connection: &mut PgConnection) -> Result<(), Refusal> {
    refuse_foreign(connection).await?;
    if is_listed(connection).await? {
        let applied = connection.list_applied_migrations(TABLE).await?;
        if MIGRATIONS.missing(&applied)?.is_empty() {
            return check(connection).await;
        }
    }
    migrate(connection).await?;
    check(connection).await
}

/// Refuses a database that lacks a table, a column or an index.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Refusal> {
    let found: Vec<String> = query_scalar(
        "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE n.nspname = 'haechi' AND c.relkind IN ('r', 'p') \
         UNION ALL SELECT c.relname || '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'haechi'",
    )
    .persistent(false)
    .fetch_all(&mut *connection)
    .await?;
    let has = |name: &str| found.iter().any(|found| found == name);
    for (table, columns) in TABLES {
        if !has(table) {
            return Err(Refusal::Incomplete { what: format!("the table `{table}`") });
        }
        if let Some(column) = columns.split(' ').find(|column| !has(&format!("{table}.{column}"))) {
            return Err(Refusal::Incomplete { what: format!("the column `{table}.{column}`") });
        }
    }
    if let Some(index) = INDEXES.into_iter().find(|index| !has(index)) {
        return Err(Refusal::Incomplete { what: format!("the index `{index}`") });
    }
    let epochs: i64 = query_scalar("SELECT count(*) FROM haechi.change_epoch")
        .persistent(false)
        .fetch_one(connection)
        .await?;
    if epochs == 1 {
        Ok(())
    } else {
        Err(Refusal::Incomplete { what: "the row of `change_epoch`".to_owned() })
    }
}

/// Whether this program may go on: nobody brought the schema to a version that it must not work with.
pub(super) async fn may_go_on(connection: &mut PgConnection) -> Result<(), Refusal> {
    let (newest, oldest_known): (Option<i64>, Option<i64>) = query_as(
        "SELECT (SELECT max(version) FROM haechi.migrations), (SELECT oldest_known FROM haechi.compatibility)",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    let (known, newest) = (MIGRATIONS.newest(), newest.unwrap_or(0));
    match oldest_known {
        Some(oldest_known) if oldest_known <= known => Ok(()),
        Some(_) => Err(Mismatch::Newer { version: newest, known }.into()),
        None => Err(Refusal::Incomplete { what: "the row of `compatibility`".to_owned() }),
    }
}

/// Which version the schema has.
pub(super) async fn status(connection: &mut PgConnection) -> Result<SchemaStatus, Refusal> {
    refuse_foreign(connection).await?;
    let applied = if is_listed(connection).await? {
        query_scalar::<_, Option<i64>>("SELECT max(version) FROM haechi.migrations")
            .persistent(false)
            .fetch_one(connection)
            .await?
            .unwrap_or(0)
    } else {
        0
    };
    Ok(SchemaStatus { applied, known: MIGRATIONS.newest() })
}

/// Refuses a schema of our name that has something in it and is not ours.
async fn refuse_foreign(connection: &mut PgConnection) -> Result<(), Refusal> {
    let tables: i64 = query_scalar(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'haechi' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    .persistent(false)
    .fetch_one(&mut *connection)
    .await?;
    if tables == 0 || is_listed(connection).await? { Ok(()) } else { Err(Refusal::Foreign) }
}

async fn is_listed(connection: &mut PgConnection) -> Result<bool, Refusal> {
    let found = query_scalar("SELECT to_regclass('haechi.migrations') IS NOT NULL").persistent(false);
    Ok(found.fetch_one(connection).await?)
}

/// Applies the migrations that are missing, all or none.
async fn migrate(connection: &mut PgConnection) -> Result<(), Refusal> {
    let mut write = connection.begin().await?;
    query_scalar::<_, ()>("SELECT pg_advisory_xact_lock($1)")
        .persistent(false)
        .bind(LOCK)
        .fetch_one(&mut *write)
        .await?;
    let exists: bool = query_scalar("SELECT to_regnamespace('haechi') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut *write)
        .await?;
    // Asked first, because `IF NOT EXISTS` wants the right to make schemas where there is one, too.
    if !exists {
        write.execute("CREATE SCHEMA haechi").await?;
    }
    if !is_listed(&mut write).await? {
        write.ensure_migrations_table(TABLE).await?;
    }
    let applied = write.list_applied_migrations(TABLE).await?;
    for migration in MIGRATIONS.missing(&applied)? {
        write.apply(TABLE, &migration).await?;
    }
    Ok(write.commit().await?)
}
