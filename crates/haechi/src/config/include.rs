//! `include`: services, routes, authenticators, roles and policies that stand in more files, put into the tree before anything is read.
//!
//! All files are one text with one count of lines, so a place in it leads to its file ([`Source::place_of`]).

use super::inherit::OWN_PREFIX;
use super::placeholder::plain;
use super::read::{Reader, Value};
use super::report::Fault;
use super::source::{At, Span};
use super::value::matching_files;
use super::yaml::{self, Key, Kind, Node};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What may stand in an included file, and whether it is a list.
const SECTIONS: [(&str, bool); 7] = [
    ("services", false),
    ("routes", true),
    ("authenticators", false),
    ("decision_points", false),
    ("roles", false),
    ("policies", true),
    ("shadow_policies", true),
];

/// So many files may be included, with so many bytes in all.
const MAX_FILES: usize = 1_000;
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Puts the included files into the tree, and notes what is wrong with them.
///
/// # Errors
/// When a file cannot be read: what it declares would be missed elsewhere.
pub(super) fn apply(tree: &mut Node, reader: &mut Reader<'_>) -> Result<(), UnreadableError> {
    let Kind::Mapping(entries) = &tree.kind else { return Ok(()) };
    let Some((_, node)) = entries.iter().find(|(key, _)| key.text == "include") else { return Ok(()) };
    let before = reader.faults.len();
    let patterns = Vec::<At<String>>::read(node, reader).unwrap_or_default();
    let files = files(&patterns, reader);
    let texts = texts(files, reader);
    let firsts = reader.source.append(&texts);
    let mut readable = reader.faults.len() == before;
    let mut first_places: HashMap<(String, String), Span> = HashMap::new();
    names(tree, &mut first_places);
    for ((file, text), first) in texts.iter().zip(firsts) {
        let mut faults = Vec::new();
        let parsed = yaml::parse(text, &mut faults);
        let has_faults = !faults.is_empty();
        reader.faults.extend(faults.into_iter().map(|fault| fault.below(first)));
        match parsed {
            Some(mut included) => {
                yaml::move_below(&mut included, first);
                merge(tree, included, file, &mut first_places, reader);
            }
            // An empty file is one that includes nothing yet.
            None => readable &= !has_faults,
        }
    }
    if readable { Ok(()) } else { Err(UnreadableError) }
}

/// An included file could not be read, which was noted.
pub(super) struct UnreadableError;

/// The files that the patterns name, each once.
fn files(patterns: &[At<String>], reader: &mut Reader<'_>) -> Vec<(PathBuf, Span)> {
    let mut seen = BTreeSet::from([reader.source.file().canonicalize().unwrap_or_default()]);
    let mut files = Vec::new();
    for pattern in patterns {
        for file in matching(pattern, reader) {
            if seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
                files.push((file, pattern.span));
            }
        }
    }
    if files.len() > MAX_FILES {
        let at = files.get(MAX_FILES).map_or_else(Span::default, |(_, span)| *span);
        let message = format!("`include` names more than {MAX_FILES} files");
        reader.faults.push(Fault::new(at, message).help("put several services and routes into one file"));
        files.truncate(MAX_FILES);
    }
    files
}

fn matching(pattern: &At<String>, reader: &mut Reader<'_>) -> Vec<PathBuf> {
    let written = reader.written(pattern.span);
    let (folder, name) = pattern.value.rsplit_once('/').unwrap_or(("", &pattern.value));
    if folder.contains('*') || name.is_empty() {
        let fault = Fault::new(pattern.span, format!("`{written}` is not a file or a pattern of such"));
        let help = "`*` stands for a part of a file's name, not of a folder's: `conf.d/*.yaml`";
        reader.faults.push(fault.help(help));
        return Vec::new();
    }
    let help = "paths are relative to the configuration's folder";
    match matching_files(&reader.watched(pattern.span, &pattern.value)) {
        Ok(found) if found.is_empty() => {
            let fault = Fault::new(pattern.span, format!("no file matches `{written}`"));
            let help = format!("{help}; remove the pattern where there is no file yet");
            reader.faults.push(fault.help(help));
            found
        }
        Ok(found) => found,
        Err(error) => {
            let message = format!("`{written}` cannot be read: {}", plain(&error));
            reader.faults.push(Fault::new(pattern.span, message).help(help));
            Vec::new()
        }
    }
}

