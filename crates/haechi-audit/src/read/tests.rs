//! Tampering: whatever is done to a trail, it is found.

use super::{Expectations, Report, verify};
use crate::{AuditWriter, Durability, Mode, Options, Trail, files_of, key_of, public_key_of_pem};
use haechi_core::SystemClock;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use proptest::test_runner::Config;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, LocalOptions};

fn options(folder: &Path) -> Options {
    let file = folder.join("haechi.jsonl");
    Options {
        key: key_of(&file),
        file,
        mode: Mode::Required,
        durability: Durability::Written,
        roll_size: 6000,
        roll_daily: false,
        keep: None,
        keep_size: None,
        checkpoint_every: Duration::ZERO,
        checkpoint_file: Some(folder.join("elsewhere")),
    }
}

/// Writes `turns` times three records by two writers, with checkpoints in between; as two processes, one after the other.
fn write(options: &Options, turns: usize) {
    for _ in 0..2 {
        let trail = Trail::open(options.clone(), Arc::new(SystemClock), None).unwrap();
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(
            async {
                let (one, two) = (AuditWriter::new(Some(&trail)), AuditWriter::new(Some(&trail)));
                for turn in 0..turns {
                    for writer in [&one, &two, &one] {
                        let record = |_: &Trail, out: &mut Vec<u8>| {
                            out.extend_from_slice(
                                format!(
                                    "\"at\":\"2026-01-01T00:00:00.000Z\",\"event\":\"test\",\"turn\":{turn}"
                                )
                                .as_bytes(),
                            );
                            Ok(())
                        };
                        drop(writer.reserve().unwrap().write(record).await.unwrap());
                    }
                    one.tick();
                    two.tick();
                    if turn % 5 == 4 {
                        trail.tick();
                        // Rolled files are named by the millisecond.
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
            },
        );
        trail.finish();
    }
}

/// A trail of several files, as it was written, and its key.
struct Written {
    _folder: TempDir,
    names: Vec<String>,
    texts: Vec<Vec<u8>>,
    elsewhere: Vec<u8>,
    key: [u8; 32],
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    write(&options, 20);
    let files = files_of(&options.file).unwrap();
    assert!(files.len() > 2, "{files:?}");
    let pem = crate::SigningKey::open(&options.key).unwrap().public_pem();
    Written {
        names: files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect(),
        texts: files.iter().map(|file| std::fs::read(file).unwrap()).collect(),
        elsewhere: std::fs::read(folder.path().join("elsewhere")).unwrap(),
        key: public_key_of_pem(pem.as_bytes()).unwrap(),
        _folder: folder,
    }
});

/// What is said of these texts in place of those that were written.
fn verified(texts: &[Vec<u8>], with: impl FnOnce(&mut Expectations, &Path)) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = WRITTEN.names.iter().map(|name| folder.path().join(name)).collect();
    for (path, text) in paths.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
    }
    let mut expected = Expectations { key: Some(WRITTEN.key), ..Expectations::default() };
    with(&mut expected, folder.path());
    verify(&paths[..texts.len()], &expected).unwrap()
}

#[test]
fn what_was_written_holds() {
    let report = verified(&WRITTEN.texts, |_, _| ());
    assert!(report.holds(), "{report}");
    assert_eq!(report.chains, 6);
    assert!(report.lines > 120 && report.checkpoints > 5 && report.unsigned == 0, "{report}");
    let report = verified(&WRITTEN.texts, |expected, folder| {
        std::fs::write(folder.join("elsewhere"), &WRITTEN.elsewhere).unwrap();
        expected.checkpoints = Some(folder.join("elsewhere"));
        expected.key = None;
    });
    assert!(report.holds() && report.notes.len() == 2, "{report}");
}

/// All lines with the number of their file.
fn lines() -> Vec<(usize, Vec<u8>)> {
    let of_file = |(index, text): (usize, &Vec<u8>)| {
        text.split_inclusive(|byte| *byte == b'\n').map(|line| (index, line.to_vec())).collect::<Vec<_>>()
    };
    WRITTEN.texts.iter().enumerate().flat_map(of_file).collect()
}

fn texts_of(lines: &[(usize, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new(); WRITTEN.texts.len()];
    for (file, line) in lines {
        texts[*file].extend_from_slice(line);
    }
    texts
}

#[derive(Clone, Debug)]
enum Tampering {
    Byte { at: usize, to: u8 },
    Remove { line: usize, count: usize },
    Double { line: usize },
    Move { line: usize, to: usize },
    Swap { one: usize, other: usize },
    Cut { at: usize },
    Insert { at: usize, line: usize },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let place = any::<usize>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, to)| Tampering::Byte { at, to }),
        (place(), 1usize..4).prop_map(|(line, count)| Tampering::Remove { line, count }),
        place().prop_map(|line| Tampering::Double { line }),
        (place(), place()).prop_map(|(line, to)| Tampering::Move { line, to }),
        (place(), place()).prop_map(|(one, other)| Tampering::Swap { one, other }),
        place().prop_map(|at| Tampering::Cut { at }),
        (place(), place()).prop_map(|(at, line)| Tampering::Insert { at, line }),
        Just(Tampering::Remove { line: 0, count: 1 }),
    ]
}

