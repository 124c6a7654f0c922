//! Policy files and conditions: text in the language of policies.

use crate::config::placeholder::plain;
use crate::config::read::{Defs, Reader, Value};
use crate::config::report::Fault;
use crate::config::source::Source;
use crate::config::yaml::Node;
use serde_json::{Value as Json, json};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No policy file is longer.
const MAX_FILE: u64 = 8 * 1024 * 1024;
/// One pattern names no more files.
const MAX_FILES: usize = 10_000;

/// The policy files that a path names, in which `*` stands for any part of a file's name. They must be readable now.
#[derive(Clone, Debug)]
pub(crate) struct PolicyPattern(pub(crate) Vec<PolicyText>);

/// A policy file.
#[derive(Clone, Debug)]
pub(crate) struct PolicyText {
    /// As the configuration names it, with the file's name in place of the pattern.
    pub(crate) name: Arc<str>,
    /// What it holds.
    pub(crate) source: Arc<Source>,
    /// Tells it from others, however they are named.
    pub(crate) file: PathBuf,
}

impl Value for PolicyPattern {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::read(node, reader)?;
        let (folder, name) = text.rsplit_once('/').map_or(("", &*text), |(folder, name)| (folder, name));
        if folder.contains('*') || name.is_empty() {
            let message =
                format!("`{}` is not a policy file or a pattern of such", reader.written(node.span));
            let help = "`*` stands for a part of a file's name, not of a folder's: `policies/*.cedar`";
            return reader.fault(Fault::new(node.span, message).help(help));
        }
        let path = reader.watched(node.span, &text);
        let unreadable = |why: &str| Fault::new(node.span, format!("`{text}` cannot be read: {why}"));
        let found = match matching_files(&path) {
            Ok(found) if found.len() > MAX_FILES => Err(format!("it names more than {MAX_FILES} files")),
            Ok(found) => Ok(found),
            Err(error) => Err(plain(&error)),
        };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                let help = "paths are relative to the configuration's folder";
                return reader.fault(unreadable(&why).help(help));
            }
        };
        if found.is_empty() {
            let message = format!("no file matches `{}`", reader.written(node.span));
            let help = "paths are relative to the configuration's folder; remove the pattern where there is no policy yet";
            return reader.fault(Fault::new(node.span, message).help(help));
        }
        let before = reader.faults.len();
        let files = found.iter().filter_map(|file| read_file(&text, file, node, reader)).collect();
        (reader.faults.len() == before).then_some(Self(files))
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

fn read_file(pattern: &str, file: &Path, node: &Node, reader: &mut Reader<'_>) -> Option<PolicyText> {
    let file_name = file.file_name().unwrap_or_default().to_string_lossy();
    let folder = pattern.rfind('/').and_then(|slash| pattern.get(..=slash)).unwrap_or_default();
    let name: Arc<str> = format!("{folder}{file_name}").into();
    reader.surroundings.files.borrow_mut().insert(file.to_owned());
    match read_text(file) {
        Ok(text) => Some(PolicyText {
            name,
            source: Arc::new(Source::of_policies(file, text)),
            file: file.canonicalize().unwrap_or_else(|_| file.to_owned()),
        }),
        Err(why) => {
            let fault = Fault::new(node.span, format!("`{name}` cannot be read: {why}"));
            reader.fault(fault.help("a policy file is Cedar text in UTF-8"))
        }
    }
}

fn read_text(file: &Path) -> Result<String, String> {
    let opened = std::fs::File::open(file).map_err(|error| plain(&error))?;
    if !opened.metadata().map_err(|error| plain(&error))?.is_file() {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| plain(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("it is longer than 8 MiB".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}

/// The files that a path names, sorted: itself, or where its last part holds `*`, all in its folder whose names are like it. As in a shell, a
/// name that begins with `.` is only met by a pattern that does.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn matching_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let pattern = path.file_name().unwrap_or_default().to_string_lossy();
    if !pattern.contains('*') {
        return Ok(vec![path.to_owned()]);
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(listed)? {
        let name = entry?.file_name();
        if is_like(&name.to_string_lossy(), &pattern) {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}

fn is_like(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// A condition: an expression in the language of policies, over as many lines as it needs.
#[derive(Clone, Debug)]
pub(crate) struct ConditionText(pub(crate) Arc<str>);

impl Value for ConditionText {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        const WHAT: &str = "a condition, such as `principal.tenant == context.params.tenant`";
        let text = reader.scalar(WHAT, node)?;
        if text.trim().is_empty() {
            return reader.fault(Fault::new(node.span, format!("expected {WHAT}, found none")));
        }
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            let fault = Fault::new(node.span, "control characters may not stand here");
            return reader.fault(fault.help("remove them"));
        }
        Some(Self(text.into()))
    }

    fn schema(_: &mut Defs) -> Json {
        json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "boolean" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::{is_like, matching_files};

    #[test]
    fn a_star_is_any_part_of_a_name() {
        for (name, pattern) in [
            ("a.cedar", "*.cedar"),
            ("a.cedar", "a*"),
            ("abc", "a*b*c"),
            ("ac", "a*c"),
            (".a", ".*"),
            ("aXbXc", "*X*"),
        ] {
            assert!(is_like(name, pattern), "{name} {pattern}");
        }
        for (name, pattern) in
            [(".a.cedar", "*.cedar"), ("a.cedar~", "*.cedar"), ("aa", "aa*a"), ("acb", "a*b*c"), ("b", "a*")]
        {
            assert!(!is_like(name, pattern), "{name} {pattern}");
        }
    }

    #[test]
    fn files_come_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.cedar", "a.cedar", "c.txt", ".d.cedar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = matching_files(&folder.path().join("*.cedar")).unwrap();
        assert_eq!(found, ["a.cedar", "b.cedar"].map(|name| folder.path().join(name)));
        assert!(matching_files(&folder.path().join("x/*.cedar")).is_err());
    }
}
