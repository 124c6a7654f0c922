//! The configuration: any text is read, or refused with faults that have a place in it.
//!
//! The loader belongs to the binary, which nobody can import; so it is compiled here once more, from the same files.
#![no_main]

extern crate self as haechi_store;
extern crate url as reqwest;

#[allow(dead_code, reason = "the binary uses the rest")]
#[path = "../../crates/haechi/src/authenticators/mod.rs"]
mod authenticators;
#[allow(unreachable_pub, reason = "the store shows it to others")]
#[path = "../../crates/haechi-store/src/bad_location.rs"]
mod bad_location;
#[allow(dead_code, unused_imports, reason = "the binary uses the rest")]
#[path = "../../crates/haechi/src/config/mod.rs"]
mod config;
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the store uses the rest")]
#[path = "../../crates/haechi-store/src/location.rs"]
mod location;
#[allow(dead_code, unreachable_pub, reason = "the store uses the rest")]
#[path = "../../crates/haechi-store/src/postgres_location.rs"]
mod postgres_location;

pub use bad_location::BadLocation;
pub use location::Location;
pub use postgres_location::PostgresLocation;

use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if names_files(text) {
        return;
    }
    match config::check(Path::new("/nowhere/haechi.yaml"), text.to_owned(), authenticators::ALL) {
        Ok(_) => {}
        Err(report) => {
            assert!(!report.faults().is_empty(), "refused without a reason");
            let shown = report.to_string();
            assert!(shown.contains("error: "));
            // A line may end with CR alone (YAML 1.2, 5.4); what is missing at the end is missing on the line after it.
            let lines = 2 + text.matches(['\r', '\n']).count();
            for fault in report.lines() {
                let json = serde_json::to_value(fault).expect("a record");
                assert!(
                    json["line"].as_u64().is_none_or(|line| (1..=lines as u64).contains(&line)),
                    "{json}"
                );
                assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()));
            }
        }
    }
});

/// Files and variables of this machine are not for a fuzzer to read; whatever names one is left to the unit tests.
fn names_files(text: &str) -> bool {
    ["file", "env:", "cert", "key:", "ca:", "policies", "include"].iter().any(|way| text.contains(way))
}
