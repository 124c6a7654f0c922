//! Everything that judges requests, put together from a configuration: for the running gate, each time it is loaded, and for commands that
//! judge one request.

use super::authenticators::{self, AuthenticatorFault, Built, Fetching};
use super::fetch::WebFetch;
use super::identity::{self, IdentityFault};
use super::key_expiry::KeyExpiry;
use super::plan::{self, PlanFault};
use super::points::decision_points;
use super::service_calls::service_calls;
use super::service_tokens::ServiceTokens;
use super::store_watch::StoreWatch;
use crate::authenticators::definition::Materials;
use crate::config::Config;
use crate::config::meant::Authenticator;
use haechi_authn::RevocationWatch;
use haechi_authn::control::Control;
use haechi_authn::declared::DeclaredAttributes;
use haechi_authn::hashing::PasswordPool;
use haechi_authn::identity::{ClientOrigins, IdentityLimits, Keyring};
use haechi_authn::key_uses::KeyUses;
use haechi_authn::keys::Fetch;
use haechi_authn::oidc::WebCalls;
use haechi_authn::possession::ReplayMemory;
use haechi_authn::quotas::QuotaKeeper;
use haechi_authn::supervisor::supervise;
use haechi_core::{Clock, SystemClock};
use haechi_proxy::{Endpoints, Logins, Plan, RateLimiter};
use haechi_shared::{SharedState, TlsError};
use haechi_store::Store;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

/// How long a command waits for keys and revocations before it judges without them.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// What stays for as long as the process runs, whatever is reloaded: the store, what is known of revocations, the signing keys, the threads
/// that hash passwords.
pub(crate) struct ProcessState {
    pub(crate) store: Option<Store>,
    /// What nodes count together in, where they do.
    pub(crate) shared_state: Option<SharedState>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What is known of revocations; never fresh without a store.
    pub(crate) watch: Arc<RevocationWatch>,
    /// Whether the store can read and write.
    pub(crate) store_watch: Arc<StoreWatch>,
    /// Counts calls of the identity provider.
    pub(crate) identity_limits: Arc<IdentityLimits>,
    /// Counts against the quotas of API keys, where there is a store.
    pub(crate) quotas: Option<Arc<QuotaKeeper>>,
    /// Which DPoP proofs were used.
    pub(super) replays: Arc<ReplayMemory>,
    /// Counts requests against limits.
    pub(crate) rate_limiter: Arc<RateLimiter>,
    /// When API keys were used, until that is written.
    pub(crate) key_uses: Arc<KeyUses>,
    /// Which API keys expire before long.
    pub(crate) key_expiry: Arc<KeyExpiry>,
    /// What is known of endpoints, for the plans that come after this one.
    pub(crate) endpoints: Endpoints,
    /// The tokens that services are shown.
    pub(super) service_tokens: Arc<ServiceTokens>,
    keyring: Option<Arc<Keyring>>,
    /// Of which pages the identity provider's public clients are.
    client_origins: Arc<ClientOrigins>,
    /// Where passwords are hashed, once there is somebody with one.
    pub(crate) pool: Arc<OnceLock<Arc<PasswordPool>>>,
    fetch: Arc<dyn Fetch>,
    /// Asks login providers.
    calls: Arc<dyn WebCalls>,
    control: Handle,
}

/// What judges requests.
pub(crate) struct Assembly {
    pub(crate) process: Arc<ProcessState>,
    pub(crate) built: Arc<Built>,
    pub(crate) plan: Arc<Plan>,
}

