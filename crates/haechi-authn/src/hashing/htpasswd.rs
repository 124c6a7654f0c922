//! Users and password hashes from an htpasswd file.

use super::{StoredHash, UnusableHash, WeakHash};
use std::collections::BTreeMap;
use std::fmt;

/// The users of an htpasswd file: `name:hash` a line, `#` begins a comment line.
#[derive(Clone, Debug, Default)]
pub struct Htpasswd {
    users: BTreeMap<String, StoredHash>,
}

/// What is wrong with an htpasswd file: all of it, never the hashes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct HtpasswdFaults(pub Vec<HtpasswdFault>);

/// One line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtpasswdFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// No `name:hash`.
    #[error("a line is `name:hash`")]
    NotAPair,
    /// The name is empty, longer than 255 bytes, or has control characters or surrounding white space.
    #[error("the name is empty, too long, or has control characters or white space around it")]
    BadName,
    /// The user stands on an earlier line.
    #[error("user `{name}` stands on line {first} already; delete one of the two")]
    Repeated {
        /// The user.
        name: String,
        /// The earlier line.
        first: usize,
    },
    /// The hash cannot be used.
    #[error("user `{name}`: {fault}")]
    Hash {
        /// The user.
        name: String,
        /// Why.
        fault: UnusableHash,
    },
}

impl Htpasswd {
    /// Reads the text of an htpasswd file.
    ///
    /// # Errors
    /// [`HtpasswdFaults`] with every line that cannot be used: a user who is left out silently would be a riddle.
    pub fn parse(text: &str) -> Result<Self, HtpasswdFaults> {
        let mut users = BTreeMap::new();
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match read(line, &lines) {
                Ok((name, hash)) => {
                    lines.insert(name, number);
                    users.insert(name.to_owned(), hash);
                }
                Err(problem) => faults.push(HtpasswdFault { line: number, problem }),
            }
        }
        if faults.is_empty() { Ok(Self { users }) } else { Err(HtpasswdFaults(faults)) }
    }

    /// The hash of a user.
    pub fn hash_of(&self, name: &str) -> Option<&StoredHash> {
        self.users.get(name)
    }

    /// The hash of the user at `number`, counted round and round; `None` without users. For unknown names: it costs what known ones cost.
    pub fn any_hash(&self, number: u64) -> Option<&StoredHash> {
        let count = u64::try_from(self.users.len()).ok()?;
        let index = usize::try_from(number.checked_rem(count)?).ok()?;
        self.users.values().nth(index)
    }

    /// The users whose hashes are weak, by name.
    pub fn weak(&self) -> impl Iterator<Item = (&str, WeakHash)> {
        self.users.iter().filter_map(|(name, hash)| Some((name.as_str(), hash.weakness()?)))
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

fn read<'a>(line: &'a str, seen: &BTreeMap<&str, usize>) -> Result<(&'a str, StoredHash), LineFault> {
    let (name, hash) = line.split_once(':').ok_or(LineFault::NotAPair)?;
    if name.is_empty() || name.len() > 255 || name.trim() != name || name.chars().any(char::is_control) {
        return Err(LineFault::BadName);
    }
    if let Some(first) = seen.get(name) {
        return Err(LineFault::Repeated { name: name.to_owned(), first: *first });
    }
    let hash = StoredHash::parse(hash.trim_end());
    Ok((name, hash.map_err(|fault| LineFault::Hash { name: name.to_owned(), fault })?))
}

impl fmt::Display for HtpasswdFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}line {}: {}", fault.line, fault.problem)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Htpasswd, HtpasswdFault, LineFault};
    use crate::hashing::UnusableHash;

    const ARGON2ID: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    const BCRYPT: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";

    #[test]
    fn users_comments_and_empty_lines() {
        let text = format!("# staff\r\nanna:{ARGON2ID}\r\n\nbert:{BCRYPT}\n");
        let users = Htpasswd::parse(&text).unwrap();
        assert_eq!(users.len(), 2);
        assert!(users.hash_of("anna").is_some() && users.hash_of("bert").is_some());
        assert!(users.hash_of("Anna").is_none() && users.hash_of("# staff").is_none());
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = format!(
            "anna:{ARGON2ID}\nnonsense\nmd5:$apr1$x$y\n:{BCRYPT}\nanna:{BCRYPT}\nplain:secret\nsha:{{SHA}}x\ncostly:{}\n",
            BCRYPT.replace("$05$", "$20$")
        );
        let faults = Htpasswd::parse(&text).unwrap_err().0;
        let hash = |name: &str, fault| LineFault::Hash { name: name.into(), fault };
        let expected = [
            (2, LineFault::NotAPair),
            (3, hash("md5", UnusableHash::UnknownFormat)),
            (4, LineFault::BadName),
            (5, LineFault::Repeated { name: "anna".into(), first: 1 }),
            (6, hash("plain", UnusableHash::UnknownFormat)),
            (7, hash("sha", UnusableHash::UnknownFormat)),
            (8, hash("costly", UnusableHash::TooCostly)),
        ];
        assert_eq!(faults, expected.map(|(line, problem)| HtpasswdFault { line, problem }));
    }

    #[test]
    fn messages_name_line_and_user_and_never_the_hash() {
        let error = Htpasswd::parse("plain:hunter2").unwrap_err().to_string();
        assert!(error.starts_with("line 1: user `plain`: the hash is neither argon2id"), "{error}");
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn weak_hashes_are_named() {
        let strong = "$2b$10$R543h/G99QyCOH5NJuMIauVfm2otk7zCGrPPjgZH6IhLF0mZHRVJ6";
        let users = Htpasswd::parse(&format!("c:{strong}\nb:{BCRYPT}\na:{ARGON2ID}")).unwrap();
        let weak: Vec<_> = users.weak().map(|(name, how)| format!("{name}: {how}")).collect();
        assert_eq!(weak, ["a: argon2id with m=256, t=2", "b: bcrypt with cost 5"]);
    }

    #[test]
    fn any_hash_goes_round() {
        let users = Htpasswd::parse(&format!("a:{ARGON2ID}\nb:{BCRYPT}")).unwrap();
        let kinds = [0, 1, 2].map(|number| format!("{:?}", users.any_hash(number).unwrap()));
        assert_eq!(kinds, ["StoredHash(argon2id)", "StoredHash(bcrypt)", "StoredHash(argon2id)"]);
        assert!(Htpasswd::default().any_hash(7).is_none());
    }
}
