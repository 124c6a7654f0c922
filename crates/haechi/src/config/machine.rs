//! Memory and CPU limits of the machine or the container (control group).

use std::path::Path;

/// How much memory the process may use, in bytes: its control group's limit (cgroup v2, else v1), or the machine's memory where there is none. `None` when neither can be
/// read.
pub(super) fn memory() -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| total(&text));
    let group = read("/proc/self/cgroup").and_then(|text| group_limit(&text));
    machine.into_iter().chain(group).min()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemTotal` of `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// The least limit on the way from the process's group to the root. In a container the group is usually mounted as the root itself.
fn group_limit(groups: &str) -> Option<u64> {
    groups.lines().filter_map(limit_of).min()
}

/// The limit of one line of `/proc/self/cgroup`: `0::/path` (v2) or `4:memory:/path` (v1).
fn limit_of(line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|one| one == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let group = Path::new(group.trim_start_matches('/'));
    let limits = group.ancestors().filter_map(|folder| read(Path::new(root).join(folder).join(file)));
    // `max` is no limit.
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::{limit_of, memory, total};

    #[test]
    fn the_machine_has_memory() {
        assert_eq!(total("MemTotal:       24689000 kB\nMemFree: 1 kB\n"), Some(24_689_000 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert!(memory().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn groups_that_do_not_exist_have_no_limit() {
        for line in ["0::/no/such/group/of/tests", "3:cpu,cpuacct:/", "nonsense", ""] {
            // A limit that a group above has may be found; nothing else.
            let _ = limit_of(line);
        }
        assert_eq!(limit_of("3:cpu:/"), None);
        assert_eq!(limit_of("nonsense"), None);
    }
}
