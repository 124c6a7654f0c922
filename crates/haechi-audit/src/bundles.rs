//! The configurations that were in force, kept beside the trail under their hash, so that a decision can be made again.

use crate::chain::{Hash, hex, sha256};
use crate::control::Signed;
use crate::failing::lock;
use crate::json;
use crate::name::configs_of;
use crate::trail::Trail;
use haechi_core::ports::AuditError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A configuration with all files that belong to it, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The main file: a name among `files`.
    pub main: String,
    /// Names, as they stand in the configuration, and what the files hold; secrets are starred.
    pub files: BTreeMap<String, String>,
    /// What decides of them, in one: routes, who may, roles and policies. No secret stands there, so nothing is starred.
    pub decides: String,
    /// What the placeholders in it stood for, such as `env:NAME`.
    pub values: BTreeMap<String, String>,
    /// The policies of the store, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stored: BTreeMap<String, String>,
    /// Whether there may have been more of them, because the store could not be asked yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
}

impl Bundle {
    /// As it is kept.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The SHA-256 of what is kept.
    pub fn hash(&self) -> Hash {
        sha256(self.text().as_bytes())
    }

    /// Where the configuration with this hash is kept, beside the trail's file.
    pub fn path(current: &Path, hash: &str) -> PathBuf {
        configs_of(current).join(format!("{hash}.json"))
    }

    /// Reads the configuration with this hash, and sees that it is that one.
    ///
    /// # Errors
    /// When it is not there, or is another one.
    pub fn read(current: &Path, hash: &str) -> io::Result<Self> {
        let text = std::fs::read(Self::path(current, hash))?;
        if hex(&sha256(&text)) != hash {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not what its name says"));
        }
        serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn keep(&self, current: &Path) -> io::Result<String> {
        let hash = hex(&self.hash());
        let path = Self::path(current, &hash);
        if path.try_exists()? {
            return Ok(hash);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(configs_of(current))?;
        let unfinished = path.with_extension("new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &path)?;
        Ok(hash)
    }
}

impl Trail {
    /// Keeps a configuration that comes into force, and records that it does, and because of what.
    ///
    /// # Errors
    /// [`AuditError`], where the trail is required, and it cannot be kept or recorded.
    pub fn configuration(&self, bundle: &Bundle, generation: u64, because: &str) -> Result<(), AuditError> {
        let kept = bundle.keep(&self.options.file).map_err(|error| AuditError(error.to_string()));
        let written = kept.and_then(|hash| {
            let mut body = self.event("configuration");
            json::bare_member(&mut body, "generation", generation);
            json::text_member(&mut body, "sha256", &hash);
            json::text_member(&mut body, "because", because);
            let written = lock(&self.control).write(self, &body, Signed::No);
            written.map(drop).map_err(|why| {
                self.fail(why);
                self.error()
            })
        });
        if self.is_required() { written } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Bundle;

    #[test]
    fn a_configuration_is_kept_once_and_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("haechi.jsonl");
        let files = [("haechi.yaml".to_owned(), "listeners: []".to_owned())].into();
        let bundle = Bundle { main: "haechi.yaml".into(), files, ..Bundle::default() };
        let hash = bundle.keep(&current).unwrap();
        assert_eq!(bundle.keep(&current).unwrap(), hash);
        assert_eq!(Bundle::read(&current, &hash).unwrap(), bundle);
        std::fs::write(Bundle::path(&current, &hash), "{}").unwrap();
        Bundle::read(&current, &hash).unwrap_err();
    }
}
