"""Child processes: started on one core, measured from /proc, and stopped without exception."""

from __future__ import annotations

import atexit
import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

from .errors import BenchError

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
STOP_SECONDS = 10
RUNNING: list["Process"] = []


class Process:
    """A process with its descendants, in a session of its own."""

    def __init__(self, argv: list[str], core: int, directory: Path, output: Path | None = None) -> None:
        self.errors = directory / "stderr.txt"
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        out = os.open(output or directory / "stdout.txt", appending, 0o644)
        err = os.open(self.errors, appending, 0o644)

        def before_exec() -> None:
            os.sched_setaffinity(0, {core})
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        try:
            self.child = subprocess.Popen(
                argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=before_exec,
            )
        except OSError as error:
            raise BenchError(f"cannot start `{argv[0]}`: {error.strerror}") from error
        finally:
            os.close(out)
            os.close(err)
        RUNNING.append(self)

    def exited(self) -> bool:
        return self.child.poll() is not None

    def last_words(self) -> str:
        lines = self.errors.read_text(errors="replace").splitlines() if self.errors.exists() else []
        return "\n".join(lines[-8:])

    def cpu_us(self) -> float:
        """Run time so far, user and system, of all the processes: what utime + stime say, without their 10 ms steps."""
        return sum(run_time_ns(pid) for pid in tree(self.child.pid)) / 1000

    def resident_kib(self) -> int:
        return sum(status_kib(pid, "VmRSS") for pid in tree(self.child.pid))

    def peak_kib(self) -> int:
        """The sum of the peaks; memory that two processes share counts twice."""
        return sum(status_kib(pid, "VmHWM") for pid in tree(self.child.pid))

    def stop(self) -> None:
        if self not in RUNNING:
            return
        RUNNING.remove(self)
        if not self.exited():
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()


def stop_all() -> None:
    for process in list(RUNNING):
        process.stop()


atexit.register(stop_all)


def tree(root: int) -> list[int]:
    found, open_ones = [], [root]
    while open_ones:
        pid = open_ones.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                open_ones.extend(int(child) for child in children.split())
        except OSError:
            continue
    return found


def run_time_ns(pid: int) -> int:
    """The CPU clock of another process, as clock_getcpuclockid(3) names it; ended threads are in it."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def status_kib(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)


def free_port() -> int:
    """A port below the range from which the system takes the client side of connections."""
    for _ in range(200):
        port = random.randint(15_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise BenchError("no free port on 127.0.0.1 between 15000 and 30000")
