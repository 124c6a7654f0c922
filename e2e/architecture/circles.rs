//! Modules that import each other in a circle can only be understood together. No circle has more than five, and the ones that there are stand
//! in a list that may only shrink.

use super::{root, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The most modules that a circle may have.
const MOST: usize = 5;

/// The circles that there are: the crate, and the modules. Take one out when it is gone; nothing is added.
const CIRCLES: &[(&str, &[&str])] = &[
    ("haechi", &["config::meant", "config::meant::resolve", "config::meant::restart"]),
    ("haechi-authn", &["hashing", "hashing::htpasswd", "hashing::pool"]),
    ("haechi-authn", &["schemes::api_key", "schemes::api_key::lookup"]),
    ("haechi-authn", &["schemes::jwt", "schemes::jwt::verify"]),
    ("haechi-authz", &["analysis", "analysis::matrix", "analysis::residual"]),
    ("haechi-authz", &["compile", "compile::messages"]),
    ("haechi-authz", &["entities", "slice"]),
    ("haechi-authz", &["remedy", "remedy::candidates"]),
    ("haechi-proxy", &["decisions", "decisions::queries", "decisions::ring"]),
    ("haechi-proxy", &["http1::body", "http1::head"]),
    (
        "haechi-proxy",
        &["http1::client", "http2::client", "upstream::connect", "upstream::pool", "upstream::shared"],
    ),
    ("haechi-proxy", &["io::stream", "io::tls"]),
    ("haechi-proxy", &["record", "record::recorder"]),
    ("haechi-proxy", &["upstream::health", "upstream::resolve", "upstream::upkeep"]),
];

/// A module by the names of its path; empty for the root.
type Module = Vec<String>;

/// Which modules each module imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Modules of tests, and what only tests and fuzzers call.
const NOT_PRODUCT: [&str; 5] = ["tests", "properties", "fuzzing", "fake", "agreement"];

fn module(file: &Path, src: &Path) -> Module {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    let mut names: Module = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// The code of a file without comments, texts and its module of tests.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = product.lines().map(|line| line.split("//").next().unwrap());
    let mut out = String::new();
    for line in lines {
        for (index, part) in line.split('"').enumerate() {
            if index % 2 == 0 {
                out.push_str(part);
            }
        }
        out.push('\n');
    }
    out
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inner = &rest[..rest.rfind('}').unwrap()];
    let (mut parts, mut depth, mut part) = (Vec::new(), 0, String::new());
    for letter in inner.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part);
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(part)).map(|part| format!("{}{part}", before.trim_start())).collect()
}

/// Whether a line begins an import.
fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("use ") || (line.starts_with("pub") && line.split(' ').nth(1) == Some("use"))
}

/// Every path that the code names, imported or written out.
fn paths(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if !is_import(line) {
            rest.push_str(line);
            rest.push('\n');
            continue;
        }
        let mut tree = line.split_once("use ").unwrap().1.to_owned();
        while !tree.contains(';') {
            let Some(more) = lines.next() else { break };
            tree.push_str(more);
        }
        found.extend(expand(tree.split(';').next().unwrap()));
    }
    for start in ["crate::", "super::", "self::"] {
        // `pub(in crate::config)` says who may see, and imports nothing.
        for (at, _) in rest.match_indices(start).filter(|(at, _)| !rest[..*at].ends_with("(in ")) {
            let path: String =
                rest[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            found.push(path);
        }
    }
    found
}

/// The module that a path named in `module` leads into; `None` for another crate's.
fn target(path: &str, module: &Module, known: &BTreeSet<Module>) -> Option<Module> {
    let mut names = path.split("::").map(str::trim).peekable();
    let mut base = match *names.peek()? {
        "crate" => {
            names.next();
            Module::new()
        }
        "self" => {
            names.next();
            module.clone()
        }
        "super" => {
            let mut base = module.clone();
            while names.next_if_eq(&"super").is_some() {
                base.pop();
            }
            base
        }
        // A path that begins with a child of this module.
        child if known.contains(&[module.as_slice(), &[child.to_owned()]].concat()) => module.clone(),
        _ => return None,
    };
    for name in names {
        base.push(name.to_owned());
    }
    while !known.contains(&base) {
        base.pop()?;
    }
    // The root only lists what is public.
    (!base.is_empty()).then_some(base)
}

fn imports(src: &Path) -> Imports {
    let mut files = Vec::new();
    sources(src, &mut files);
    let is_product = |module: &Module| !module.iter().any(|name| NOT_PRODUCT.contains(&name.as_str()));
    let files: Vec<_> = files.iter().map(|file| (module(file, src), file)).collect();
    let known: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut all = Imports::new();
    for (module, file) in files.iter().filter(|(module, _)| is_product(module) && !module.is_empty()) {
        let text = code(&std::fs::read_to_string(file).unwrap());
        let targets = paths(&text).into_iter().filter_map(|path| target(&path, module, &known));
        all.insert(module.clone(), targets.filter(|found| found != module && is_product(found)).collect());
    }
    all
}

/// Everything that can be reached from `module`.
fn reach(module: &Module, all: &Imports) -> BTreeSet<Module> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![module]);
    while let Some(module) = next.pop() {
        for found in all.get(module).into_iter().flatten() {
            if seen.insert(found.clone()) {
                next.push(found);
            }
        }
    }
    seen
}

fn circles(src: &Path) -> BTreeSet<Vec<String>> {
    let all = imports(src);
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        all.keys().map(|module| (module, reach(module, &all))).collect();
    let together = |module: &Module| -> Vec<String> {
        let both = reached[module].iter().filter(|other| reached[other].contains(module));
        both.map(|module| module.join("::")).collect()
    };
    all.keys().map(together).filter(|circle| circle.len() > 1).collect()
}

#[test]
fn no_circle_of_modules_is_new_or_large() {
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for circle in circles(&folder.join("src")) {
            assert!(circle.len() <= MOST, "{name}: a circle of {}: {}", circle.len(), circle.join(" "));
            there.insert((name.clone(), circle));
        }
    }
    let listed: BTreeSet<(String, Vec<String>)> = CIRCLES
        .iter()
        .map(|(name, circle)| {
            ((*name).to_owned(), circle.iter().map(|module| (*module).to_owned()).collect())
        })
        .collect();
    let show = |circles: Vec<&(String, Vec<String>)>| -> String {
        circles.iter().map(|(name, circle)| format!("    (\"{name}\", &{circle:?}),\n")).collect()
    };
    let (new, gone) =
        (there.difference(&listed).collect::<Vec<_>>(), listed.difference(&there).collect::<Vec<_>>());
    assert!(new.is_empty(), "new circles of modules; move what both need into a third:\n{}", show(new));
    assert!(gone.is_empty(), "these circles are gone; take them out of the list:\n{}", show(gone));
}

#[test]
fn a_circle_is_found_in_any_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    file("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n");
    file("a.rs", "use crate::{\n    b::B,\n    c,\n};\npub struct A;\n");
    file("b/mod.rs", "mod inner;\nuse inner::Inner;\npub struct B;\n");
    file("b/inner.rs", "pub struct Inner(crate::a::A); // crate::c\n");
    file("c.rs", "const TEXT: &str = \"crate::a\";\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n");
    let circle = ["a", "b", "b::inner"].map(str::to_owned).to_vec();
    assert_eq!(circles(folder.path()), BTreeSet::from([circle]));
}
