//! `import` and `export` below `/api/v1/users` and `/api/v1/keys`: users and keys that come from elsewhere with the hashes of their secrets, and users with
//! theirs for elsewhere.

use crate::answer::{Page, Shown, limit};
use crate::call::{Asked, Json, Nothing};
use crate::change::Change;
use crate::error::AdminError;
use crate::operations::keys::{network, quota};
use crate::operations::policies::DryRunQuery;
use crate::operations::users::UsersQuery;
use crate::refused::Refused;
use crate::shape::{SecretText, shape};
use haechi_authn::identity::{KeyGrant, KeyImport, UserSpec};
use haechi_authn::{api_key::ApiKey, imported_key};
use haechi_core::ports::{ApiKeyRecord, ApiKeys, UserRecord};
use haechi_core::{AttributeValue, Secret, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};

/// No call imports more at once.
const MOST: usize = 1_000;

shape! {
    /// A user who comes from elsewhere, or goes there.
    pub(crate) PortableUser {
        /// What the user types to log in.
        required name: String,
        /// The hash of the password: argon2id (`$argon2id$…`) or bcrypt (`$2b$…`).
        required password_hash: SecretText,
        /// Roles.
        optional roles: Vec<String>,
        /// Declared attributes.
        optional attributes: BTreeMap<Box<str>, AttributeValue>,
        /// Whether the user is kept from logging in.
        optional disabled: bool,
    }

    /// Users to be added.
    pub(crate) UserImport {
        /// At most 1,000.
        required users: Vec<PortableUser>,
        /// Leave users alone that are there already, instead of adding none.
        optional if_missing: bool,
    }

    /// What became of users that were to be added.
    pub(crate) UsersImported {
        /// The names of those who were added, or would be.
        required imported: Vec<String>,
        /// The names of those who were there already.
        required left_alone: Vec<String>,
    }

    /// A key that another gateway has given out.
    pub(crate) PortableKey {
        /// The SHA-256 of the key as clients send it: 64 hex digits. Either this or `key`.
        optional sha256: Option<String>,
        /// Whether that key is known to have the form of ours (`hk_…`).
        optional our_form: bool,
        /// The key. Either this or `sha256`.
        optional key: Option<SecretText>,
        /// Who answers for the key; the subject of its caller.
        required owner: String,
        /// What people call it.
        optional name: Option<String>,
        /// Roles.
        optional roles: Vec<String>,
        /// Scopes.
        optional scopes: Vec<String>,
        /// Declared attributes.
        optional attributes: BTreeMap<Box<str>, AttributeValue>,
        /// When it ends, such as `2027-01-31T00:00:00Z`; never where this is left out.
        optional expires_at: Option<String>,
        /// Networks and addresses from which the key works; from anywhere where this is left out.
        optional allowed_addresses: Vec<String>,
        /// How many requests in how much time, such as `100/1m`.
        optional rate_limit: Option<String>,
        /// How many requests in a longer time, such as `10000/1d`.
        optional quota: Option<String>,
    }

    /// Keys to be added.
    pub(crate) KeyImportBody {
        /// At most 1,000.
        required keys: Vec<PortableKey>,
    }

    /// A key that was added.
    pub(crate) KeyImported {
        /// Names the key without being it; left out where nothing was added.
        optional id: Option<String>,
        /// Who answers for it.
        required owner: String,
        /// What people call it.
        optional name: Option<String>,
    }

    /// Keys that were added.
    pub(crate) KeysImported {
        /// In the order in which they were given.
        required imported: Vec<KeyImported>,
        /// Whether an authenticator accepts keys that do not have the form of ours (`imported_keys: true`).
        required accepted: bool,
    }
}

/// What is wrong, with the place in the list that it is wrong at.
type Faults = Vec<(usize, String)>;

/// Adds all users, or says of each what is wrong and adds none. Each is on record by themselves.
pub(super) async fn users(
    change: Change,
    asked: Asked<Nothing, DryRunQuery, Json<UserImport>>,
) -> Result<Shown<UsersImported>, AdminError> {
    let UserImport { users, if_missing } = asked.body.0;
    bounded(users.len())?;
    let (accounts, known) = (change.accounts()?, change.look.stores()?.users.clone());
    let (mut records, mut left_alone, mut faults): (Vec<UserRecord>, Vec<String>, Faults) =
        Default::default();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (index, user) in users.into_iter().enumerate() {
        let PortableUser { name, password_hash, roles, attributes, disabled } = user;
        if let Some(other) = first.insert(name.clone(), index) {
            faults.push((index, format!("user `{name}` is number {other} as well")));
            continue;
        }
        let spec = UserSpec { name, roles, attributes };
        match accounts.imported_user(spec, password_hash.into_secret(), disabled) {
            Err(error) => faults.push((index, error.to_string())),
            Ok(user) if known.by_name(&user.name).await?.is_none() => records.push(user),
            Ok(user) if if_missing => left_alone.push(user.name),
            Ok(user) => faults.push((index, format!("user `{}` exists already", user.name))),
        }
    }
    none_of(faults)?;
    if !asked.query.dry_run {
        add(&change, &records).await?;
    }
    let imported = records.into_iter().map(|user| user.name).collect();
    Ok(Shown(UsersImported { imported, left_alone }))
}

async fn add(change: &Change, users: &[UserRecord]) -> Result<(), AdminError> {
    for (done, user) in users.iter().enumerate() {
        let one = change.one_more().await?;
        if let Err(error) = one.stores()?.users.add(user).await {
            let (unrecorded, _) = one.recorder().outcome().await;
            let error = unrecorded.map_or_else(|| error.into(), AdminError::Unrecorded);
            return Err(match (done, error) {
                (0, error) => error,
                (done, error) => AdminError::Store(format!(
                    "{done} of {} users were imported, then: {error}; import them again with `if_missing`",
                    users.len()
                )),
            });
        }
    }
    Ok(())
}

