//! Versions of a schema, for every kind of store that has one.

use sqlx::SqlSafeStr;
use sqlx::migrate::{AppliedMigration, Migration, MigrationType};

/// Every version of a schema, oldest first: its number, its name and its SQL. Add to the end; never change one that was released.
pub(crate) struct Migrations(pub(crate) &'static [(i64, &'static str, &'static str)]);

/// Which version a store's schema has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The newest version that was applied; 0 in an empty store.
    pub applied: i64,
    /// The newest version that this program knows.
    pub known: i64,
}

/// A database that does not have what our migrations make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// A migration was applied whose text was another.
    Altered { version: i64 },
    /// A migration was applied that this program does not have.
    Newer { version: i64, known: i64 },
}

impl Migrations {
    /// The newest version.
    pub(crate) const fn newest(&self) -> i64 {
        match self.0.last() {
            Some((version, ..)) => *version,
            None => 0,
        }
    }

    /// Those that were not `applied`, provided that all that were are known and unchanged.
    pub(crate) fn missing(&self, applied: &[AppliedMigration]) -> Result<Vec<Migration>, Mismatch> {
        let known: Vec<Migration> = self.0.iter().copied().map(migration).collect();
        for done in applied {
            let version = done.version;
            match known.iter().find(|migration| migration.version == version) {
                Some(migration) if migration.checksum == done.checksum => {}
                Some(_) => return Err(Mismatch::Altered { version }),
                None => return Err(Mismatch::Newer { version, known: self.newest() }),
            }
        }
        let is_applied = |migration: &Migration| applied.iter().any(|done| done.version == migration.version);
        Ok(known.into_iter().filter(|migration| !is_applied(migration)).collect())
    }
}

fn migration((version, name, sql): (i64, &'static str, &'static str)) -> Migration {
    Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
}
