//! The policies in force, and whether others may take their place, for the admin API.

use super::archive::limited;
use super::reload::Reloader;
use crate::config::{Config, StorePolicies};
use crate::inspect::policy_change::{PolicyChangeError, check, refused_properties, refused_texts};
use haechi_admin::PolicyControl;
use haechi_admin::inspection::InspectionError;
use haechi_admin::policies::{Checked, FilePolicy, PolicyRefused};
use haechi_core::ports::{BoxFuture, PoliciesInForce};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// So many changes are looked at at once.
const AT_ONCE: usize = 2;

/// Those of the running gate.
pub(crate) struct GatePolicies {
    reloader: Arc<Reloader>,
    room: Arc<Semaphore>,
}

impl GatePolicies {
    pub(crate) fn new(reloader: Arc<Reloader>) -> Self {
        Self { reloader, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// The policy files of a configuration.
pub(crate) fn files(config: &Config) -> Vec<FilePolicy> {
    let deciding = config.policy_files.deciding.iter().map(|file| (file, false));
    let shadow = config.policy_files.shadow.iter().map(|file| (file, true));
    let view = |(file, is_shadow): (&crate::config::value::PolicyText, bool)| FilePolicy {
        name: file.name.to_string(),
        text: file.source.text().to_string(),
        is_shadow,
    };
    deciding.chain(shadow).map(view).collect()
}

/// As the admin API tells it.
pub(crate) fn refused(error: PolicyChangeError) -> PolicyRefused {
    match error {
        PolicyChangeError::Config(report) => PolicyRefused::Faults(refused_texts(&report)),
        PolicyChangeError::Properties(report) => PolicyRefused::Properties(refused_properties(&report)),
        PolicyChangeError::Undecided(why) => PolicyRefused::Unproved(why),
    }
}

impl PolicyControl for GatePolicies {
    fn files(&self) -> Vec<FilePolicy> {
        files(&self.reloader.config())
    }

    fn in_force(&self) -> Option<i64> {
        self.reloader.config().stored.serial()
    }

    fn check(&self, next: PoliciesInForce, name: String) -> BoxFuture<'_, Result<Checked, PolicyRefused>> {
        let (file, config) = (self.reloader.file().to_owned(), Config::clone(&self.reloader.config()));
        let checked = limited(&self.room, move || {
            let next = StorePolicies::of_store(next);
            Ok(Handle::current().block_on(check(&file, config, next, &name)))
        });
        Box::pin(async {
            match checked.await {
                Ok(Ok(found)) => Ok(Checked { proved: found.proved, odd: found.odd }),
                Ok(Err(error)) => Err(refused(error)),
                Err(InspectionError::Busy) => Err(PolicyRefused::Busy),
                Err(InspectionError::TooLong) => {
                    Err(PolicyRefused::Unproved("it took too long to look at the policies".to_owned()))
                }
                Err(error) => Err(PolicyRefused::Failed(format!("{error:?}"))),
            }
        })
    }

    fn follow(&self) -> BoxFuture<'_, ()> {
        // What a caller began goes on when they hang up.
        let reloader = self.reloader.clone();
        let task = tokio::spawn(async move { reloader.follow_policies().await });
        Box::pin(async {
            // Those who follow the store do it otherwise.
            let _ = task.await;
        })
    }
}
