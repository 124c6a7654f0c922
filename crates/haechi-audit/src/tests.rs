//! A trail as a whole: several writers, crashes, rolling, retention, disks that fail.

use crate::chain::{hash_of_hex, prefix, sha256};
use crate::{AuditWriter, Durability, Mode, OpenError, Options, Trail, files_of, key_of};
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome, AuditSubject};
use haechi_core::{SystemClock, Timestamp};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};

fn options(folder: &Path) -> Options {
    let file = folder.join("haechi.jsonl");
    Options {
        key: key_of(&file),
        file,
        mode: Mode::Required,
        durability: Durability::Written,
        roll_size: 1 << 30,
        roll_daily: false,
        keep: None,
        keep_size: None,
        checkpoint_every: Duration::from_secs(3600),
        checkpoint_file: None,
    }
}

fn open(options: &Options) -> Arc<Trail> {
    Trail::open(options.clone(), Arc::new(SystemClock), None).unwrap()
}

fn run(work: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap().block_on(work);
}

fn record(text: &str) -> impl FnOnce(&Trail, &mut Vec<u8>) -> Result<(), crate::AuditError> {
    let text = format!("\"at\":\"2026-01-01T00:00:00.000Z\",\"event\":\"test\",\"text\":\"{text}\"");
    move |_, out| {
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

async fn write(writer: &AuditWriter, text: &str) {
    drop(writer.reserve().unwrap().write(record(text)).await.unwrap());
}

/// Every line of every file, in order; each chain must be whole.
fn lines(options: &Options) -> Vec<Value> {
    let mut ends: BTreeMap<String, (u64, [u8; 32])> = BTreeMap::new();
    let mut all = Vec::new();
    for file in files_of(&options.file).unwrap() {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.ends_with('\n'), "the last line is whole");
        for line in text.lines() {
            let (chain, seq) = prefix(line.as_bytes()).unwrap();
            let value: Value = serde_json::from_str(line).unwrap();
            let prev = hash_of_hex(value["prev"].as_str().unwrap().as_bytes()).unwrap();
            if let Some((before, hash)) = ends.get(chain) {
                assert_eq!((seq, prev), (before + 1, *hash), "{line}");
            }
            ends.insert(chain.to_owned(), (seq, sha256(line.as_bytes())));
            all.push(value);
        }
    }
    all
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

#[test]
fn each_writer_has_a_chain_and_checkpoints_join_them() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        Options { checkpoint_file: Some(folder.path().join("elsewhere")), ..options(folder.path()) };
    let trail = open(&options);
    run(async {
        let (one, two) = (AuditWriter::new(Some(&trail)), AuditWriter::new(Some(&trail)));
        for n in 0..3 {
            write(&one, &format!("one {n}")).await;
            write(&two, &format!("two {n}")).await;
        }
        one.tick();
        two.tick();
    });
    trail.finish();
    let lines = lines(&options);
    let mut known = events(&lines);
    assert_eq!((known.remove(0), known.pop().unwrap()), ("start", "checkpoint"));
    assert_eq!(known, ["test"; 6]);
    let last = lines.last().unwrap();
    let heads: Vec<u64> =
        last["heads"].as_object().unwrap().values().map(|head| head["seq"].as_u64().unwrap()).collect();
    assert_eq!(heads, [3, 3]);
    assert_eq!(last["final"], true);
    let elsewhere = std::fs::read_to_string(folder.path().join("elsewhere")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&elsewhere).unwrap(), *last);
    let public = crate::public_key_of_pem(trail.key().public_pem().as_bytes()).unwrap();
    let (signed, rest) = elsewhere.split_once(",\"signature\":\"").unwrap();
    assert!(crate::is_signed(&public, signed.as_bytes(), rest.split('"').next().unwrap().as_bytes()));
}

