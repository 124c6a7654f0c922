//! Everything that judges requests, put together from a configuration: for the running gate, and for commands that judge one request.

use super::authenticators::{self, AuthenticatorFault, Built, Materials};
use super::fetch::WebFetch;
use super::identity::{self, IdentityFault};
use super::plan::{self, PlanFault};
use crate::config::Config;
use crate::config::meant::{Authenticator, AuthenticatorKind};
use haechi_authn::RevocationWatch;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::keys::Fetch;
use haechi_core::{Clock, SystemClock};
use haechi_proxy::{Endpoints, Plan};
use haechi_store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What judges requests.
pub(crate) struct Assembly {
    pub(crate) store: Option<Store>,
    pub(crate) built: Arc<Built>,
    pub(crate) plan: Plan,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is known of revocations; never fresh without a store.
    pub(crate) watch: Arc<RevocationWatch>,
    /// What is known of endpoints, for the plans that come after this one.
    pub(crate) endpoints: Endpoints,
}

/// Why it cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssemblyFault {
    #[error("the password hash for comparison cannot be made: {0}")]
    Hashing(#[from] haechi_authn::hashing::UnusableHash),
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    #[error(transparent)]
    Authenticator(#[from] AuthenticatorFault),
    #[error(transparent)]
    Plan(#[from] PlanFault),
}

impl Assembly {
    /// Opens the store, starts the identity provider and the fetching of keys on `control`, and makes the first plan.
    pub(crate) fn new(config: &Config, control: &Runtime) -> Result<Self, AssemblyFault> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let endpoints = Endpoints::default();
        let store = control.block_on(identity::open_store(config))?;
        let watch = Arc::new(RevocationWatch::new());
        let pool = password_pool(config, control)?;
        let roles = Arc::new(config.roles.clone());
        let declared = Arc::new(DeclaredAttributes::new(config.caller_attributes.clone()));
        let identity = control.block_on(identity::start(&identity::Materials {
            config,
            store: store.as_ref(),
            watch: &watch,
            pool: pool.as_ref(),
            declared: &declared,
            clock: &clock,
            control: control.handle(),
        }))?;
        let fetch: Arc<dyn Fetch> = Arc::new(WebFetch::default());
        let built = Arc::new(authenticators::build(&Materials {
            config,
            store: store.as_ref(),
            identity: identity.as_ref(),
            watch: &watch,
            pool: pool.as_ref(),
            roles: &roles,
            declared: &declared,
            fetch: &fetch,
            clock: &clock,
            control: control.handle(),
        })?);
        let plan = plan::plan(config, 1, &built.authenticators, identity, &endpoints)?;
        Ok(Self { store, built, plan, clock, watch, endpoints })
    }
}

/// Where passwords are hashed, if any ever are: gathering randomness for it takes longer than all the rest of the start.
fn password_pool(config: &Config, control: &Runtime) -> Result<Option<Arc<PasswordPool>>, AssemblyFault> {
    let with_passwords = |a: &Authenticator| matches!(a.kind, AuthenticatorKind::Basic(_));
    if config.identity.is_none() && !config.authenticators.values().any(with_passwords) {
        return Ok(None);
    }
    Ok(Some(Arc::new(PasswordPool::with_defaults(control.handle().clone())?)))
}

impl Assembly {
    /// Waits until keys were asked for once and revocations are known, or neither comes: for commands that judge once and end.
    pub(crate) async fn settled(&self) {
        let keys = async {
            for source in &self.built.keys {
                source.first_attempt().await;
            }
        };
        let known = async {
            while self.store.is_some() && !self.watch.view().is_fresh(self.clock.now()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // What has not come by then is told as "could not find out".
        let _ = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(keys, known) }).await;
    }
}
