//! What cannot be opened, and what is said about it.

use crate::Fixture;
use crate::samples::user;
use haechi_store::{Location, OpenError, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use std::fs;
use std::path::Path;

async fn refusal(file: &Path) -> OpenError {
    match Store::open(&format!("sqlite:{}", file.display())).await {
        Ok(_) => panic!("`{}` was opened", file.display()),
        Err(error) => error,
    }
}

/// A connection that goes past the store.
pub(crate) async fn raw(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.unwrap()
}

async fn execute(file: &Path, sql: &'static str) {
    let mut connection = raw(file).await;
    connection.execute(sql).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert_eq!(refusal(&missing.join("haechi.db")).await, OpenError::NoFolder(missing.clone()));
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_folder_is_not_a_file() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(refusal(folder.path()).await, OpenError::NotAFile(folder.path().into()));
}

#[tokio::test]
async fn a_file_with_other_content_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for content in ["short", &"long ".repeat(4096)] {
        let file = folder.path().join("notes.txt");
        fs::write(&file, content).unwrap();
        assert_eq!(refusal(&file).await, OpenError::NotADatabase(file.clone()));
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.db");
    execute(&file, "CREATE TABLE songs (title TEXT)").await;
    let before = fs::read(&file).unwrap();
    assert_eq!(refusal(&file).await, OpenError::Foreign(file.display().to_string()));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_newer_version_s_database_is_left_alone() {
    let fixture = Fixture::new().await;
    fixture.store.users.add(&user("alice")).await.unwrap();
    fixture.store.close().await;
    let file = fixture.file();
    let known = Store::status(&Location::Sqlite(file.clone())).await.unwrap().unwrap().known;
    execute(&file, "INSERT INTO migrations VALUES (99, 'future', 0, 1, x'00', 0)").await;
    let expected = OpenError::Newer { store: file.display().to_string(), version: 99, known };
    assert_eq!(refusal(&file).await, expected);
    assert!(expected.to_string().contains("newer version of haechi"));
}

#[tokio::test]
async fn a_schema_with_another_checksum_is_refused() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let file = fixture.file();
    execute(&file, "UPDATE migrations SET checksum = x'00'").await;
    assert_eq!(refusal(&file).await, OpenError::Altered { store: file.display().to_string(), version: 1 });
}

#[tokio::test]
async fn a_schema_that_lacks_something_is_refused() {
    for (change, what) in [
        ("DROP TABLE api_keys", "the table `api_keys`"),
        ("ALTER TABLE users DROP COLUMN locked_until", "the column `users.locked_until` INTEGER"),
        ("DROP INDEX working_refresh_token", "the index `working_refresh_token`"),
        ("DELETE FROM change_epoch", "the row of `change_epoch`"),
    ] {
        let fixture = Fixture::new().await;
        fixture.store.close().await;
        let file = fixture.file();
        execute(&file, change).await;
        assert_eq!(
            refusal(&file).await,
            OpenError::Incomplete { store: file.display().to_string(), what: what.into() }
        );
    }
}