/// Adds all keys, or says of each what is wrong and adds none.
pub(super) async fn keys(
    change: Change,
    asked: Asked<Nothing, DryRunQuery, Json<KeyImportBody>>,
) -> Result<Shown<KeysImported>, AdminError> {
    let (keys, dry_run) = (asked.body.0.keys, asked.query.dry_run);
    bounded(keys.len())?;
    let (accounts, known) = (change.accounts()?, change.look.stores()?.api_keys.clone());
    let (mut records, mut faults): (Vec<ApiKeyRecord>, Faults) = Default::default();
    let mut first: HashMap<[u8; 32], usize> = HashMap::new();
    for (index, key) in keys.into_iter().enumerate() {
        let made = read(key).and_then(|key| accounts.imported_key(key).map_err(AdminError::from));
        match made {
            Err(error) => faults.push((index, error.to_string())),
            Ok(key) => match fault_of(&key, &mut first, index, &*known).await? {
                Some(fault) => faults.push((index, fault)),
                None => records.push(key),
            },
        }
    }
    none_of(faults)?;
    if !dry_run && !records.is_empty() {
        let ids: Vec<&str> = records.iter().map(|key| &*key.id).collect();
        change.detail("keys", ids).await;
        change.stores()?.api_keys.add_all(&records).await?;
    }
    let view = |key: ApiKeyRecord| KeyImported {
        id: (!dry_run).then_some(key.id),
        owner: key.owner,
        name: key.name,
    };
    let accepted = change.look.rules()?.takes_imported_keys;
    Ok(Shown(KeysImported { imported: records.into_iter().map(view).collect(), accepted }))
}

/// Whether a key is in the list or the store already.
async fn fault_of(
    key: &ApiKeyRecord,
    first: &mut HashMap<[u8; 32], usize>,
    index: usize,
    known: &dyn ApiKeys,
) -> Result<Option<String>, AdminError> {
    if let Some(other) = first.insert(key.sha256, index) {
        return Ok(Some(format!("the key is number {other} as well")));
    }
    let there = known.by_sha256(&key.sha256).await?;
    Ok(there.map(|there| format!("the key is in the store already, as `{}`", there.id)))
}

fn read(key: PortableKey) -> Result<KeyImport, AdminError> {
    let invalid = |why: &str| AdminError::Invalid(why.to_owned());
    let (sha256, has_our_form) = match (key.sha256, key.key) {
        (Some(hash), None) => {
            let sha256 = from_hex(&hash).ok_or_else(|| invalid("`sha256` is not 64 hex digits"))?;
            (sha256, key.our_form)
        }
        (None, Some(key)) => {
            let key = key.into_secret();
            let bytes = key.expose().as_bytes();
            let sha256 = imported_key::sha256_of(bytes).map_err(|why| invalid(&why.to_string()))?;
            (sha256, ApiKey::parse(bytes).is_ok())
        }
        _ => return Err(invalid("either `sha256` or `key` must be given")),
    };
    let time = |text: String| {
        Timestamp::parse(&text).ok_or_else(|| {
            AdminError::Invalid("`expires_at`: write a time such as `2027-01-31T00:00:00Z`".to_owned())
        })
    };
    let grant = KeyGrant {
        owner: key.owner,
        name: key.name,
        roles: key.roles,
        scopes: key.scopes,
        attributes: key.attributes,
        allowed_addresses: key
            .allowed_addresses
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()?,
        rate_limit: key.rate_limit.map(|text| quota("rate_limit", &text)).transpose()?,
        quota: key.quota.map(|text| quota("quota", &text)).transpose()?,
    };
    Ok(KeyImport { sha256, has_our_form, grant, expires_at: key.expires_at.map(time).transpose()? })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = digits
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u8::from_str_radix(digits, 16).ok())??;
    }
    Some(bytes)
}

/// Gives users with the hashes of their passwords. That they were given is on record.
pub(super) async fn exported_users(
    change: Change,
    asked: Asked<Nothing, UsersQuery, Nothing>,
) -> Result<Page<PortableUser>, AdminError> {
    let limit = limit(asked.query.limit)?;
    let found = change.look.stores()?.users.page(asked.query.cursor.as_deref(), limit + 1).await?;
    change.detail("users", found.len().min(limit)).await;
    change.record().await?;
    let view = |user: UserRecord| PortableUser {
        name: user.name,
        password_hash: SecretText::new(Secret::new(user.password_hash.expose().clone())),
        roles: user.roles,
        attributes: user.attributes,
        disabled: user.disabled,
    };
    Ok(Page::of(found.into_iter().map(view).collect(), limit, |last: &PortableUser| last.name.clone()))
}

fn bounded(count: usize) -> Result<(), AdminError> {
    let over =
        || AdminError::Invalid(format!("at most {MOST} can be imported at once; ask in several calls"));
    if count <= MOST { Ok(()) } else { Err(over()) }
}

fn none_of(faults: Faults) -> Result<(), AdminError> {
    if faults.is_empty() {
        return Ok(());
    }
    let report: Vec<String> =
        faults.iter().map(|(index, message)| format!("number {index}: {message}")).collect();
    let faults =
        faults.iter().map(|(index, message)| json!({ "index": index, "message": message })).collect();
    Err(AdminError::NotImported(Refused { faults, report: report.join("\n") }))
}
