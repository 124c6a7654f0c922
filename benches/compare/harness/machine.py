"""The machine: its cores, its description, and whether something else is using it."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError


@dataclass(frozen=True)
class Cores:
    proxy: int
    load: int


def chosen_cores(proxy: int | None, load: int | None) -> Cores:
    """Two different physical cores where there are such; two hardware threads of one core share its run time."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise BenchError("needs two cores: one for the proxy, one for load and backend")
    for asked in (proxy, load):
        if asked is not None and asked not in usable:
            raise BenchError(f"core {asked} is not usable here; usable: {usable}")
    proxy = usable[0] if proxy is None or proxy == load else proxy
    if load is None or load == proxy:
        others = [core for core in usable if core != proxy]
        apart = [core for core in others if core not in siblings(proxy)]
        load = (apart or others)[0]
    return Cores(proxy, load)


def siblings(core: int) -> set[int]:
    """The hardware threads that share a physical core with `core`."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").read_text()
    except OSError:
        return {core}
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def description() -> dict[str, str]:
    return {
        "processor": lscpu("Model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "virtualization": lscpu("Hypervisor vendor") or "none seen",
        "memory": f"{memory_kib() / 1024 / 1024:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": distribution(),
    }


def lscpu(field: str) -> str:
    try:
        text = subprocess.run(["lscpu"], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def memory_kib() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])


def distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return "unknown"
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    return fields.get("PRETTY_NAME", "unknown").strip('"')


def other_load() -> float:
    """The run queue over the last minute; above about 0.5 the numbers are those of a shared machine."""
    return os.getloadavg()[0]


class StolenTime:
    """The share of processor time that the hypervisor gave to others since this was made."""

    def __init__(self) -> None:
        self.before = cpu_ticks()

    def percent(self) -> float:
        deltas = [now - then for now, then in zip(cpu_ticks(), self.before)]
        total = sum(deltas[:8])
        return 100 * deltas[7] / total if total else 0.0


def cpu_ticks() -> list[int]:
    first_line = Path("/proc/stat").read_text().splitlines()[0]
    return [int(field) for field in first_line.split()[1:]]
