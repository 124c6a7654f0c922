//! Files of earlier versions.

use crate::samples::at;
use crate::unopenable::raw;
use haechi_core::ports::{Change, Revoked};
use sqlx::migrate::{Migrate, Migration, MigrationType};
use sqlx::{Connection, Executor, SqlSafeStr};

const FIRST: &str = include_str!("../../migrations/sqlite/0001_first.sql");

#[tokio::test]
async fn revocations_of_the_first_version_stay_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let mut old = raw(&folder.path().join("haechi.db")).await;
    let first = Migration::new(1, "first".into(), MigrationType::Simple, FIRST.into_sql_str(), false);
    old.ensure_migrations_table("migrations").await.unwrap();
    old.apply("migrations", &first).await.unwrap();
    old.execute(
        "UPDATE revocation_epoch SET value = 7;
         INSERT INTO revocations VALUES ('session', 's1', 1800000060000), ('token', 't1', 1800000070000), ('token', 't2', 1800000080000)",
    )
    .await
    .unwrap();
    old.close().await.unwrap();

    let store = crate::open(&folder).await;
    let known = store.revocations.changes_since(0, 100).await.unwrap();
    assert_eq!((known.newest, known.epoch, known.forgotten), (10, 10, 10));
    let revoked = |what, until| Change::Revoked { what, until: at(until) };
    let mut changes = known.changes;
    changes.sort();
    assert_eq!(
        changes,
        [
            revoked(Revoked::Session("s1".into()), 60),
            revoked(Revoked::Token("t1".into()), 70),
            revoked(Revoked::Token("t2".into()), 80),
        ]
    );
    // A node that knew the first version's epoch has to begin again.
    assert!(!store.revocations.changes_since(7, 100).await.unwrap().follows(7));
    store.revocations.revoke(&Revoked::Token("t3".into()), at(90)).await.unwrap();
    assert_eq!(store.revocations.epoch().await.unwrap(), 11);
}
