"""The load generators, each with one thread, and their answers as numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .errors import BenchError, RoundFailed
from .process import Process
from .settings import EVEN_CONNECTIONS, EVEN_RATE, HANDSHAKE_PERIOD_MS, HANDSHAKES, H2_CONNECTIONS, H2_STREAMS
from .wire import GRPC_FIELDS, grpc_message

HERE = Path(__file__).resolve().parent.parent
ERRORS = ("connect", "read", "write", "timeout", "status")
GRACE_SECONDS = 20


def write_requests(file: Path, paths: list[str], tokens: list[str]) -> None:
    """One request per line: every path with every token would be too many, so both go round together."""
    count = max(len(paths), len(tokens), 1)
    with open(file, "w") as out:
        for number in range(count):
            token = f"\t{tokens[number % len(tokens)]}" if tokens else ""
            out.write(paths[number % len(paths)] + token + "\n")


def wrk(program: Path, core: int, directory: Path, url: str, requests: Path, seconds: int, connections: int, order: str) -> Load:
    return Load([
        str(program), "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "5s", "--latency",
        "--script", str(HERE / "load.lua"), url, "--", str(requests), order,
    ], core, directory, seconds, told_numbers)


def h2load(program: Path, core: int, directory: Path, port: int, path: str, seconds: int, grpc: bool) -> Load:
    call = ["--data", str(grpc_message()), *(f"--header={field}" for field in GRPC_FIELDS)] if grpc else []
    how = ["--clients", str(H2_CONNECTIONS), "--max-concurrent-streams", str(H2_STREAMS), "--duration", str(seconds), *call]
    return under_h2load(program, core, directory, how, f"http://127.0.0.1:{port}{path}", seconds)


def handshakes(program: Path, core: int, directory: Path, port: int, path: str, seconds: int) -> Load:
    """h2load keeps no session, so that none is resumed; wrk does."""
    count, at_once = str(HANDSHAKES * seconds), HANDSHAKES * HANDSHAKE_PERIOD_MS // 1000
    how = ["--h1", "--requests", count, "--clients", count, "--rate", str(at_once), "--rate-period", f"{HANDSHAKE_PERIOD_MS}ms", "--groups", "X25519"]
    return under_h2load(program, core, directory, how, f"https://127.0.0.1:{port}{path}", seconds)


def under_h2load(program: Path, core: int, directory: Path, how: list[str], url: str, seconds: int) -> Load:
    times = directory / "h2load.tsv"
    times.unlink(missing_ok=True)
    argv = [str(program), "--threads", "1", f"--log-file={times}", *how, url]
    return Load(argv, core, directory, seconds, lambda text: h2load_numbers(text, times.read_text() if times.exists() else "", seconds))


def evenly(core: int, directory: Path, port: int, path: str, seconds: int) -> Load:
    arguments = [str(value) for value in (port, path, EVEN_RATE, seconds, EVEN_CONNECTIONS)]
    return Load([sys.executable, str(HERE / "even.py"), *arguments], core, directory, seconds, told_numbers)


class Load:
    """One run of a generator against a port of this machine."""

    def __init__(self, argv: list[str], core: int, directory: Path, seconds: int, numbers: Callable[[str], dict[str, int] | None]) -> None:
        self.program, self.numbers = Path(argv[0]).name, numbers
        self.output = directory / "load.txt"
        self.output.unlink(missing_ok=True)
        self.deadline = seconds + GRACE_SECONDS
        self.process = Process(argv, core, directory, self.output)

    def running(self) -> bool:
        return not self.process.exited()

    def result(self) -> dict[str, int]:
        """Counts and times in microseconds; an answer other than 2xx or 3xx, or a broken connection, fails the round."""
        try:
            self.process.child.wait(self.deadline)
        except subprocess.TimeoutExpired as error:
            raise RoundFailed(f"{self.program} did not end in time") from error
        finally:
            self.process.stop()
        text = self.output.read_text()
        numbers = self.numbers(text)
        if numbers is None:
            raise BenchError(f"{self.program} gave no result: {self.process.last_words() or text[-300:]}")
        faults = {kind: numbers[kind] for kind in ERRORS if numbers[kind]}
        if faults or not numbers["requests"]:
            raise RoundFailed(f"{numbers['requests']} requests, failed: {faults}")
        return numbers


def told_numbers(text: str) -> dict[str, int] | None:
    """The line that load.lua and even.py end with."""
    line = next((line for line in text.splitlines() if line.startswith("RESULT ")), None)
    return json.loads(line[len("RESULT "):]) if line else None


def h2load_numbers(text: str, log: str, seconds: int) -> dict[str, int] | None:
    """h2load tells no percentiles; its log has a line for each request: when it began, its status, how long it took, in microseconds."""
    counts = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    times = sorted(int(line.split("\t")[2]) for line in log.splitlines())
    took = re.search(r"finished in ([0-9.]+)(ms|s)", text)
    duration_us = float(took[1]) * (1_000 if took[2] == "ms" else 1_000_000) if took else seconds * 1_000_000
    if not counts:
        return None
    succeeded, failed, errored, timeout = map(int, counts.groups())
    at = lambda share: times[min(int(len(times) * share), len(times) - 1)] if times else 0  # noqa: E731
    return {
        "requests": succeeded, "sent": succeeded, "duration_us": round(duration_us), "connect": 0, "read": errored, "write": 0, "timeout": timeout,
        "status": failed - errored - timeout, "p50_us": at(0.5), "p99_us": at(0.99),
    }