fn texts(files: Vec<(PathBuf, Span)>, reader: &mut Reader<'_>) -> Vec<(PathBuf, String)> {
    let mut left = MAX_BYTES;
    let mut texts = Vec::with_capacity(files.len());
    for (file, span) in files {
        reader.surroundings.files.borrow_mut().insert(file.clone());
        match text(&file, left) {
            Ok(text) => {
                left = left.saturating_sub(text.len() as u64);
                texts.push((file, text));
            }
            Err(why) => {
                let message = format!("`{}` cannot be read: {why}", file.display());
                reader.faults.push(Fault::new(span, message).help("an included file is YAML in UTF-8"));
            }
        }
    }
    texts
}

fn text(file: &Path, left: u64) -> Result<String, String> {
    let opened = std::fs::File::open(file).map_err(|error| plain(&error))?;
    if !opened.metadata().map_err(|error| plain(&error))?.is_file() {
        return Err("it is not a file".into());
    }
    let mut bytes = Vec::new();
    opened.take(left + 1).read_to_end(&mut bytes).map_err(|error| plain(&error))?;
    if bytes.len() as u64 > left {
        return Err(format!("the included files are longer than {} MiB", MAX_BYTES / 1024 / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    // The mark that some editors put before everything else.
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// The places of the names in a tree.
fn names(tree: &Node, places: &mut HashMap<(String, String), Span>) {
    let Kind::Mapping(entries) = &tree.kind else { return };
    for (key, node) in entries {
        if let Kind::Mapping(named) = &node.kind
            && SECTIONS.contains(&(&key.text, false))
        {
            for (name, _) in named {
                places.entry((key.text.clone(), name.text.clone())).or_insert(name.span);
            }
        }
    }
}

fn merge(
    tree: &mut Node,
    included: Node,
    file: &Path,
    places: &mut HashMap<(String, String), Span>,
    reader: &mut Reader<'_>,
) {
    let Kind::Mapping(entries) = included.kind else {
        if !included.is_null() {
            let _: Option<()> = reader.expected("a mapping", &included);
        }
        return;
    };
    let Kind::Mapping(whole) = &mut tree.kind else { return };
    for (key, node) in entries {
        if key.text.starts_with(OWN_PREFIX) || node.is_null() {
            continue;
        }
        let Some((_, is_list)) = SECTIONS.into_iter().find(|(name, _)| *name == key.text) else {
            not_here(&key, file, reader);
            continue;
        };
        let fits = matches!(
            (&node.kind, is_list),
            (Kind::Sequence(_), true) | (Kind::Mapping(_), false) | (Kind::Faulty, _)
        );
        if !fits {
            let what = if is_list { "a list" } else { "a mapping from names" };
            let _: Option<()> = reader.expected(what, &node);
            continue;
        }
        let node = once(&key, node, places, reader);
        match whole.iter_mut().find(|(known, _)| known.text == key.text) {
            Some((_, there)) if there.is_null() => *there = node,
            Some((_, there)) => join(there, node),
            None => whole.push((key, node)),
        }
    }
}

fn not_here(key: &Key, file: &Path, reader: &mut Reader<'_>) {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let message = format!("`{}` may not stand in the included file `{name}`", reader.written(key.span));
    let known: Vec<&str> = SECTIONS.into_iter().map(|(name, _)| name).collect();
    let fault = Fault::new(key.span, message).suggest(&key.text, known.iter().copied());
    reader.faults.push(match fault.help {
        Some(_) => fault,
        None => fault.help("write it into the configuration itself"),
    });
}

/// Without the names that are there already, which are faults.
fn once(
    section: &Key,
    mut node: Node,
    places: &mut HashMap<(String, String), Span>,
    reader: &mut Reader<'_>,
) -> Node {
    if let Kind::Mapping(named) = &mut node.kind {
        named.retain(|(name, _)| {
            let Some(first) = places.insert((section.text.clone(), name.text.clone()), name.span) else {
                return true;
            };
            let message = format!("`{}` stands twice under `{}`", reader.written(name.span), section.text);
            let other = reader.source.line_beside(first.start, name.span.start);
            let help = format!("the other is on {other}; a name may be given once in all files");
            reader.faults.push(Fault::new(name.span, message).help(help));
            false
        });
    }
    node
}

fn join(there: &mut Node, more: Node) {
    match (&mut there.kind, more.kind) {
        (Kind::Sequence(items), Kind::Sequence(more)) => items.extend(more),
        (Kind::Mapping(named), Kind::Mapping(more)) => named.extend(more),
        // What stands in the configuration itself is not what belongs there, which is told when it is read.
        _ => {}
    }
}
