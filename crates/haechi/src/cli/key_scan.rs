//! `haechi key scan`: keys that lie where they should not.

use super::files::unreadable;
use super::key_list::word;
use super::output::{self, said};
use super::store::{Opened, with_store};
use super::{Common, Failure, Form};
use clap::Args;
use haechi_authn::api_key::keys_in;
use haechi_authn::imported_key::{LONGEST, sha256_of};
use haechi_core::ports::{ApiKeyRecord, KeyFilter, KeyPage, KeyStanding};
use haechi_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// `haechi key scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Files to look through; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not ask the store whose keys they are; what has a key's form and checksum is shown.
    #[arg(long)]
    offline: bool,
}

/// So much of a file is looked at at once.
const PIECE: usize = 256 * 1024;

/// A key that was found, without what would tell it.
#[derive(Debug, Serialize)]
struct Found {
    file: String,
    line: u64,
    column: u64,
    /// `active`, `expired`, `revoked`, `replaced` (by another, when the key was rotated), `foreign` (no key of this store), or `unknown` where nobody
    /// was asked.
    state: &'static str,
    id: Option<String>,
    owner: Option<String>,
}

/// Where something begins: lines and columns (in bytes) from 1.
#[derive(Clone, Copy, Debug)]
struct Position {
    line: u64,
    column: u64,
}

/// The SHA-256 of the secrets that were made elsewhere: nothing but being one of them tells such a key.
type Imported = HashSet<[u8; 32]>;

/// Looks through the files; exit 1 where a key was found that works, or may.
pub(crate) fn scan(common: &Common, arguments: &ScanArgs) -> Result<(), Failure> {
    if arguments.offline || !common.config.exists() {
        let keys = keys_of(&arguments.files, &Imported::new())?;
        if arguments.offline || keys.is_empty() {
            let all = keys.into_iter().map(|(file, at, _)| found(file, at, "unknown", None));
            return tell(common, all.collect());
        }
        return with_store(common, "", async |opened| tell(common, asked(&opened, keys).await?));
    }
    with_store(common, "", async |opened| {
        let imported = imported(&opened).await?;
        let keys = keys_of(&arguments.files, &imported)?;
        tell(common, asked(&opened, keys).await?)
    })
}

/// What the store has of keys that were made elsewhere.
async fn imported(opened: &Opened) -> Result<Imported, Failure> {
    let filter = KeyFilter { imported: Some(true), ..KeyFilter::default() };
    let mut page = KeyPage::first(1000);
    let mut all = Imported::new();
    loop {
        let some = opened.store.api_keys.list(&filter, &page).await?;
        let Some(last) = some.last() else { return Ok(all) };
        page.after = Some(last.id.clone());
        all.extend(some.iter().map(|key| key.sha256));
        all.extend(some.iter().filter_map(|key| Some(key.previous?.sha256)));
    }
}

/// A file, a place in it, and the SHA-256 of what lies there.
type Seen = (String, Position, [u8; 32]);

fn keys_of(files: &[PathBuf], imported: &Imported) -> Result<Vec<Seen>, Failure> {
    let mut keys = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let unreadable = unreadable(file);
        let mut see = |at, key| keys.push((name.clone(), at, key));
        if file == Path::new("-") {
            look_through(io::stdin().lock(), imported, &mut see).map_err(&unreadable)?;
        } else {
            look_through(File::open(file).map_err(&unreadable)?, imported, &mut see).map_err(&unreadable)?;
        }
    }
    Ok(keys)
}

/// Looks through what is read, piece by piece; the end of each is kept, because a key may begin in one and end in the next.
fn look_through(
    mut source: impl Read,
    imported: &Imported,
    see: &mut impl FnMut(Position, [u8; 32]),
) -> io::Result<()> {
    let mut held: Vec<u8> = Vec::with_capacity(PIECE + LONGEST);
    let mut start = Position { line: 1, column: 1 };
    loop {
        let read = (&mut source).take(PIECE as u64).read_to_end(&mut held)?;
        let last = read < PIECE;
        // What begins later is seen whole in the next piece.
        let whole = if last { held.len() } else { held.len().saturating_sub(LONGEST) };
        let mut at = (0, start);
        for (offset, key) in keys_within(&held, imported).into_iter().filter(|(offset, _)| *offset < whole) {
            at = (offset, at.1.after(held.get(at.0..offset).unwrap_or_default()));
            see(at.1, key);
        }
        if last {
            return Ok(());
        }
        start = start.after(held.get(..whole).unwrap_or_default());
        held.drain(..whole);
    }
}

