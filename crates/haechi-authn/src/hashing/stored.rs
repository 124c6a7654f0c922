//! Password hashes as they are kept, and as they come from elsewhere.

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use haechi_core::Secret;
use std::fmt;
use zeroize::Zeroize;

/// Memory of the hashes made here, in KiB (OWASP: argon2id with 19 MiB, 2 passes, 1 lane).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;

/// What one foreign hash may cost at most: an htpasswd line must not be able to take the machine down.
const MOST_MEMORY_KIB: u32 = 128 * 1024;
const MOST_LANES: u32 = 16;
/// Memory times passes, in KiB: the time that a hash takes.
const MOST_WORK_KIB: u64 = 512 * 1024;
/// 2^14 rounds take about a second.
const MOST_BCRYPT_COST: u32 = 14;
const LEAST_BCRYPT_COST: u32 = 4;
/// Fewer bcrypt rounds are weak.
const WEAK_BELOW_BCRYPT_COST: u32 = 10;
/// Memory in KiB and passes of argon2id that are as good as each other; less than all of them is weak.
const STRONG_ARGON2ID: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
/// bcrypt reads no further, and stops at a zero byte.
const BCRYPT_BYTES: usize = 72;

/// A password hash that can be verified at a bounded cost: argon2id (PHC string) or bcrypt (`$2a$`, `$2b$`, `$2y$`).
#[derive(Clone)]
pub struct StoredHash(Kind);

#[derive(Clone)]
enum Kind {
    Argon2id { hash: Box<PasswordHash>, params: Params, version: Version },
    Bcrypt { hash: Secret<String>, cost: u32 },
}

/// A hash that whoever has it can try passwords against too quickly: less work than OWASP's Password Storage Cheat Sheet asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeakHash {
    /// bcrypt with a cost below 10.
    Bcrypt {
        /// The logarithm of the rounds.
        cost: u32,
    },
    /// argon2id with less memory than its passes make up for.
    Argon2id {
        /// In KiB.
        memory: u32,
        /// Over that memory.
        passes: u32,
    },
}

impl fmt::Display for WeakHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bcrypt { cost } => write!(f, "bcrypt with cost {cost}"),
            Self::Argon2id { memory, passes } => write!(f, "argon2id with m={memory}, t={passes}"),
        }
    }
}

/// Why a hash cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// Neither argon2id nor bcrypt.
    #[error(
        "the hash is neither argon2id (`$argon2id$…`) nor bcrypt (`$2y$…`, `$2b$…`, `$2a$…`); hash the password anew"
    )]
    UnknownFormat,
    /// It begins like one and goes on otherwise.
    #[error("the hash is damaged; hash the password anew")]
    Malformed,
    /// Verifying it would cost too much.
    #[error(
        "the hash asks for too much work (argon2id: at most m=131072, p=16, and m x t of 524288; bcrypt: at most cost 14)"
    )]
    TooCostly,
    /// No random bytes or no memory.
    #[error("the password could not be hashed")]
    NotHashed,
}

impl StoredHash {
    /// Reads a hash, and refuses what cannot be verified or would cost too much.
    ///
    /// # Errors
    /// [`UnusableHash`].
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        if text.starts_with("$argon2id$") {
            parse_argon2id(text)
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            parse_bcrypt(text)
        } else {
            Err(UnusableHash::UnknownFormat)
        }
    }

    /// Hashes a password with argon2id. Takes tens of milliseconds: call it on the [`super::PasswordPool`] only.
    pub(super) fn of(password: &Secret<String>) -> Result<Secret<String>, UnusableHash> {
        let salt = random_salt()?;
        let params = own_params()?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into(password.expose().as_bytes(), &salt, &mut output)
            .map_err(|_| UnusableHash::NotHashed)?;
        let text = phc(&params, &salt, &output)?.to_string();
        output.zeroize();
        Ok(Secret::new(text))
    }

    /// A hash that costs what one made here costs, and that no password is known for.
    pub(super) fn decoy() -> Result<Self, UnusableHash> {
        let params = own_params()?;
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        aws_lc_rs::rand::fill(&mut output).map_err(|_| UnusableHash::NotHashed)?;
        let hash = Box::new(phc(&params, &random_salt()?, &output)?);
        Ok(Self(Kind::Argon2id { hash, params, version: Version::V0x13 }))
    }

    /// What makes it easy to try passwords against, for whoever has it.
    pub fn weakness(&self) -> Option<WeakHash> {
        match &self.0 {
            Kind::Bcrypt { cost, .. } => {
                (*cost < WEAK_BELOW_BCRYPT_COST).then_some(WeakHash::Bcrypt { cost: *cost })
            }
            Kind::Argon2id { params, .. } => {
                let (memory, passes) = (params.m_cost(), params.t_cost());
                let strong = STRONG_ARGON2ID.iter().any(|(m, t)| memory >= *m && passes >= *t);
                (!strong).then_some(WeakHash::Argon2id { memory, passes })
            }
        }
    }

    /// Whether `password` is the one. Takes tens of milliseconds: call it on the [`super::PasswordPool`] only.
    pub(super) fn matches(&self, password: &Secret<String>) -> bool {
        let password = password.expose().as_bytes();
        match &self.0 {
            Kind::Argon2id { hash, params, version } => matches_argon2id(hash, params, *version, password),
            Kind::Bcrypt { hash, .. } => {
                // What bcrypt would cut off is hashed all the same, so that the answer takes as long, and then refused.
                let whole = password.len() <= BCRYPT_BYTES && !password.contains(&0);
                let equal = bcrypt::verify(password, hash.expose()).unwrap_or(false);
                whole && equal
            }
        }
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Argon2id { .. } => "StoredHash(argon2id)",
            Kind::Bcrypt { .. } => "StoredHash(bcrypt)",
        })
    }
}

