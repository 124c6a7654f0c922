//! A file of the access log that something else renames, as logrotate does.

use crate::harness::{Folder, Gate, PATIENCE, eventually, routes_to};
use haechi_testkit::Backend;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn lines(folder: &Folder, name: &str) -> usize {
    fs::read_to_string(folder.file(name)).unwrap_or_default().lines().count()
}

#[test]
fn a_renamed_log_is_opened_anew_and_no_line_is_lost() {
    let backend = Backend::saying("reached");
    let gate = Gate::start_in(Folder::new(&format!(
        "access_log: {{ target: access.log }}\n{}",
        routes_to(&backend, &[("/x", "anonymous", "any")])
    )))
    .ready();
    let (folder, over) = (gate.folder(), AtomicBool::new(false));
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = 0;
            while !over.load(Relaxed) {
                gate.get("/x").expect(200);
                sent += 1;
            }
            sent
        });
        for (number, signal) in ["USR1", "HUP", "USR1"].into_iter().enumerate() {
            eventually(PATIENCE, || (lines(folder, "access.log") > 0).then_some(()));
            fs::rename(folder.file("access.log"), folder.file(&format!("access.log.{number}"))).unwrap();
            gate.signal(signal);
        }
        eventually(PATIENCE, || (lines(folder, "access.log") > 0).then_some(()));
        over.store(true, Relaxed);
        sending.join().unwrap()
    });
    let all =
        || ["access.log", "access.log.0", "access.log.1", "access.log.2"].map(|name| lines(folder, name));
    eventually(PATIENCE, || (all().iter().sum::<usize>() == sent).then_some(()));

    // Where there is no way to open it, lines go on where they went.
    let before = lines(folder, "access.log");
    fs::rename(folder.file("access.log"), folder.file("moved.log")).unwrap();
    fs::create_dir(folder.file("access.log")).unwrap();
    gate.signal("USR1");
    gate.get("/x").expect(200);
    eventually(PATIENCE, || (lines(folder, "moved.log") > before).then_some(()));
    fs::remove_dir(folder.file("access.log")).unwrap();
    gate.signal("USR1");
    eventually(PATIENCE, || folder.file("access.log").is_file().then_some(()));
}
