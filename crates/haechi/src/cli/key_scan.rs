//! `haechi key scan`: keys that lie where they should not.

use super::output::{self, said};
use super::store::{Opened, with_store};
use super::{Common, Failure};
use clap::Args;
use haechi_authn::api_key::{ApiKey, LENGTH, keys_in};
use haechi_core::ports::{ApiKeyRecord, KeyState};
use haechi_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
    /// `active`, `expired`, `revoked`, `foreign` (no key of this store), or `unknown` where nobody was asked.
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

/// Looks through the files; exit 1 where a key was found that works, or may.
pub(crate) fn scan(common: &Common, arguments: &ScanArgs) -> Result<(), Failure> {
    let keys = keys_of(&arguments.files)?;
    if keys.is_empty() {
        said("no keys found");
        return Ok(());
    }
    if arguments.offline {
        return tell(
            common,
            keys.into_iter().map(|(file, at, _)| found(file, at, "unknown", None)).collect(),
        );
    }
    with_store(common, async |opened| tell(common, asked(&opened, keys).await?))
}

type Seen = (String, Position, ApiKey);

fn keys_of(files: &[PathBuf]) -> Result<Vec<Seen>, Failure> {
    let mut keys = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let unreadable = |error: io::Error| Failure::fault(format!("`{name}` cannot be read: {error}"));
        let mut see = |at, key| keys.push((name.clone(), at, key));
        if file == Path::new("-") {
            look_through(io::stdin().lock(), &mut see).map_err(unreadable)?;
        } else {
            look_through(File::open(file).map_err(unreadable)?, &mut see).map_err(unreadable)?;
        }
    }
    Ok(keys)
}

/// Looks through what is read, piece by piece; the end of each is kept, because a key may begin in one and end in the next.
fn look_through(mut source: impl Read, see: &mut impl FnMut(Position, ApiKey)) -> io::Result<()> {
    let mut held: Vec<u8> = Vec::with_capacity(PIECE + LENGTH);
    let mut start = Position { line: 1, column: 1 };
    loop {
        let read = (&mut source).take(PIECE as u64).read_to_end(&mut held)?;
        let last = read < PIECE;
        // What begins later is seen whole in the next piece.
        let whole = if last { held.len() } else { held.len().saturating_sub(LENGTH - 1) };
        for (offset, key) in keys_in(&held).filter(|(offset, _)| *offset < whole) {
            see(start.after(held.get(..offset).unwrap_or_default()), key);
        }
        if last {
            return Ok(());
        }
        start = start.after(held.get(..whole).unwrap_or_default());
        held.drain(..whole);
    }
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
    for (file, at, key) in keys {
        let record = match known.entry(key.sha256()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(opened.store.api_keys.by_sha256(&key.sha256()).await?),
        };
        all.push(match record {
            Some(record) => {
                let owner = Some((record.id.clone(), record.owner.clone()));
                found(file, at, state(record, SystemClock.now()), owner)
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
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    output::list(common.output, &found, &["where", "state", "id", "owner"], |found| {
        let place = format!("{}:{}:{}", found.file, found.line, found.column);
        vec![place, found.state.to_owned(), shown(&found.id), shown(&found.owner)]
    })?;
    match found.iter().filter(|found| matches!(found.state, "active" | "unknown")).count() {
        0 => Ok(()),
        1 => Err(Failure::fault("a key lies open; revoke it with `haechi key revoke ID`")),
        many => Err(Failure::fault(format!("{many} keys lie open; revoke them with `haechi key revoke ID`"))),
    }
}

/// In one word: whether it works.
pub(super) fn state(key: &ApiKeyRecord, now: Timestamp) -> &'static str {
    match key.state {
        KeyState::Revoked => "revoked",
        KeyState::Active if key.expires_at.is_some_and(|end| end <= now) => "expired",
        KeyState::Active => "active",
    }
}

#[cfg(test)]
mod tests {
    use super::{LENGTH, PIECE, look_through};
    use haechi_authn::api_key::ApiKey;

    fn places(text: &[u8]) -> Vec<(u64, u64)> {
        let mut places = Vec::new();
        look_through(text, &mut |at, _| places.push((at.line, at.column))).unwrap();
        places
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