fn matches_argon2id(hash: &PasswordHash, params: &Params, version: Version, password: &[u8]) -> bool {
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return false;
    };
    let mut output = vec![0; expected.as_ref().len()];
    let hashed = Argon2::new(Algorithm::Argon2id, version, params.clone())
        .hash_password_into(password, salt, &mut output)
        .is_ok();
    hashed && Secret::new(output) == Secret::new(expected.as_ref().to_vec())
}

fn parse_argon2id(text: &str) -> Result<StoredHash, UnusableHash> {
    let hash = PasswordHash::new(text).map_err(|_| UnusableHash::Malformed)?;
    let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from);
    let version = version.map_err(|_| UnusableHash::Malformed)?;
    let params = Params::try_from(&hash).map_err(|_| UnusableHash::Malformed)?;
    let complete = hash.algorithm == ARGON2ID_IDENT
        && hash.salt.as_ref().is_some_and(|salt| salt.len() >= 8)
        && hash.hash.as_ref().is_some_and(|output| output.as_ref().len() >= 16);
    if !complete {
        return Err(UnusableHash::Malformed);
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MOST_MEMORY_KIB || params.p_cost() > MOST_LANES || work > MOST_WORK_KIB {
        return Err(UnusableHash::TooCostly);
    }
    Ok(StoredHash(Kind::Argon2id { hash: Box::new(hash), params, version }))
}

fn parse_bcrypt(text: &str) -> Result<StoredHash, UnusableHash> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_| UnusableHash::Malformed)?;
    match parts.get_cost() {
        cost if cost < LEAST_BCRYPT_COST => Err(UnusableHash::Malformed),
        cost if cost > MOST_BCRYPT_COST => Err(UnusableHash::TooCostly),
        cost => Ok(StoredHash(Kind::Bcrypt { hash: Secret::from(text), cost })),
    }
}

fn own_params() -> Result<Params, UnusableHash> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| UnusableHash::NotHashed)
}

fn random_salt() -> Result<[u8; SALT_BYTES], UnusableHash> {
    let mut salt = [0; SALT_BYTES];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| UnusableHash::NotHashed)?;
    Ok(salt)
}

fn phc(params: &Params, salt: &[u8], output: &[u8]) -> Result<PasswordHash, UnusableHash> {
    Ok(PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: params.try_into().map_err(|_| UnusableHash::NotHashed)?,
        salt: Some(Salt::new(salt).map_err(|_| UnusableHash::NotHashed)?),
        hash: Some(Output::new(output).map_err(|_| UnusableHash::NotHashed)?),
    })
}

#[cfg(test)]
mod tests {
    use super::{StoredHash, UnusableHash, WeakHash};
    use haechi_core::Secret;

    fn secret(text: &str) -> Secret<String> {
        Secret::from(text)
    }

