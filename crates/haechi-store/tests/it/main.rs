//! What every store must do, what the SQLite store must do besides, and what happens when the store is gone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by stopping"
)]

mod conformance;
mod families;
mod migration;
mod postgres;
mod races;
mod samples;
mod shared_file;
mod unavailable;
mod unopenable;

use haechi_store::Store;
use tempfile::TempDir;

/// A store in a file of its own.
struct Fixture {
    store: Store,
    folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        Self { store, folder }
    }

    /// The same file again, as another process has it.
    async fn again(&self) -> Store {
        open(&self.folder).await
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("haechi.db")
    }
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&format!("sqlite:{}", folder.path().join("haechi.db").display())).await.unwrap()
}

/// A new and empty store in PostgreSQL.
async fn in_postgres() -> Store {
    Store::open(&haechi_testkit::postgres_database()).await.unwrap()
}

/// Makes tests of each function, one for each kind of store.
#[macro_export]
macro_rules! for_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(haechi_store::Store::in_memory()).await;
            }
            )*
        }
        mod sqlite {
            $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let fixture = $crate::Fixture::new().await;
                super::$name(fixture.store.clone()).await;
            }
            )*
        }
        mod postgres {
            $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::in_postgres().await).await;
            }
            )*
        }
    };
}
