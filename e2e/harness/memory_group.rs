//! A control group with a limit of memory, as a container has one, where this process may make one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The group; removed when dropped, when nobody is in it any more.
pub(crate) struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// One with this limit in bytes; `None` where none can be made.
    pub(crate) fn new(limit: u64) -> Option<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let name = format!("haechi-e2e-{}-{}", std::process::id(), MADE.fetch_add(1, Relaxed));
        // Version 1 has a hierarchy for memory alone, version 2 one for everything.
        for (root, file) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let folder = Path::new(root).join(&name);
            if !Path::new(root).join("cgroup.procs").exists() || std::fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self(folder);
            if std::fs::write(group.0.join(file), limit.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    /// The file that a process writes its id into to be in the group.
    pub(crate) fn members(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // It stays where somebody is still in it.
        drop(std::fs::remove_dir(&self.0));
    }
}