/// Why it cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssemblyFault {
    #[error("cannot hash the password for comparison: {0}")]
    Hashing(#[from] haechi_authn::hashing::UnusableHash),
    #[error(transparent)]
    SharedState(#[from] TlsError),
    #[error(transparent)]
    Identity(#[from] IdentityFault),
    #[error(transparent)]
    Authenticator(#[from] AuthenticatorFault),
    #[error(transparent)]
    Plan(#[from] PlanFault),
}

impl ProcessState {
    /// Opens the store and loads the signing keys; follows both on `control` from then on.
    pub(super) fn new(config: &Config, control: &Runtime) -> Result<Self, AssemblyFault> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let watch = Arc::new(RevocationWatch::new(clock.clone()));
        let store_watch = Arc::new(StoreWatch::new());
        let shared_state = config.shared_state.as_ref().map(SharedState::new).transpose()?;
        let rate_limiter = Arc::new(RateLimiter::new(shared_state.as_ref().map(SharedState::limits)));
        let replays = ReplayMemory::new(shared_state.as_ref().map(SharedState::limits), clock.clone());
        let store = control.block_on(identity::open_store(config))?;
        let (key_uses, key_expiry) = (Arc::new(KeyUses::default()), Arc::new(KeyExpiry::default()));
        if let Some(store) = &store {
            let log = store.revocations.clone();
            let log =
                shared_state.as_ref().map_or_else(|| log.clone(), |shared| shared.revocations(log.clone()));
            identity::follow_revocations(log, &watch, &clock, control.handle());
            let (uses, keys) = (key_uses.clone(), store.api_keys.clone());
            supervise(control.handle(), "API key uses", move || uses.clone().follow(keys.clone()));
            let (followed, store) = (store_watch.clone(), store.clone());
            supervise(control.handle(), "store", move || followed.clone().follow(store.clone()));
        }
        let keyring =
            control.block_on(identity::keyring(config, store.as_ref(), &clock, control.handle()))?;
        let client_origins: Arc<ClientOrigins> = Arc::default();
        if let (Some(store), true) = (&store, config.identity.is_some()) {
            let (origins, clients) = (client_origins.clone(), store.clients.clone());
            supervise(control.handle(), "client origins", move || origins.clone().follow(clients.clone()));
        }
        let quotas = store.as_ref().map(|store| QuotaKeeper::new(store.quotas.clone(), clock.clone()));
        if let Some(quotas) = &quotas {
            let quotas = quotas.clone();
            supervise(control.handle(), "quotas", move || quotas.clone().keep_saving());
        }
        let limits = shared_state.as_ref().map(SharedState::limits);
        let identity_limits = Arc::new(IdentityLimits::new(limits, clock.clone()));
        let fetch = Arc::new(WebFetch::new(&config.egress));
        let service_tokens =
            Arc::new(ServiceTokens::new(fetch.clone(), clock.clone(), control.handle().clone()));
        Ok(Self {
            store,
            shared_state,
            clock,
            watch,
            store_watch,
            identity_limits,
            replays: Arc::new(replays),
            quotas,
            rate_limiter,
            key_uses,
            key_expiry,
            endpoints: Endpoints::default(),
            service_tokens,
            keyring,
            client_origins,
            pool: Arc::default(),
            calls: fetch.clone(),
            fetch,
            control: control.handle().clone(),
        })
    }

    /// The signing keys of the identity provider, where there is one.
    pub(crate) const fn keyring(&self) -> Option<&Arc<Keyring>> {
        self.keyring.as_ref()
    }

    /// Where passwords are hashed, if any ever are: gathering randomness for it takes longer than all the rest of the start.
    fn pool(&self, config: &Config) -> Result<Option<&Arc<PasswordPool>>, AssemblyFault> {
        let with_passwords = |known: &Authenticator| known.settings.needs().password_pool;
        let needed = config.identity.is_some() || config.authenticators.values().any(with_passwords);
        if needed {
            self.any_pool()?;
        }
        Ok(self.pool.get())
    }

    /// The same, whether anything configured asks for passwords or not.
    pub(super) fn any_pool(&self) -> Result<Arc<PasswordPool>, AssemblyFault> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool.clone());
        }
        let pool = PasswordPool::with_defaults(self.control.clone())?;
        if let Some(shared) = &self.shared_state {
            pool.guard().count_with(shared.guesses());
        }
        self.watch.unlock_in(pool.guard().clone());
        Ok(self.pool.get_or_init(|| Arc::new(pool)).clone())
    }
}

impl Assembly {
    /// Opens the store, starts the identity provider and the fetching of keys on `control`, and makes the first plan.
    pub(crate) fn new(config: &Config, control: &Runtime) -> Result<Self, AssemblyFault> {
        // Nothing is forwarded, so nothing is shown to services.
        Self::made(config, &Arc::new(ProcessState::new(config, control)?), (1, None), None)
    }

    /// The plan of generation `generation`. Authenticators and keys of the one before that would be made of the same stay.
    pub(crate) fn following(
        config: &Config,
        process: &Arc<ProcessState>,
        generation: u64,
        before: Option<&Built>,
    ) -> Result<Self, AssemblyFault> {
        Self::made(config, process, (generation, before), Some(&process.service_tokens))
    }

    fn made(
        config: &Config,
        process: &Arc<ProcessState>,
        (generation, before): (u64, Option<&Built>),
        tokens: Option<&ServiceTokens>,
    ) -> Result<Self, AssemblyFault> {
        let pool = process.pool(config)?;
        let declared = Arc::new(DeclaredAttributes::new(config.caller_attributes.clone()));
        let identity = identity::provider(&identity::Materials {
            config,
            store: process.store.as_ref(),
            keyring: process.keyring.as_ref(),
            pool,
            limits: &process.identity_limits,
            client_origins: &process.client_origins,
            declared: &declared,
            watch: &process.watch,
            clock: &process.clock,
            control: &process.control,
        })?;
        let fetching = Fetching { fetch: &process.fetch, clock: &process.clock, control: &process.control };
        let verifier = process.store.as_ref().zip(pool);
        let materials = Materials {
            pool,
            verifier: verifier.map(|(store, pool)| identity::verifier(config, store, pool, &process.clock)),
            lockout: identity::lockout(config),
            api_keys: process.store.as_ref().map(|store| &store.api_keys),
            web_sessions: process.store.as_ref().map(|store| &store.web_sessions),
            calls: Some(&process.calls),
            service_calls,
            key_uses: &process.key_uses,
            replays: &process.replays,
            quotas: process.quotas.as_ref(),
            identity: identity.as_ref(),
            own_issuer: identity::issuer(config),
            watch: &process.watch,
            roles: &Arc::new(config.roles_of_callers()),
            declared: &declared,
            clock: &process.clock,
            control: Control::new(process.control.clone()),
        };
        let built = Arc::new(authenticators::build(config, &materials, &fetching, before)?);
        let points = decision_points(config, &process.control).map_err(PlanFault::from)?;
        let endpoints = (&process.endpoints, tokens);
        let logins = Logins::new(built.logins.values().cloned(), identity.is_some());
        let plan =
            plan::plan(config, generation, (&built.authenticators, logins), identity, endpoints, points)?;
        Ok(Self { process: process.clone(), built, plan: Arc::new(plan) })
    }

    /// Waits until keys were asked for once and revocations are known, or neither comes: for commands that judge once and end, and for a
    /// gate whose sockets clients connect to already.
    pub(crate) async fn settled(&self) {
        let ProcessState { store, watch, .. } = &*self.process;
        let known = async {
            while store.is_some() && !watch.is_fresh(&watch.view()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // What has not come by then is told as "could not find out".
        let _ = tokio::time::timeout(SETTLED_WITHIN, async { tokio::join!(self.built.asked_once(), known) })
            .await;
    }
}