#[test]
fn records_of_one_turn_leave_in_one_write() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let trail = open(&options);
    let before = trail.counts().writes.load(Relaxed);
    run(async {
        let writer = AuditWriter::new(Some(&trail));
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let writer = writer.clone();
                tokio::task::spawn_local(async move { write(&writer, &n.to_string()).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(trail.counts().writes.load(Relaxed), before + 1);
    assert_eq!(trail.counts().records.load(Relaxed), 11);
    assert_eq!(lines(&options).len(), 11);
}

#[test]
fn half_a_line_that_a_crash_left_is_cut_off_and_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let trail = open(&options);
    run(async { write(&AuditWriter::new(Some(&trail)), "whole").await });
    drop(trail);
    let whole = lines(&options).len();
    OpenOptions::new().append(true).open(&options.file).unwrap().write_all(b"{\"chain\":\"half").unwrap();
    let trail = open(&options);
    drop(trail);
    let lines = lines(&options);
    assert_eq!(lines.len(), whole + 1);
    let start = &lines[whole];
    assert_eq!((start["event"].as_str(), start["cut"].as_u64()), (Some("start"), Some(14)));
    assert_eq!(start["heads"].as_object().unwrap().len(), 2, "{start}");
    assert_eq!(start["prev"].as_str().unwrap().len(), 64);
}

#[test]
fn another_file_is_not_taken_for_a_trail() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    for text in ["root:x:0:0\n", "{\"time\":1}\n", &"x".repeat(5000)] {
        std::fs::write(&options.file, text).unwrap();
        let refused = Trail::open(options.clone(), Arc::new(SystemClock), None);
        assert!(matches!(refused, Err(OpenError::Foreign(_))), "{text}");
        assert_eq!(std::fs::read_to_string(&options.file).unwrap(), text, "nothing is lost");
    }
}

#[test]
fn full_files_are_rolled_sealed_and_deleted_with_their_ends_known() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { roll_size: 3000, keep_size: Some(12_000), ..options(folder.path()) };
    let trail = open(&options);
    run(async {
        let writer = AuditWriter::new(Some(&trail));
        for n in 0..100 {
            write(&writer, &format!("{n} {}", "x".repeat(100))).await;
            writer.tick();
            trail.tick();
            // A name has milliseconds: two files of one would have one name.
            while std::fs::read_dir(folder.path())
                .unwrap()
                .any(|entry| entry.unwrap().path() == crate::name::rolled(&options.file, now()))
            {}
        }
    });
    assert!(trail.counts().rolled.load(Relaxed) > 3);
    trail.tick_checkpoint();
    trail.finish();
    let lines = lines(&options);
    let known = events(&lines);
    for event in ["continued", "sealed", "deleted", "checkpoint"] {
        assert!(known.contains(&event), "{event} is not in {known:?}");
    }
    let size: u64 = files_of(&options.file).unwrap().iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(size < 20_000, "{size}");
    let first = lines.iter().find(|line| line["event"] == "test").unwrap();
    let seq = first["seq"].as_u64().unwrap();
    assert!(seq > 1, "the first files are gone");
    let vouched = lines.iter().filter(|line| line["event"] == "deleted").any(|line| {
        line["ends"]
            .as_object()
            .unwrap()
            .values()
            .any(|end| end["seq"].as_u64() == Some(seq - 1) && end["hash"] == first["prev"])
            || first["event"] == "continued"
    });
    let continued =
        lines.iter().any(|line| line["event"] == "continued" && line["seq"].as_u64() == Some(seq - 1));
    assert!(vouched || continued);
}

/// During an upgrade two processes have the trail, and both find the file full.
#[test]
fn two_processes_that_roll_at_once_lose_no_file_and_seal_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { roll_size: 2_000, ..options(folder.path()) };
    let processes = [open(&options), open(&options)];
    std::thread::scope(|scope| {
        for trail in &processes {
            scope.spawn(|| {
                run(async {
                    let writer = AuditWriter::new(Some(trail));
                    for n in 0..300 {
                        write(&writer, &format!("record {n}")).await;
                        writer.tick();
                        trail.tick();
                    }
                });
            });
        }
    });
    // One has ended, and the other one seals what both have written.
    let [first, second] = processes;
    first.tick();
    second.tick();
    first.finish();
    drop(first);
    second.tick();
    second.finish();
    let lines = lines(&options);
    assert_eq!(events(&lines).iter().filter(|event| **event == "test").count(), 600);
    let files = files_of(&options.file).unwrap();
    assert!(files.len() > 10, "{}", files.len());
    for file in &files[..files.len() - 1] {
        let name = file.file_name().unwrap().to_str().unwrap();
        let sealed = lines.iter().filter(|line| line["event"] == "sealed" && line["file"]["name"] == name);
        let sealed: Vec<_> = sealed.collect();
        assert_eq!(sealed.len(), 1, "{name}");
        assert_eq!(sealed[0]["file"]["size"], std::fs::metadata(file).unwrap().len(), "{name}");
    }
}