    #[test]
    fn what_was_hashed_matches_and_nothing_else_does() {
        let text = StoredHash::of(&secret("correct horse battery")).unwrap();
        assert!(text.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", text.expose());
        let hash = StoredHash::parse(text.expose()).unwrap();
        assert!(hash.matches(&secret("correct horse battery")));
        assert!(!hash.matches(&secret("correct horse batterz")));
        assert_eq!(format!("{hash:?}"), "StoredHash(argon2id)");
    }

    #[test]
    fn hashes_below_the_recommended_work_are_weak() {
        let weakness = |text: &str| StoredHash::parse(text).unwrap().weakness();
        for (cost, weak) in [(4, true), (9, true), (10, false), (12, false)] {
            let text = format!("$2y${cost:02}$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC");
            assert_eq!(weakness(&text), weak.then_some(WeakHash::Bcrypt { cost }));
        }
        for (memory, passes, weak) in [
            (47_104, 1, false),
            (47_103, 1, true),
            (19_456, 2, false),
            (19_455, 2, true),
            (19_455, 3, false),
            (12_287, 3, true),
            (9_216, 4, false),
            (7_168, 5, false),
            (7_167, 9, true),
        ] {
            let text = format!(
                "$argon2id$v=19$m={memory},t={passes},p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
            );
            assert_eq!(weakness(&text), weak.then_some(WeakHash::Argon2id { memory, passes }), "{text}");
        }
        assert_eq!(weakness(StoredHash::of(&secret("correct horse battery")).unwrap().expose()), None);
    }

    #[test]
    fn a_hash_from_another_implementation_matches() {
        // From the reference implementation's own tests (argon2id, version 19, 64 MiB would be slow: 256 KiB, 2 passes).
        let text = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = StoredHash::parse(text).unwrap();
        assert!(hash.matches(&secret("password")));
        assert!(!hash.matches(&secret("Password")));
    }

    #[test]
    fn long_passwords_are_told_apart_to_the_last_character() {
        let long = "x".repeat(127);
        let hash = StoredHash::parse(StoredHash::of(&secret(&format!("{long}a"))).unwrap().expose()).unwrap();
        assert!(hash.matches(&secret(&format!("{long}a"))));
        assert!(!hash.matches(&secret(&format!("{long}b"))));
    }

    #[test]
    fn bcrypt_refuses_what_it_would_cut_off() {
        let cut = "x".repeat(72);
        let hash = StoredHash::parse(&bcrypt::hash(&cut, 4).unwrap()).unwrap();
        assert!(hash.matches(&secret(&cut)));
        assert!(!hash.matches(&secret(&format!("{cut}y"))), "the 73rd byte counts");
        let short = StoredHash::parse(&bcrypt::hash("a", 4).unwrap()).unwrap();
        assert!(!short.matches(&secret("a\0a")), "bcrypt repeats the key with a zero byte between");
    }

    #[test]
    fn all_three_bcrypt_prefixes_are_read() {
        let parts = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let hash = StoredHash::parse(&parts.format_for_version(version)).unwrap();
            assert!(hash.matches(&secret("secret")));
        }
        let broken = parts.format_for_version(bcrypt::Version::TwoX);
        assert_eq!(StoredHash::parse(&broken).unwrap_err(), UnusableHash::UnknownFormat);
    }

    #[test]
    fn costly_hashes_are_refused() {
        let salt_and_hash = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for params in
            ["m=4194304,t=1,p=1", "m=131072,t=5,p=1", "m=65536,t=4294967295,p=1", "m=65536,t=1,p=99"]
        {
            let text = format!("$argon2id$v=19${params}${salt_and_hash}");
            assert_eq!(StoredHash::parse(&text).unwrap_err(), UnusableHash::TooCostly, "{params}");
        }
        assert!(StoredHash::parse(&format!("$argon2id$v=19$m=65536,t=3,p=4${salt_and_hash}")).is_ok());
        let mut bcrypt = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap().to_string();
        bcrypt.replace_range(4..6, "31");
        assert_eq!(StoredHash::parse(&bcrypt).unwrap_err(), UnusableHash::TooCostly);
    }

    #[test]
    fn other_formats_are_refused() {
        for text in
            ["", "secret", "$apr1$x$y", "{SHA}x", "$5$x$y", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$x"]
        {
            assert_eq!(StoredHash::parse(text).unwrap_err(), UnusableHash::UnknownFormat, "{text}");
        }
        for text in [
            "$argon2id$",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$2y$10$short",
            "$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ] {
            assert_eq!(StoredHash::parse(text).unwrap_err(), UnusableHash::Malformed, "{text}");
        }
    }
}