/// Keys of our form, and words that are imported ones, in the order in which they lie.
fn keys_within(text: &[u8], imported: &Imported) -> Vec<(usize, [u8; 32])> {
    let mut found: Vec<(usize, [u8; 32])> = keys_in(text).map(|(at, key)| (at, key.sha256())).collect();
    if !imported.is_empty() {
        let words = [OUTER, INNER].into_iter().flat_map(|ends| words(text, ends));
        let hashed = words.filter_map(|(at, word)| Some((at, sha256_of(word).ok()?)));
        found.extend(hashed.filter(|(_, sha256)| imported.contains(sha256)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What ends a word wherever it stands, and what ends one in the syntaxes in which keys are written. A key may have such characters itself, so that
/// each word is looked at in both ways.
const OUTER: &[u8] = b" \t\r\n\"'`";
const INNER: &[u8] = b" \t\r\n\"'`=:,;&?<>()[]{}|@/\\";

fn words<'a>(text: &'a [u8], ends: &'static [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
    let mut next = 0;
    text.split(move |byte| ends.contains(byte)).map(move |word| {
        let at = next;
        next += word.len() + 1;
        (at, word)
    })
}

impl Position {
    fn after(self, text: &[u8]) -> Self {
        let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let rest = text.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
        let column = if lines == 0 { self.column + rest } else { rest + 1 };
        Self { line: self.line + lines, column }
    }
}

/// What the store says of each; the same key is asked for once.
async fn asked(opened: &Opened, keys: Vec<Seen>) -> Result<Vec<Found>, Failure> {
    let mut known: HashMap<[u8; 32], Option<ApiKeyRecord>> = HashMap::new();
    let mut all = Vec::new();
    for (file, at, sha256) in keys {
        let record = match known.entry(sha256) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(opened.store.api_keys.by_sha256(&sha256).await?),
        };
        all.push(match record {
            Some(record) => {
                let owner = Some((record.id.clone(), record.owner.clone()));
                found(file, at, state(record, &sha256, SystemClock.now()), owner)
            }
            None => found(file, at, "foreign", None),
        });
    }
    Ok(all)
}

fn found(file: String, at: Position, state: &'static str, of: Option<(String, String)>) -> Found {
    let (id, owner) = of.unzip();
    Found { file, line: at.line, column: at.column, state, id, owner }
}

fn tell(common: &Common, found: Vec<Found>) -> Result<(), Failure> {
    if found.is_empty() && common.form == Form::Text {
        said("no keys found");
        return Ok(());
    }
    let row = |found: &Found, missing: &str| {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| missing.to_owned());
        [found.state.to_owned(), shown(&found.id), shown(&found.owner)]
    };
    let table = |found: &Found| {
        let place = format!("{}:{}:{}", found.file, found.line, found.column);
        std::iter::once(place).chain(row(found, "-")).collect()
    };
    let cells = |found: &Found| {
        let place = [found.file.clone(), found.line.to_string(), found.column.to_string()];
        place.into_iter().chain(row(found, "")).collect()
    };
    let heads = ["file", "line", "column", "state", "id", "owner"];
    output::list_or_csv(common, &found, (&["where", "state", "id", "owner"], table), (&heads, cells))?;
    match found.iter().filter(|found| matches!(found.state, "active" | "unknown")).count() {
        0 => Ok(()),
        1 => Err(Failure::fault("a key lies open; revoke it with `haechi key revoke ID`")),
        many => Err(Failure::fault(format!("{many} keys lie open; revoke them with `haechi key revoke ID`"))),
    }
}

/// In one word: whether what lies there works.
fn state(key: &ApiKeyRecord, sha256: &[u8; 32], now: Timestamp) -> &'static str {
    let replaced = key.previous.is_some_and(|previous| previous.sha256 == *sha256 && previous.until <= now);
    match key.standing(now) {
        KeyStanding::Active if replaced => "replaced",
        standing => word(standing),
    }
}

#[cfg(test)]
mod tests {
    use super::{Imported, PIECE, look_through};
    use haechi_authn::api_key::{ApiKey, LENGTH};
    use haechi_authn::imported_key::sha256_of;

    fn places(text: &[u8]) -> Vec<(u64, u64)> {
        places_of(text, &Imported::new())
    }

    fn places_of(text: &[u8], imported: &Imported) -> Vec<(u64, u64)> {
        let mut places = Vec::new();
        look_through(text, imported, &mut |at, _| places.push((at.line, at.column))).unwrap();
        places
    }

    #[test]
    fn imported_keys_are_found_in_every_syntax_and_nothing_else_is() {
        let secret = "Zm9v:YmFy=QUJDREVGR0hJSktM==";
        let plain = "GQMqzkxqbVfDgaQgNZxQoYvnjsU8RtHp";
        let imported = Imported::from([secret, plain].map(|text| sha256_of(text.as_bytes()).unwrap()));
        for (text, column) in [
            (format!("apikey: {plain}"), 9),
            (format!("KEY={plain};x"), 5),
            (format!("{{\"k\":\"{plain}\"}}"), 7),
            (format!("https://h/?apikey={plain}&x=y"), 19),
            (format!("'{secret}'"), 2),
            (format!("apikey: {secret}"), 9),
        ] {
            assert_eq!(places_of(text.as_bytes(), &imported), [(1, column)], "{text}");
        }
        assert_eq!(places_of(format!("{plain}x x{plain}").as_bytes(), &imported), []);
        let long = format!("{}\n{plain} {}", ".".repeat(PIECE - 8), "y ".repeat(PIECE));
        assert_eq!(places_of(long.as_bytes(), &imported), [(2, 1)]);
    }

    #[test]
    fn keys_are_found_wherever_they_lie() {
        let key = ApiKey::generate().unwrap();
        let text = format!("a: \"{0}\"\n\nX-API-Key:{0}{0}\nhk_{0}", key.expose());
        assert_eq!(places(text.as_bytes()), [(1, 5), (3, 11), (3, 11 + LENGTH as u64), (4, 4)]);
        assert_eq!(places(&text.as_bytes()[..LENGTH + 3]), [], "one that is cut off");
        let mut wrong = key.expose().clone().into_bytes();
        wrong[10] = if wrong[10] == b'a' { b'b' } else { b'a' };
        assert_eq!(places(&wrong), [], "the checksum is wrong");
    }

    #[test]
    fn one_that_lies_across_two_pieces_is_found_once() {
        let key = ApiKey::generate().unwrap();
        for before in (PIECE - 2 * LENGTH)..(PIECE + LENGTH) {
            let mut text = vec![b'.'; before];
            text.extend_from_slice(key.expose().as_bytes());
            text.extend_from_slice(&[b'.'; 10]);
            assert_eq!(places(&text), [(1, before as u64 + 1)], "{before}");
        }
    }
}