/// The texts with something done to them; `None` where that changes nothing, or only what is behind the last checkpoint.
fn tampered(tampering: &Tampering) -> Option<Vec<Vec<u8>>> {
    let mut all = lines();
    let count = all.len();
    // The last line is the last checkpoint: without it nothing tells that it was there.
    let before_last = count - 1;
    match *tampering {
        Tampering::Byte { at, to } => {
            let total: usize = all.iter().map(|(_, line)| line.len()).sum::<usize>() - all[count - 1].1.len();
            let mut at = at % total;
            let (_, line) = all.iter_mut().find(|(_, line)| {
                let here = at < line.len();
                at -= if here { 0 } else { line.len() };
                here
            })?;
            if line[at] == to {
                return None;
            }
            line[at] = to;
        }
        Tampering::Remove { line, count } => {
            let line = line % before_last;
            all.drain(line..(line + count).min(before_last));
        }
        Tampering::Double { line } => {
            let copy = all[line % count].clone();
            all.insert(line % count, copy);
        }
        Tampering::Move { line, to } => {
            let (from, to) = (line % count, to % count);
            let moved = all.remove(from);
            let file = all[to.min(all.len() - 1)].0;
            all.insert(to, (file, moved.1));
            if from == to {
                return None;
            }
        }
        Tampering::Swap { one, other } => {
            let (one, other) = (one % count, other % count);
            let (first, second) = (all[one].1.clone(), all[other].1.clone());
            if first == second {
                return None;
            }
            (all[one].1, all[other].1) = (second, first);
        }
        Tampering::Cut { at } => all.truncate(at % before_last),
        Tampering::Insert { at, line } => {
            let (at, line) = (at % count, all[line % count].clone());
            all.insert(at, (all[at].0, line.1));
        }
    }
    Some(texts_of(&all))
}

proptest! {
    #![proptest_config(Config::with_cases(600))]
    #[test]
    fn whatever_is_done_to_it_is_found(how in tampering()) {
        let Some(texts) = tampered(&how) else { return Ok(()) };
        let report = verified(&texts, |expected, folder| {
            // A tail that was cut off at a checkpoint is only known elsewhere.
            std::fs::write(folder.join("elsewhere"), &WRITTEN.elsewhere).unwrap();
            expected.checkpoints = Some(folder.join("elsewhere"));
        });
        prop_assert!(!report.holds(), "{report}");
    }

    #[test]
    fn a_cut_before_the_last_checkpoint_is_found_by_the_trail_alone(how in tampering()) {
        // Everything but a cut of the end: then all later checkpoints are gone too, and only those elsewhere tell.
        if matches!(how, Tampering::Cut { .. }) { return Ok(()) }
        let Some(texts) = tampered(&how) else { return Ok(()) };
        let report = verified(&texts, |_, _| ());
        prop_assert!(!report.holds(), "{report}");
    }
}

#[test]
fn a_file_that_is_missing_is_missed() {
    for missing in 0..WRITTEN.texts.len() - 1 {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (index, (name, text)) in WRITTEN.names.iter().zip(&WRITTEN.texts).enumerate() {
            if index != missing {
                std::fs::write(folder.path().join(name), text).unwrap();
                paths.push(folder.path().join(name));
            }
        }
        let expected = Expectations { key: Some(WRITTEN.key), ..Expectations::default() };
        let report = verify(&paths, &expected).unwrap();
        assert!(!report.holds(), "{missing}: {report}");
    }
    let paths: Vec<PathBuf> =
        WRITTEN.names.iter().skip(1).map(|name| WRITTEN._folder.path().join(name)).collect();
    let expected = Expectations { key: Some(WRITTEN.key), partial: true, ..Expectations::default() };
    let report = verify(&paths, &expected).unwrap();
    assert!(report.holds(), "{report}");
}

#[test]
fn another_key_vouches_for_nothing() {
    let report = verified(&WRITTEN.texts, |expected, _| expected.key = Some([7; 32]));
    assert!(report.faults[0].message.contains("another key"), "{report}");
}

#[test]
fn what_retention_has_deleted_is_vouched_for() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { keep_size: Some(15_000), ..options(folder.path()) };
    write(&options, 60);
    let files = files_of(&options.file).unwrap();
    let pem = crate::SigningKey::open(&options.key).unwrap().public_pem();
    let key = public_key_of_pem(pem.as_bytes());
    let report = verify(&files, &Expectations { key, ..Expectations::default() }).unwrap();
    assert!(report.holds(), "{report}");
    assert!(report.lines < 300, "files were deleted: {report}");
}
