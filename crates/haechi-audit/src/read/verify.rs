//! Verifies a trail: whether anything was removed, added, altered or moved.

use super::checks::{Checks, Claim};
use super::digests::digests;
use super::line::Line;
use super::report::Report;
use super::stream::{Ending, each_line};
use crate::chain::sha256;
use crate::name::{in_records, is_of_rolled_file};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// What a trail is held against.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The public key that signs; the one that the trail names where this is `None`.
    pub key: Option<[u8; 32]>,
    /// Checkpoints that were kept elsewhere: a file of lines.
    pub checkpoints: Option<PathBuf>,
    /// Some of the files are not here.
    pub partial: bool,
}

/// Verifies the files, which are given in the order of time, the one that is written to now last.
///
/// # Errors
/// When a file cannot be read. What is wrong with a trail is in the report.
pub fn verify(files: &[PathBuf], expected: &Expectations) -> io::Result<Report> {
    let mut report = Report { files: files.len(), ..Report::default() };
    let mut checks = Checks::new(expected.key);
    let names: Vec<String> = files.iter().map(|file| in_records(file)).collect();
    for (index, (path, name)) in files.iter().zip(&names).enumerate() {
        let mut number = 0;
        let ending = each_line(&File::open(path)?, |_, bytes| {
            number += 1;
            checks.line(&mut report, name, (index, number), bytes);
        })?;
        match ending {
            Ending::Whole => {}
            Ending::Torn(bytes) if index + 1 == files.len() => report.notes.push(format!(
                "{name} ends with {bytes} bytes of a line that was not finished: a crash, or somebody is writing; the next start cuts them off"
            )),
            Ending::Torn(bytes) => {
                report.fault(name, number + 1, format!("the file ends with {bytes} bytes of a line"));
            }
        }
    }
    compare_digests(&mut report, &checks.claims, files, &names)?;
    if let Some(elsewhere) = &expected.checkpoints {
        compare_checkpoints(&mut report, &checks, elsewhere)?;
    }
    checks.finish(&mut report, &names, expected.partial);
    Ok(report)
}

/// Whether each file is what signed lines say of it. Files are read on two threads.
fn compare_digests(
    report: &mut Report,
    claims: &[Claim],
    files: &[PathBuf],
    names: &[String],
) -> io::Result<()> {
    // The file that is written to has another name later: what is said of it stands in itself.
    let index_of = |claim: &Claim| {
        let named = || names.iter().position(|name| *name == claim.file);
        if is_of_rolled_file(&claim.file) { named() } else { Some(claim.by.0) }
    };
    let mut wanted: BTreeMap<usize, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        if let Some(index) = index_of(claim) {
            wanted.entry(index).or_default().push(claim);
        }
    }
    let wanted: Vec<(usize, Vec<&Claim>)> = wanted.into_iter().collect();
    let (one, two) = wanted.split_at(wanted.len() / 2);
    let read = |part: &[(usize, Vec<&Claim>)]| {
        let of_file = |(index, claims): &(usize, Vec<&Claim>)| {
            let path = files.get(*index).ok_or(io::ErrorKind::NotFound)?;
            Ok((*index, digests(path, claims.iter().map(|claim| claim.size))?))
        };
        part.iter().map(of_file).collect::<io::Result<BTreeMap<_, _>>>()
    };
    let (mut found, more) = std::thread::scope(|scope| {
        let first = scope.spawn(|| read(one));
        let second = read(two);
        (first.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())), second)
    });
    if let (Ok(found), Ok(more)) = (&mut found, more) {
        found.extend(more);
    }
    let found = found?;
    for (index, claims) in &wanted {
        let name = names.get(*index).map_or("", |name| name);
        for claim in claims {
            let digest = found.get(index).and_then(|digests| digests.get(&claim.size));
            let (by, line) = claim.by;
            let by = names.get(by).map_or("", |name| name);
            match digest {
                Some(digest) if *digest == claim.sha256 => {}
                Some(_) => {
                    report.fault(name, 0, format!("its first {} bytes are not those that {by}:{line} vouches for: a line was moved or altered", claim.size));
                    break;
                }
                None => {
                    report.fault(
                        name,
                        0,
                        format!("it was cut: {by}:{line} vouches for {} bytes", claim.size),
                    );
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Whether each checkpoint that was kept elsewhere is in the trail.
fn compare_checkpoints(report: &mut Report, checks: &Checks, elsewhere: &PathBuf) -> io::Result<()> {
    let name = in_records(elsewhere);
    let (mut number, mut found) = (0, 0u64);
    each_line(&File::open(elsewhere)?, |_, bytes| {
        number += 1;
        let Some(line) = Line::read(bytes) else {
            return report.fault(&name, number, "this is no checkpoint");
        };
        if checks.has_control_line(&sha256(bytes)) || checks.was_deleted(line.chain, line.seq) {
            found += 1;
        } else {
            report.fault(
                &name,
                number,
                format!("this checkpoint, line {} of chain {}, is not in the trail", line.seq, line.chain),
            );
        }
    })?;
    report.notes.push(format!("{found} checkpoints of {name} are in the trail"));
    Ok(())
}
