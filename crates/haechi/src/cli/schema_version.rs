//! `haechi store`: the version of the store's schema, and bringing it up to date.

use super::output::{self, said};
use super::store::location;
use super::{Common, Failure, Format};
use clap::Subcommand;
use haechi_store::{SchemaStatus, Store};
use serde_json::json;

/// `haechi store …`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Bring the store's schema up to date. The gateway does the same when it starts; this is for doing it at another time, or by another user of the
    /// database.
    Migrate,
    /// Show the version of the store's schema, and change nothing; exit 1 where it is not the one that this program makes.
    Status,
}

/// Does it.
pub(crate) fn store(common: &Common, command: StoreCommand) -> Result<(), Failure> {
    let location = location(common)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
    runtime.block_on(async {
        let Some(found) = Store::status(&location).await.map_err(Failure::fault)? else {
            return Err(Failure::usage("a store in memory has no schema; name another under `store`"));
        };
        let place = location.to_string();
        match command {
            StoreCommand::Status => status(common, &place, found),
            StoreCommand::Migrate if found.applied == found.known => {
                said(&format!("the schema of `{place}` is up to date (version {})", found.known));
                Ok(())
            }
            StoreCommand::Migrate => {
                let store = Store::at(&location).await.map_err(Failure::fault)?;
                let done = store.ping().await;
                store.close().await;
                done?;
                said(&format!(
                    "brought the schema of `{place}` from version {} to {}",
                    found.applied, found.known
                ));
                Ok(())
            }
        }
    })
}

fn status(common: &Common, place: &str, found: SchemaStatus) -> Result<(), Failure> {
    let SchemaStatus { applied, known } = found;
    match common.output {
        Format::Json => output::json(&json!({ "store": place, "schema": applied, "known": known }))?,
        Format::Text => {
            output::line(&format!("{place}: schema {applied}; this version of haechi makes {known}"))?
        }
    }
    match applied.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(Failure::fault("the schema is older; run `haechi store migrate`, or start the gateway"))
        }
        std::cmp::Ordering::Greater => {
            Err(Failure::fault("the schema was made by a newer version of haechi; run that version"))
        }
    }
}
