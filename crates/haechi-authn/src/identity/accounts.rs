//! What operators do with users and API keys.

use super::provider::tokens_expire_at;
use crate::api_key::ApiKey;
use crate::declared::{AttributeFault, DeclaredAttributes};
use crate::hashing::{HashingError, PasswordFault, PasswordPool, check_new_password};
use crate::random::{self, RandomnessError};
use haechi_core::ports::{
    ApiKeyRecord, ApiKeys, KeyStanding, KeyState, LoginState, Quota, Sessions, StoreError, UserRecord, Users,
};
use haechi_core::{Attributes, Clock, RoleTable, Secret, Timestamp};
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;

/// Changes users and API keys. Whatever takes something away ends the user's sessions and revokes their access tokens.
pub struct Accounts {
    stores: AccountStores,
    pool: Arc<PasswordPool>,
    clock: Arc<dyn Clock>,
    roles: Arc<RoleTable>,
    declared: Arc<DeclaredAttributes>,
    access_lifetime: Duration,
}

/// Where accounts are kept.
pub struct AccountStores {
    /// Users.
    pub users: Arc<dyn Users>,
    /// Login sessions.
    pub sessions: Arc<dyn Sessions>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeys>,
}

/// A user to be added.
#[derive(Clone, Debug, Default)]
pub struct UserSpec {
    /// What the user types to log in.
    pub name: String,
    /// Roles.
    pub roles: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
}

/// An API key to be made.
#[derive(Clone, Debug, Default)]
pub struct KeySpec {
    /// Who answers for the key; the subject of its caller.
    pub owner: String,
    /// What people call it.
    pub name: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// Accepted for so long; for ever when `None`.
    pub lasts: Option<Duration>,
    /// Accepted only from these addresses; from anywhere when empty.
    pub allowed_addresses: Vec<IpNet>,
    /// So many requests in so much time.
    pub rate_limit: Option<Quota>,
    /// So many in a longer time.
    pub quota: Option<Quota>,
}

/// A key that another gateway has given out.
#[derive(Clone, Debug)]
pub struct KeyImport {
    /// SHA-256 of the key's text as clients send it.
    pub sha256: [u8; 32],
    /// Whether its text is known to have our form.
    pub has_our_form: bool,
    /// Who answers for the key; the subject of its caller.
    pub owner: String,
    /// What people call it.
    pub name: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// Declared attributes.
    pub attributes: Attributes,
    /// Not accepted from this time on.
    pub expires_at: Option<Timestamp>,
    /// Accepted only from these addresses; from anywhere when empty.
    pub allowed_addresses: Vec<IpNet>,
    /// Requests per time span.
    pub rate_limit: Option<Quota>,
    /// Requests per longer time span.
    pub quota: Option<Quota>,
}

/// Why an account was not changed, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The name cannot be one.
    #[error(
        "`{0}` is no name: a name is 1 to 128 characters, without `:`, control characters and outer spaces"
    )]
    Name(String),
    /// The password may not be one.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The key works no more.
    #[error("API key `{id}` {how}; create another")]
    KeyEnded {
        /// Its id.
        id: String,
        /// Why not, in words.
        how: &'static str,
    },
    /// No such role.
    #[error("there is no role `{role}`; declare it under `roles`, or name one of `{}`", known.join("`, `"))]
    Role {
        /// The role.
        role: String,
        /// The ones that are.
        known: Vec<String>,
    },
    /// An attribute is not as declared.
    #[error(transparent)]
    Attribute(#[from] AttributeFault),
    /// A scope that is not one word (RFC 6749 3.3).
    #[error("`{0}` is no scope: it is one word of visible ASCII without `\"` and `\\`")]
    Scope(String),
    /// The password could not be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The store; nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The change is made, but sessions from before may still be alive.
    #[error(
        "the change is made, but the user's sessions could not be ended; run the same command again: {0}"
    )]
    SessionsNotEnded(StoreError),
}

impl Accounts {
    /// Accounts in these stores. `access_lifetime` is the longest that an access token may be valid which a change must revoke: also one
    /// that was made when the configuration said another lifetime.
    pub fn new(
        stores: AccountStores,
        pool: Arc<PasswordPool>,
        clock: Arc<dyn Clock>,
        roles: Arc<RoleTable>,
        declared: Arc<DeclaredAttributes>,
        access_lifetime: Duration,
    ) -> Self {
        Self { stores, pool, clock, roles, declared, access_lifetime }
    }