fn now() -> Timestamp {
    haechi_core::Clock::now(&SystemClock)
}

#[test]
fn without_its_file_a_required_trail_refuses_until_there_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let trail = open(&options);
    run(async {
        let writer = AuditWriter::new(Some(&trail));
        write(&writer, "before").await;
        std::fs::remove_file(&options.file).unwrap();
        let error = writer.reserve().unwrap().write(record("lost")).await.unwrap_err();
        assert!(error.to_string().contains("the file was deleted"), "{error}");
        assert!(writer.reserve().is_err() && trail.failing().is_some());
        trail.tick();
        write(&writer, "after").await;
    });
    let lines = lines(&options);
    assert_eq!(events(&lines), ["continued", "resumed", "continued", "test"]);
    assert_eq!(lines[3]["seq"], 3, "the record that was refused left no gap");
}

#[test]
fn with_best_effort_what_is_lost_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { mode: Mode::BestEffort, ..options(folder.path()) };
    let trail = open(&options);
    run(async {
        let writer = AuditWriter::new(Some(&trail));
        std::fs::remove_file(&options.file).unwrap();
        write(&writer, "lost").await;
        write(&writer, "lost").await;
        assert_eq!(trail.counts().dropped.load(Relaxed), 2);
        trail.tick();
        write(&writer, "kept").await;
    });
    assert_eq!(lines(&options).last().unwrap()["text"], "kept");
}

#[test]
fn synced_records_are_on_the_disk_together() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Synced, ..options(folder.path()) };
    let trail = open(&options);
    run(async {
        let writer = AuditWriter::new(Some(&trail));
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let writer = writer.clone();
                tokio::task::spawn_local(async move { write(&writer, &n.to_string()).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let syncs = trail.counts().syncs.load(Relaxed);
    assert!((1..10).contains(&syncs), "{syncs}");
    assert_eq!(lines(&options).len(), 51);
}

#[test]
fn a_record_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let trail = open(&options);
    run(async {
        let writer = AuditWriter::new(Some(&trail));
        let made = writer.reserve().unwrap().write(|_, out| {
            out.extend_from_slice(b"\"half\":");
            Err(crate::AuditError("no key".into()))
        });
        made.await.unwrap_err();
        write(&writer, "whole").await;
    });
    assert_eq!(events(&lines(&options)), ["start", "test"]);
}

#[test]
fn events_tell_who_without_naming_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path());
    let trail = open(&options);
    let mina = AuditSubject { issuer: "https://idp".into(), subject: "mina@example.com".into() };
    let event = AuditEvent {
        at: now(),
        action: "user.add",
        actor: Some(AuditActor {
            authenticator: "socket".into(),
            who: Some(mina.clone()),
            credential_id: None,
            uid: Some(0),
            pid: None,
            client: None,
        }),
        about: Some(mina),
        target: Some("user u_1".into()),
        outcome: AuditOutcome::Done,
        details: Map::new(),
    };
    trail.record_event(&event).unwrap();
    let text = std::fs::read_to_string(&options.file).unwrap();
    assert!(!text.contains("mina"), "{text}");
    let lines = lines(&options);
    let told = lines.last().unwrap();
    assert_eq!(
        (&told["event"], &told["by"]["uid"], &told["target"]),
        (&"user.add".into(), &0.into(), &"user u_1".into())
    );
    assert_eq!(told["by"]["who"], told["about"]);
}
