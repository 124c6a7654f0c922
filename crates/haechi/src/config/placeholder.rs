//! `${env:NAME}` and `${file:PATH}`: values that stand elsewhere. The one place that reads environment variables.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// No file that a placeholder names is longer.
const MAX_FILE: u64 = 1024 * 1024;

/// What placeholders and relative paths refer to.
pub(crate) struct Surroundings<'a> {
    /// The configuration's folder.
    pub(super) folder: &'a Path,
    /// Reads an environment variable; `Err` where it is not UTF-8.
    pub(super) variable: &'a dyn Fn(&str) -> Result<Option<String>, String>,
    /// The files that were read because the configuration names them.
    pub(super) files: RefCell<BTreeSet<PathBuf>>,
    /// Of a configuration that was kept for evidence: what its placeholders stood for. Only what decides is read of it.
    pub(super) kept: Option<&'a BTreeMap<String, String>>,
}

/// Reads a variable of this process.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads environment variables")]
pub(crate) fn process_variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("the environment variable `{name}` is not UTF-8"))
        }
    }
}

impl Surroundings<'_> {
    /// The path, relative to `folder`, of a file that the configuration is read from as well: when it changes, so does what the configuration means.
    pub(super) fn watched(&self, folder: &Path, relative: &str) -> PathBuf {
        let path = folder.join(relative);
        self.files.borrow_mut().insert(path.clone());
        path
    }

    /// Puts in what placeholders stand for; `$${` stands for `${`. What is put in is not looked at again. Files are relative to `folder`.
    ///
    /// # Errors
    /// What is missing or malformed, without any value.
    pub(super) fn expand(&self, folder: &Path, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let (name, after) =
                after.split_once('}').ok_or("`${` has no closing `}`; write `$${` for the text `${`")?;
            out.push_str(&self.named(folder, name)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn named(&self, folder: &Path, name: &str) -> Result<String, String> {
        if let Some(kept) = self.kept {
            return kept.get(name).cloned().ok_or_else(|| format!("`${{{name}}}` was not kept"));
        }
        let value = match name.split_once(':') {
            Some(("env", variable)) => self.variable(variable)?,
            Some(("file", path)) => self.file(folder, path)?,
            _ => {
                let shown: String = name.chars().take(40).collect();
                return Err(format!("`${{{shown}}}` is neither `${{env:NAME}}` nor `${{file:PATH}}`"));
            }
        };
        if value.is_empty() { Err(format!("`${{{name}}}` is empty")) } else { Ok(value) }
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || !legal {
            return Err("an environment variable's name is letters, digits and `_`".into());
        }
        (self.variable)(name)?.ok_or_else(|| format!("the environment variable `{name}` is not set"))
    }

    fn file(&self, folder: &Path, path: &str) -> Result<String, String> {
        let unreadable = |error: std::io::Error| format!("`{path}` cannot be read: {}", plain(&error));
        let full = self.watched(folder, path);
        let about = fs::metadata(&full).map_err(unreadable)?;
        if !about.is_file() {
            return Err(format!("`{path}` is not a file"));
        }
        if about.len() > MAX_FILE {
            return Err(format!("`{path}` is longer than 1 MiB"));
        }
        let bytes = fs::read(&full).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| format!("`{path}` is not UTF-8"))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }
}

/// An I/O error in lower case and without the number that the system gives it.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::Surroundings;
    use std::cell::RefCell;

    fn expand(text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "hunter2\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let variable = |name: &str| Ok((name == "USER_NAME").then(|| "mina".to_owned()));
        let surroundings = Surroundings {
            folder: folder.path(),
            variable: &variable,
            files: RefCell::default(),
            kept: None,
        };
        surroundings.expand(folder.path(), text)
    }

    #[test]
    fn several_stand_in_one_text() {
        assert_eq!(expand("${env:USER_NAME}:${file:password}@db").unwrap(), "mina:hunter2@db");
        assert_eq!(expand("a $${env:USER_NAME} $ {} }").unwrap(), "a ${env:USER_NAME} $ {} }");
    }

    #[test]
    fn missing_and_empty_are_errors_that_tell_no_value() {
        let refused = [
            ("${env:NOPE}", "the environment variable `NOPE` is not set"),
            ("${file:nope}", "`nope` cannot be read: no such file or directory"),
            ("${file:empty}", "`${file:empty}` is empty"),
            ("${file:.}", "`.` is not a file"),
            ("${USER_NAME}", "`${USER_NAME}` is neither `${env:NAME}` nor `${file:PATH}`"),
            ("${env:USER_NAME", "`${` has no closing `}`; write `$${` for the text `${`"),
            ("${env:}", "an environment variable's name is letters, digits and `_`"),
        ];
        for (text, message) in refused {
            assert_eq!(expand(text).unwrap_err(), message);
        }
    }
}
