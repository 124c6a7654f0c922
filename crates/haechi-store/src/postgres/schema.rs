//! The schema and its versions.

use super::refusal::Refusal;
use crate::migrations::{Migrations, Mismatch, SchemaStatus};
use sqlx::migrate::{AppliedMigration, Migrate};
use sqlx::{Connection, Executor, PgConnection, query, query_as, query_scalar};
use std::time::Instant;

/// Where the migrations that were applied are listed with their checksums.
const TABLE: &str = "haechi.migrations";

/// Every version of the schema, oldest first. Add to the end; never change one that was released. A migration after which older programs must not
/// go on sets `haechi.compatibility.oldest_known` to its own number.
const MIGRATIONS: Migrations = Migrations(&[
    (1, "first", include_str!("../../migrations/postgres/0001_first.sql")),
    (2, "key life", include_str!("../../migrations/postgres/0002_key_life.sql")),
    (3, "quotas", include_str!("../../migrations/postgres/0003_quotas.sql")),
    (4, "clients", include_str!("../../migrations/postgres/0004_clients.sql")),
    (5, "revisions", include_str!("../../migrations/postgres/0005_revisions.sql")),
    (6, "web sessions", include_str!("../../migrations/postgres/0006_web_sessions.sql")),
    (7, "policies", include_str!("../../migrations/postgres/0007_policies.sql")),
    (8, "standard provider", include_str!("../../migrations/postgres/0008_standard_provider.sql")),
    (9, "second factor", include_str!("../../migrations/postgres/0009_second_factor.sql")),
    (10, "passkeys", include_str!("../../migrations/postgres/0010_passkeys.sql")),
]);

/// Whoever changes the schema holds this lock ("HAEC"), so that of several nodes that start at once one migrates and the others find it done.
const LOCK: i64 = 0x4841_4543;

/// What the operations need, a table and its columns in each line; and the indexes that keep promises.
const TABLES: [(&str, &str); 16] = [
    (
        "users",
        "id name password_hash roles attributes disabled created_at failures locked_until must_change_password password_changed_at",
    ),
    (
        "clients",
        "id name secret_sha256 roles scopes attributes created_at previous_sha256 previous_until public_keys audiences token_lifetime public login",
    ),
    ("client_assertions", "sha256 kept_until"),
    (
        "api_keys",
        "id number sha256 owner name roles scopes attributes expires_at allowed_addresses rate_limit quota created_at last_used_at state \
         previous_sha256 previous_until last_used_from imported",
    ),
    ("quota_uses", "api_key window_start window_end requests"),
    ("sessions", "id user_id expires_at created_at forget_after chain_key client_id details"),
    ("refresh_tokens", "sha256 session used used_at"),
    ("signing_keys", "id number algorithm pkcs8 active_from retired_at published_until created_at"),
    ("changes", "epoch kind id kept_until"),
    ("change_epoch", "one value forgotten"),
    (
        "web_sessions",
        "id secret_sha256 authenticator issuer subject provider_session claims tokens refresh_at version refreshing_until created_at seen_at \
         idle_until expires_at",
    ),
    ("login_key", "one key"),
    ("identity_records", "kind id owner value version kept_until"),
    ("compatibility", "one oldest_known"),
    ("policies", "serial name version text changed_at changed_by approved_by"),
    ("approvals", "id action target content asked_by asked_at expires_at state decided_by decided_at"),
];
const INDEXES: [&str; 3] = ["working_refresh_token", "latest_signing_key", "policy_versions"];

/// Brings the schema up to date, and refuses a database that then lacks something. All of it is one transaction, because a pooler may give every
/// transaction another connection; the lock is taken only where there is something to write.
pub(super) async fn bring_up_to_date(connection: &mut PgConnection) -> Result<(), Refusal> {
    let mut work = connection.begin().await?;
    refuse_foreign(&mut work).await?;
    if !is_up_to_date(&mut work).await? {
        migrate(&mut work).await?;
    }
    check(&mut work).await?;
    Ok(work.commit().await?)
}

async fn is_up_to_date(work: &mut PgConnection) -> Result<bool, Refusal> {
    Ok(is_listed(work).await? && MIGRATIONS.missing(&applied(work).await?)?.is_empty())
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

/// Whether this program may go on: nobody brought the schema to a version that it must not work with. Returns whether the database takes changes: one
/// question for both, because every node asks once a second.
pub(super) async fn may_go_on(connection: &mut PgConnection) -> Result<bool, Refusal> {
    let (newest, oldest_known, read_only): (Option<i64>, Option<i64>, bool) = query_as(
        "SELECT (SELECT max(version) FROM haechi.migrations), (SELECT oldest_known FROM haechi.compatibility), \
         pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
    )
    .persistent(false)
    .fetch_one(connection)
    .await?;
    let (known, newest) = (MIGRATIONS.newest(), newest.unwrap_or(0));
    match oldest_known {
        Some(oldest_known) if oldest_known <= known => Ok(!read_only),
        Some(_) => Err(Mismatch::Newer { version: newest, known }.into()),
        None => Err(Refusal::Incomplete { what: "the row of `compatibility`".to_owned() }),
    }
}

/// Which version the schema has.
pub(super) async fn status(connection: &mut PgConnection) -> Result<SchemaStatus, Refusal> {
    let mut work = connection.begin().await?;
    refuse_foreign(&mut work).await?;
    let applied = if is_listed(&mut work).await? { applied(&mut work).await? } else { Vec::new() };
    work.commit().await?;
    let newest = applied.iter().map(|done| done.version).max().unwrap_or(0);
    Ok(SchemaStatus { applied: newest, known: MIGRATIONS.newest() })
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

/// Applies the migrations that are missing.
async fn migrate(work: &mut PgConnection) -> Result<(), Refusal> {
    query("SELECT pg_advisory_xact_lock($1)").persistent(false).bind(LOCK).execute(&mut *work).await?;
    let exists: bool = query_scalar("SELECT to_regnamespace('haechi') IS NOT NULL")
        .persistent(false)
        .fetch_one(&mut *work)
        .await?;
    // Asked first, because `IF NOT EXISTS` wants the right to make schemas where there is one, too.
    if !exists {
        work.execute("CREATE SCHEMA haechi").await?;
    }
    // Whoever held the lock before may have done all of it.
    if !is_listed(work).await? {
        work.ensure_migrations_table(TABLE).await?;
    }
    let applied = applied(work).await?;
    for migration in MIGRATIONS.missing(&applied)? {
        let began = Instant::now();
        work.execute(migration.sql.clone()).await?;
        query(
            "INSERT INTO haechi.migrations (version, description, success, checksum, execution_time) \
             VALUES ($1, $2, TRUE, $3, $4)",
        )
        .persistent(false)
        .bind(migration.version)
        .bind(&*migration.description)
        .bind(&*migration.checksum)
        .bind(i64::try_from(began.elapsed().as_nanos()).unwrap_or(i64::MAX))
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}

/// The migrations that were applied. The driver's own list leaves a prepared statement behind, which another connection of a pooler then has.
async fn applied(work: &mut PgConnection) -> Result<Vec<AppliedMigration>, Refusal> {
    let rows: Vec<(i64, Vec<u8>)> =
        query_as("SELECT version, checksum FROM haechi.migrations ORDER BY version")
            .persistent(false)
            .fetch_all(work)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(version, checksum)| AppliedMigration { version, checksum: checksum.into() })
        .collect())
}