    /// Whether [`Accounts::add_user`] would add this user, but for the password: nobody is asked for one in vain.
    ///
    /// # Errors
    /// [`AccountError`]; `Store(Exists)` where the name is taken.
    pub async fn check_user(&self, spec: &UserSpec) -> Result<(), AccountError> {
        self.check_spec(spec)?;
        match self.stores.users.by_name(&spec.name).await? {
            Some(_) => Err(StoreError::Exists(format!("user `{}`", spec.name)).into()),
            None => Ok(()),
        }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`AccountError`]; `Store(Exists)` where the name is taken.
    pub async fn add_user(
        &self,
        spec: UserSpec,
        password: Secret<String>,
    ) -> Result<UserRecord, AccountError> {
        self.check_spec(&spec)?;
        let user = UserRecord {
            id: random::id()?,
            password_hash: self.hash(&spec.name, password).await?,
            name: spec.name,
            roles: without_repeats(spec.roles),
            attributes: spec.attributes,
            disabled: false,
            created_at: self.clock.now(),
            login: LoginState::default(),
        };
        self.stores.users.add(&user).await?;
        Ok(user)
    }

    /// Replaces a user's password, clears the lockout, and ends the user's sessions.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_password(&self, name: &str, password: Secret<String>) -> Result<(), AccountError> {
        let user = self.existing(name).await?;
        let hash = self.hash(name, password).await?;
        self.stores.users.set_password(name, &hash).await?;
        self.end_sessions(&user).await
    }

    /// Replaces a user's roles. Ends the user's sessions, whose tokens carry the old ones, unless the user only gains.
    /// Returns the roles without repeats.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_roles(&self, name: &str, roles: Vec<String>) -> Result<Vec<String>, AccountError> {
        check_roles(&self.roles, &roles)?;
        let roles = without_repeats(roles);
        let user = self.existing(name).await?;
        self.stores.users.set_roles(name, &roles).await?;
        let lost = user.roles.iter().any(|role| !roles.contains(role));
        let gained = roles.iter().any(|role| !user.roles.contains(role));
        // Neither is the same command run again, maybe because the sessions could not be ended the first time.
        if lost || !gained {
            self.end_sessions(&user).await?;
        }
        Ok(roles)
    }

    /// Disables a user and ends the user's sessions, or enables the user again.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn set_disabled(&self, name: &str, disabled: bool) -> Result<(), AccountError> {
        let user = self.existing(name).await?;
        self.stores.users.set_disabled(name, disabled).await?;
        if disabled { self.end_sessions(&user).await } else { Ok(()) }
    }

    /// Deletes a user and ends the user's sessions.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn delete(&self, name: &str) -> Result<(), AccountError> {
        let user = self.existing(name).await?;
        // Disabled first: no session begins while they are ended, and if ending fails the user is still there to try again.
        self.stores.users.set_disabled(name, true).await?;
        self.end_sessions(&user).await?;
        Ok(self.stores.users.delete(name).await?)
    }

    /// Makes an API key. The key itself is returned here and never again.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn create_key(&self, spec: KeySpec) -> Result<(ApiKeyRecord, ApiKey), AccountError> {
        check_name(&spec.owner)?;
        spec.name.as_deref().map_or(Ok(()), check_name)?;
        check_roles(&self.roles, &spec.roles)?;
        check_scopes(&spec.scopes)?;
        self.declared.check(&spec.attributes)?;
        let key = ApiKey::generate()?;
        let now = self.clock.now();
        let record = ApiKeyRecord {
            id: random::id()?,
            sha256: key.sha256(),
            previous: None,
            owner: spec.owner,
            name: spec.name,
            roles: without_repeats(spec.roles),
            scopes: without_repeats(spec.scopes),
            attributes: spec.attributes,
            expires_at: spec.lasts.map(|lasts| now.plus(lasts)),
            allowed_addresses: spec.allowed_addresses,
            rate_limit: spec.rate_limit,
            quota: spec.quota,
            created_at: now,
            last_used_at: None,
            last_used_from: None,
            state: KeyState::Active,
            imported: false,
        };
        self.stores.api_keys.add(&record).await?;
        Ok((record, key))
    }

    /// Gives a key a new secret. The one that it has works for `overlap` longer, the one before that no more. Returns until when the earlier one
    /// works, and the new key, which is shown here and never again.
    ///
    /// # Errors
    /// [`AccountError`], also for a key that was revoked or has expired.
    pub async fn rotate_key(
        &self,
        key: &ApiKeyRecord,
        overlap: Duration,
    ) -> Result<(Timestamp, ApiKey), AccountError> {
        let now = self.clock.now();
        match key.standing(now) {
            KeyStanding::Active => {}
            KeyStanding::Revoked => {
                return Err(AccountError::KeyEnded { id: key.id.clone(), how: "was revoked" });
            }
            KeyStanding::Expired => {
                return Err(AccountError::KeyEnded { id: key.id.clone(), how: "has expired" });
            }
        }
        let (next, until) = (ApiKey::generate()?, now.plus(overlap));
        self.stores.api_keys.rotate(&key.id, &next.sha256(), until).await?;
        Ok((until, next))
    }

    /// The record of a key that is to be imported, for [`haechi_core::ports::ApiKeys::add_all`].
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn imported_key(&self, key: KeyImport) -> Result<ApiKeyRecord, AccountError> {
        check_name(&key.owner)?;
        key.name.as_deref().map_or(Ok(()), check_name)?;
        check_roles(&self.roles, &key.roles)?;
        check_scopes(&key.scopes)?;
        self.declared.check(&key.attributes)?;
        Ok(ApiKeyRecord {
            id: random::id()?,
            sha256: key.sha256,
            previous: None,
            owner: key.owner,
            name: key.name,
            roles: without_repeats(key.roles),
            scopes: without_repeats(key.scopes),
            attributes: key.attributes,
            expires_at: key.expires_at,
            allowed_addresses: key.allowed_addresses,
            rate_limit: key.rate_limit,
            quota: key.quota,
            created_at: self.clock.now(),
            last_used_at: None,
            last_used_from: None,
            state: KeyState::Active,
            imported: !key.has_our_form,
        })
    }

    fn check_spec(&self, spec: &UserSpec) -> Result<(), AccountError> {
        check_name(&spec.name)?;
        check_roles(&self.roles, &spec.roles)?;
        Ok(self.declared.check(&spec.attributes)?)
    }

    async fn existing(&self, name: &str) -> Result<UserRecord, AccountError> {
        let user = self.stores.users.by_name(name).await?;
        user.ok_or_else(|| StoreError::Missing(format!("user `{name}`")).into())
    }

    async fn hash(&self, name: &str, password: Secret<String>) -> Result<Secret<String>, AccountError> {
        check_new_password(password.expose(), name)?;
        Ok(self.pool.hash(password).await?)
    }

    async fn end_sessions(&self, user: &UserRecord) -> Result<(), AccountError> {
        let until: Timestamp = tokens_expire_at(self.clock.now(), self.access_lifetime);
        self.stores.sessions.end_all_of(&user.id, until).await.map_err(AccountError::SessionsNotEnded)
    }
}

