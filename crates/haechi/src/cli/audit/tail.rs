//! `haechi audit tail`.

use super::search::show;
use super::{configured, files};
use crate::cli::files::unreadable;
use crate::cli::{Common, Failure};
use haechi_audit::files_of;
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How often it is looked for more.
const EVERY: Duration = Duration::from_millis(200);

pub(super) fn tail(common: &Common, count: usize, follow: bool) -> Result<(), Failure> {
    let mut last: VecDeque<String> = VecDeque::new();
    let mut open = None;
    for path in files(common, &[])? {
        let mut reader = Following::open(&path)?;
        while let Some(line) = reader.next()? {
            if last.len() >= count {
                last.pop_front();
            }
            last.push_back(line);
        }
        open = Some(reader);
    }
    for line in last.into_iter().take(count) {
        print(common, &line)?;
    }
    let Some(mut reader) = open.filter(|_| follow) else { return Ok(()) };
    let current = configured(common)?.1.options.file;
    loop {
        while let Some(line) = reader.next()? {
            print(common, &line)?;
        }
        std::thread::sleep(EVERY);
        let Some(next) = reader.follower(&current)? else { continue };
        // What was written to the one in its last moment comes before what is in the other.
        while let Some(line) = reader.next()? {
            print(common, &line)?;
        }
        reader = next;
    }
}

fn print(common: &Common, line: &str) -> Result<(), Failure> {
    let record = serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()));
    show(common.output, &record)
}

/// A file that is read as it grows.
struct Following {
    reader: BufReader<File>,
    place: (u64, u64),
    half: String,
}

impl Following {
    fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable = unreadable(path);
        let file = File::open(path).map_err(&unreadable)?;
        let about = file.metadata().map_err(&unreadable)?;
        Ok(Self { reader: BufReader::new(file), place: (about.dev(), about.ino()), half: String::new() })
    }

    /// The next whole line, without its end.
    fn next(&mut self) -> Result<Option<String>, Failure> {
        self.reader.read_line(&mut self.half).map_err(Failure::fault)?;
        if !self.half.ends_with('\n') {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.half);
        Ok(Some(line.trim_end().to_owned()))
    }

    /// The file that follows this one, once it was rolled: however many were rolled meanwhile, each is read. Where this one is gone, so are those before it,
    /// and the oldest that is left follows.
    fn follower(&self, current: &Path) -> Result<Option<Self>, Failure> {
        let mut files = files_of(current).map_err(Failure::fault)?.into_iter();
        let mut first = None;
        while let Some(path) = files.next() {
            // A file may be renamed or deleted between the list and the look: the next look finds it.
            let Ok(file) = Self::open(&path) else { return Ok(None) };
            if file.place == self.place {
                return Ok(files.next().and_then(|next| Self::open(&next).ok()));
            }
            first.get_or_insert(file);
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::Following;
    use std::fs::{remove_file, write};

    #[test]
    fn each_file_is_followed_by_the_next_however_many_were_rolled_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("haechi.jsonl");
        let rolled = |second: u8| folder.path().join(format!("haechi-20261127T1300{second:02}.000Z.jsonl"));
        write(&current, "1\n").unwrap();
        let mut reader = Following::open(&current).unwrap();
        assert!(reader.follower(&current).unwrap().is_none(), "nothing was rolled");
        // Three are rolled before anybody looks.
        std::fs::rename(&current, rolled(1)).unwrap();
        for (second, line) in [(2, "2\n"), (3, "3\n")] {
            write(rolled(second), line).unwrap();
        }
        write(&current, "4\n").unwrap();
        let mut lines = Vec::new();
        loop {
            lines.extend(std::iter::from_fn(|| reader.next().unwrap()));
            let Some(next) = reader.follower(&current).unwrap() else { break };
            reader = next;
        }
        assert_eq!(lines, ["1", "2", "3", "4"]);
        // Retention took away the one that is read, and another.
        let first = Following::open(&rolled(1)).unwrap();
        remove_file(rolled(1)).unwrap();
        remove_file(rolled(2)).unwrap();
        let mut oldest = first.follower(&current).unwrap().unwrap();
        assert_eq!(oldest.next().unwrap().as_deref(), Some("3"));
    }
}
