//! Configurations, and the folders they stand in.

use super::{Gate, haechi_with_input};
use haechi_testkit::Backend;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The password of every user that the tests add.
pub(crate) const PASSWORD: &str = "a lantern by the eastern gate";

const BEGINNING: &str = "\
listeners: [{ bind: 127.0.0.1:0 }]
admin: { bind: 127.0.0.1:0 }
workers: 1
";

/// A temporary folder with a `haechi.yaml` in it; gone when dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// With one listener, the admin listener, one worker, and `rest`.
    pub(crate) fn new(rest: &str) -> Self {
        Self::exactly(&format!("{BEGINNING}{}{rest}", trail(rest)))
    }

    /// With this configuration and nothing else.
    pub(crate) fn exactly(yaml: &str) -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("haechi.yaml", yaml);
        folder
    }

    /// Another configuration with the same beginning as [`Folder::new`] gives it.
    pub(crate) fn rewrite(&self, rest: &str) {
        self.write("haechi.yaml", &format!("{BEGINNING}{}{rest}", trail(rest)));
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// Adds a user with [`PASSWORD`] to the store.
    pub(crate) fn add_user(&self, name: &str, roles: &[&str]) {
        let mut arguments = vec!["user", "add", name];
        for role in roles {
            arguments.extend(["--role", role]);
        }
        haechi_with_input(self.path(), &arguments, &format!("{PASSWORD}\n")).success();
    }

    /// Makes an API key and returns its secret.
    pub(crate) fn create_key(&self, arguments: &[&str]) -> String {
        let made = haechi_with_input(self.path(), &[&["key", "create"], arguments].concat(), "").success();
        made.stdout.trim_end().to_owned()
    }
}

/// An audit trail for every gate, where that is asked for (`scripts/replay-e2e`): what it decided is decided again when the gate has ended.
fn trail(rest: &str) -> &'static str {
    if trails_are_replayed() && !rest.contains("audit:") {
        "audit: { file: audit/haechi.jsonl }\n"
    } else {
        ""
    }
}

#[expect(clippy::disallowed_methods, reason = "asks how the tests are run")]
pub(crate) fn trails_are_replayed() -> bool {
    std::env::var_os("HAECHI_REPLAY_E2E").is_some()
}

/// A service `web` at `backend`, and one route for each `(path, authenticate, authorize)`.
pub(crate) fn routes_to(backend: &Backend, routes: &[(&str, &str, &str)]) -> String {
    let mut yaml = format!("services: {{ web: {{ endpoints: [\"{}\"] }} }}\nroutes:\n", backend.url());
    for (index, (path, authenticate, authorize)) in routes.iter().enumerate() {
        yaml.push_str(&format!(
            "  - {{ name: r{index}, match: {{ path: \"{path}\" }}, authenticate: {authenticate}, authorize: {authorize}, service: web }}\n"
        ));
    }
    yaml
}

/// A gate that lets everybody through to `backend`.
pub(crate) fn open_gate(backend: &Backend) -> Gate {
    Gate::start(&routes_to(backend, &[("/**", "anonymous", "any")]))
}