/// Checks that all of `roles` are declared or built in.
///
/// # Errors
/// [`AccountError::Role`] for the first that is not.
pub fn check_roles(declared: &RoleTable, roles: &[String]) -> Result<(), AccountError> {
    match roles.iter().find(|role| !declared.knows(role)) {
        None => Ok(()),
        Some(role) => Err(AccountError::Role {
            role: role.clone(),
            known: declared.names().map(ToString::to_string).collect(),
        }),
    }
}

pub(super) fn without_repeats(words: Vec<String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        if !once.contains(&word) {
            once.push(word);
        }
    }
    once
}

pub(super) fn check_name(name: &str) -> Result<(), AccountError> {
    let sound = (1..=128).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(|c| c == ':' || c.is_control());
    if sound { Ok(()) } else { Err(AccountError::Name(name.escape_debug().to_string())) }
}

pub(super) fn check_scopes(scopes: &[String]) -> Result<(), AccountError> {
    let word = |scope: &str| {
        !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b))
    };
    match scopes.iter().find(|scope| !word(scope)) {
        None => Ok(()),
        Some(scope) => Err(AccountError::Scope(scope.escape_debug().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::{AccountError, AccountStores, Accounts, KeySpec, UserSpec};
    use crate::declared::DeclaredAttributes;
    use crate::hashing::PasswordFault;
    use crate::identity::passwords::tests::{PASSWORD, World, from};
    use crate::test_support::{change_user, revoked, user};
    use haechi_core::ports::{Exchange, Revoked, Rotation, Session, StoreError};
    use haechi_core::{AttributeType, AttributeValue, Attributes, Clock, RoleTable, Secret};
    use haechi_testkit::{Fault, FaultyStore};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    fn accounts(world: &World) -> Accounts {
        accounts_with(world, world.store.clone())
    }

    /// Whose sessions cannot be ended.
    fn stuck(world: &World) -> Accounts {
        let sessions = FaultyStore::new();
        sessions.set_fault(Fault::Fails);
        accounts_with(world, sessions)
    }

    fn accounts_with(world: &World, sessions: Arc<FaultyStore>) -> Accounts {
        let stores = AccountStores { users: world.store.clone(), sessions, api_keys: world.store.clone() };
        let roles = RoleTable::new(&BTreeMap::from([("USER".to_owned(), vec![])])).unwrap();
        let declared = DeclaredAttributes::new([("tenant".into(), AttributeType::String)].into());
        let lifetime = Duration::from_secs(600);
        Accounts::new(
            stores,
            world.pool.clone(),
            world.clock.clone(),
            Arc::new(roles),
            Arc::new(declared),
            lifetime,
        )
    }

    async fn with_session(world: &World) {
        let session = Session {
            id: "s-1".into(),
            user_id: "u-1".into(),
            token_sha256: [1; 32],
            expires_at: world.clock.now().plus(Duration::from_secs(3600)),
            created_at: world.clock.now(),
            chain_key: None,
        };
        world.store.inner().sessions.begin(&session).await.unwrap();
    }

    /// Whether the session still works. Works once.
    async fn is_alive(world: &World) -> bool {
        let rotation =
            world.store.inner().sessions.rotate(Exchange::once(&[1; 32], &[2; 32], world.clock.now())).await;
        matches!(rotation, Ok(Rotation::Rotated(_)))
    }

    #[tokio::test]
    async fn an_added_user_can_log_in() {
        let world = World::new().await;
        let roles = ["USER", "haechi-admin", "USER"].map(str::to_owned).to_vec();
        let root = UserSpec { name: "root".into(), roles, ..UserSpec::default() };
        let accounts = accounts(&world);
        accounts.check_user(&root).await.unwrap();
        let user = accounts.add_user(root.clone(), Secret::from(PASSWORD)).await.unwrap();
        assert_eq!(user.roles, ["USER", "haechi-admin"]);
        assert_eq!(
            world.verifier().verify("root", Secret::from(PASSWORD), from(7)).await.unwrap().id,
            user.id
        );
        let taken = |refused| matches!(refused, Err(AccountError::Store(StoreError::Exists(_))));
        assert!(taken(accounts.check_user(&root).await));
        assert!(taken(accounts.add_user(root, Secret::from(PASSWORD)).await.map(drop)));
    }

    #[tokio::test]
    async fn what_may_not_be_is_refused_before_anything_is_stored() {
        let world = World::new().await;
        let accounts = accounts(&world);
        let calls = world.store.asked();
        let add = async |name: &str, password: &str, role: &str, attribute: AttributeValue| {
            let attributes = Attributes::from([("tenant".into(), attribute)]);
            let spec = UserSpec { name: name.into(), roles: vec![role.into()], attributes };
            accounts.add_user(spec, Secret::from(password)).await.unwrap_err()
        };
        let acme = || AttributeValue::String("acme".into());
        for name in ["", "a:b", " a", "a\nb", &"x".repeat(129)] {
            assert!(matches!(add(name, PASSWORD, "USER", acme()).await, AccountError::Name(_)), "{name}");
        }
        assert_eq!(add("a", "short", "USER", acme()).await, AccountError::Password(PasswordFault::TooShort));
        let error = add("a", PASSWORD, "ROOT", acme()).await.to_string();
        assert!(error.starts_with("there is no role `ROOT`; ") && error.contains("`USER`"), "{error}");
        assert!(matches!(
            add("a", PASSWORD, "USER", AttributeValue::Long(1)).await,
            AccountError::Attribute(_)
        ));
        assert_eq!(world.store.asked(), calls);
    }

    #[tokio::test]
    async fn whatever_takes_away_ends_sessions() {
        for change in ["password", "roles", "disable", "delete"] {
            let world = World::new().await;
            with_session(&world).await;
            let accounts = accounts(&world);
            match change {
                "password" => accounts.set_password("mina", Secret::from("nine bees under a hat")).await,
                "roles" => accounts.set_roles("mina", vec!["USER".into()]).await.map(drop),
                "disable" => accounts.set_disabled("mina", true).await,
                _ => accounts.delete("mina").await,
            }
            .unwrap();
            assert!(!is_alive(&world).await, "{change}");
            assert_eq!(revoked(&world.store).await, [Revoked::Session("s-1".into())], "{change}");
        }
    }

    #[tokio::test]
    async fn whoever_only_gains_a_role_stays_logged_in() {
        let world = World::new().await;
        with_session(&world).await;
        change_user(&world.store, "mina", |mina| mina.roles = vec!["USER".into()]).await;
        let more = ["USER", "haechi-auditor", "USER"].map(str::to_owned).to_vec();
        let now = accounts(&world).set_roles("mina", more).await.unwrap();
        assert_eq!(now, ["USER", "haechi-auditor"]);
        assert_eq!(user(&world.store, "mina").await.unwrap().roles, now);
        assert!(is_alive(&world).await);
    }

    #[tokio::test]
    async fn what_could_not_end_sessions_is_run_again() {
        for change in ["password", "roles", "disable", "delete"] {
            let world = World::new().await;
            with_session(&world).await;
            let run = async |accounts: Accounts| match change {
                "password" => accounts.set_password("mina", Secret::from("nine bees under a hat")).await,
                "roles" => accounts.set_roles("mina", vec!["USER".into()]).await.map(drop),
                "disable" => accounts.set_disabled("mina", true).await,
                _ => accounts.delete("mina").await,
            };
            let first = run(stuck(&world)).await;
            assert!(matches!(first, Err(AccountError::SessionsNotEnded(_))), "{change}: {first:?}");
            let mina = user(&world.store, "mina").await.unwrap();
            assert_eq!(mina.disabled, ["disable", "delete"].contains(&change));
            run(accounts(&world)).await.unwrap();
            assert!(!is_alive(&world).await, "{change}");
            assert_eq!(user(&world.store, "mina").await.is_none(), change == "delete");
        }
    }

    #[tokio::test]
    async fn enabling_ends_nothing_and_nobody_is_missing_silently() {
        let world = World::new().await;
        with_session(&world).await;
        accounts(&world).set_disabled("mina", false).await.unwrap();
        assert!(is_alive(&world).await);
        let missing = accounts(&world).delete("nobody").await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no user `nobody`");
        world.store.set_fault(Fault::Fails);
        assert!(matches!(accounts(&world).delete("mina").await, Err(AccountError::Store(_))));
    }

    #[tokio::test]
    async fn a_key_is_kept_as_its_hash_only() {
        let world = World::new().await;
        let spec = KeySpec {
            owner: "acme".into(),
            scopes: vec!["orders:read".into()],
            lasts: Some(Duration::from_secs(60)),
            ..KeySpec::default()
        };
        let (record, key) = accounts(&world).create_key(spec.clone()).await.unwrap();
        assert_eq!(record.sha256, key.sha256());
        assert_eq!(record.expires_at, Some(world.clock.now().plus(Duration::from_secs(60))));
        assert!(!format!("{record:?}").contains(key.expose()));
        let bad = KeySpec { scopes: vec!["two words".into()], ..spec.clone() };
        assert!(matches!(accounts(&world).create_key(bad).await, Err(AccountError::Scope(_))));
        let nobody = KeySpec { owner: String::new(), ..spec.clone() };
        assert!(matches!(accounts(&world).create_key(nobody).await, Err(AccountError::Name(_))));
        let odd = KeySpec { name: Some("a\nb".into()), ..spec };
        assert!(matches!(accounts(&world).create_key(odd).await, Err(AccountError::Name(_))));
    }
}
